//! Where rosters are kept: SQLite, a folder with one database an account and one for what the accounts share.
//!
//! ```text
//! data/rollcall.db          accounts with their keys, and the seed of the hashes
//! data/accounts/99.db       the roster of account 99
//! data/rollcall.lock        held by the server that uses the folder
//! ```

mod accounts;
mod error;
mod figures;
mod folder;
mod history;
mod index;
mod keys;
mod roster;
mod rows;
mod schema;
mod snapshot;
mod transaction;

pub use accounts::{Account, Key};
pub use error::Error;
pub use folder::{Lock, Store};
pub use history::{Outcome, Past, Refused, Sender};
pub use keys::{Credential, ListedKey, TokenHolder};
pub use roster::{Roster, Summary};
pub use rows::Rows;
pub use snapshot::{Filter, Since, Snapshot};
pub use transaction::{Numbers, Sync, Transaction};
