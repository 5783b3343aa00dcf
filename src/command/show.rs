//! `rollcall show`

use super::changes::{self, Document};
use super::folder::{IfMissing, StoreFolder};
use super::{Failed, out};
use crate::config::Config;
use crate::dialect::startexam::shown_change;
use crate::server::shown_sync;
use crate::store::{Applied, Error, Reader};
use clap::Args;
use clap::builder::FalseyValueParser;
use serde_json::Value;

/// How many changes are read at a time.
const PART: usize = 1_024;

/// Show what a sync did: who sent it, its counts, and with --changes each employee before and after; a server may be running
#[derive(Args)]
pub struct Show {
    /// The account
    account: i64,
    /// The revision that the sync made, as `rollcall history` and /v1/syncs show it
    revision: u64,
    /// Print each change: + created, ~ updated, ! hidden, and each field before and after
    #[arg(long, env = "ROLLCALL_CHANGES", value_parser = FalseyValueParser::new())]
    changes: bool,
    /// Print a JSON object
    #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    store: StoreFolder,
}

impl Show {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        let key = store.key(self.account)?.ok_or(Error::NoAccount(self.account))?;
        let reader = store.history_reader(&key)?;
        let past = reader.sync(self.revision)?.ok_or_else(|| {
            let (account, revision) = (self.account, self.revision);
            Failed::Refused(format!(
                "no sync of account {account} made revision {revision}; see `rollcall history {account}`"
            ))
        })?;
        let shown = shown_sync(&past);
        let mut document = if self.json { Some(Document::begin_with("sync", &shown)?) } else { None };
        if !self.json {
            print(&shown)?;
            changes::print_suspects(self.account, &shown)?;
        }
        if let (Some(applied), true) = (past.applied(), self.changes) {
            print_changes(&reader, applied, document.as_mut())?;
        }
        document.map_or(Ok(()), Document::end)
    }
}

fn print_changes(reader: &Reader, applied: &Applied, mut document: Option<&mut Document>) -> Result<(), Failed> {
    let (names, mut after) = (reader.names()?, 0);
    loop {
        let part = reader.changes(applied, after, PART)?;
        let Some(last) = part.last() else {
            return Ok(());
        };
        after = last.change.number;
        for recorded in &part {
            let change = shown_change(&recorded.change.lend(), recorded.hidden_by, &names);
            match &mut document {
                Some(document) => document.change(&change)?,
                None => changes::print(&change)?,
            }
        }
    }
}

/// Prints a sync, a line for each thing that is known of it.
fn print(sync: &Value) -> Result<(), Failed> {
    let is_printed = |(name, value): &(&String, &Value)| *name != "suspects" && !value.is_null();
    for (name, value) in sync.as_object().into_iter().flatten().filter(is_printed) {
        match value {
            Value::String(text) => out!("{name}: {}", text.escape_debug())?,
            other => out!("{name}: {other}")?,
        }
    }
    Ok(())
}
