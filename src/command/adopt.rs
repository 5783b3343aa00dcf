//! `rollcall account adopt`

use super::{Failed, out};
use crate::store::Store;
use crate::token;
use clap::Args;
use serde_json::json;

/// Make an account of a file that was put into the data folder as accounts/ID.db, and print its new secret, as JSON
#[derive(Args)]
pub struct Adopt {
    /// The id, a positive integer
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    id: i64,
    /// What people call it
    #[arg(long, env = "ROLLCALL_ACCOUNT_NAME", default_value = "")]
    name: String,
}

impl Adopt {
    pub fn run(self, store: &Store) -> Result<(), Failed> {
        let secret = token::random().map_err(Failed::refused)?;
        let employees = store.adopt_account(self.id, &self.name, &secret)?;
        out!("{}", json!({ "account": self.id, "secret": secret, "employees": employees }))?;
        Ok(())
    }
}
