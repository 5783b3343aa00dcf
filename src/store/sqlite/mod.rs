//! The backend of one machine: SQLite, a folder with one database an account and one for what the accounts share.
//!
//! ```text
//! data/rollcall.db          accounts with their keys
//! data/server.key           the key that SharedKey secrets are sealed with; it may lie elsewhere
//! data/accounts/99.db       the roster of account 99, complete in itself
//! data/rollcall.lock        held by the server that uses the folder
//! ```

mod accounts;
mod adopt;
mod alarms;
mod at;
mod backup;
mod changes;
mod check;
mod deliveries;
mod derived;
mod draft;
mod due;
mod erasures;
mod failure;
mod feed;
mod figures;
mod folder;
mod history;
mod index;
mod kept;
mod keys;
mod life;
mod log;
mod missing;
mod news;
mod plan_absences;
mod plans;
mod private;
mod profiles;
mod reader;
mod repair;
mod restore;
mod retry;
mod roster;
mod rows;
mod schema;
mod scratch;
mod scrub;
mod secrets;
mod server_key;
mod set_aside;
mod snapshot;
mod syncs;
mod tally;
mod trim;
mod undo;
mod users;
mod versions;
mod waiting;
mod webhooks;
mod wipe;

pub use accounts::{Account, Key};
pub use alarms::{Alarm, Scheduled};
pub use backup::Copied;
pub use check::Checkup;
pub use deliveries::{Attempt, Delivery, DueDelivery, LastAttempt, PENDING_MAX};
pub use draft::Draft;
pub use due::Due;
pub use folder::{Lock, Store, Touched};
pub use history::Refused;
pub use keys::{Admitted, Credential, Ended, Ending, Holder, ListedKey, TokenHolder};
pub use life::{Event, FormerId, LifePage, Person};
pub use news::News;
pub use profiles::{NewVersion, Placed, ProfileFile, ProfileVersion, Standing, StoredProfile, Written};
pub use reader::{Page, Reader, Summary};
pub use restore::RESTORE;
pub use roster::Roster;
pub use secrets::Secret;
pub use snapshot::{Filter, Since, Snapshot};
pub use syncs::{Applied, Outcome, OutcomeFilter, Past, SyncFilter, SyncPage, SyncPlace};
pub use trim::Trimmed;
pub use users::{Deed, User};
pub use webhooks::{Announced, ToAnnounce, Webhook};

use super::{
    AccountSetting, Announcement, AppliedPlan, Base, Came, Commit, Earlier, Error, EventType, FeedChange, FeedCursor,
    FeedError, FeedPage, FeedStart, FeedSync, Held, HeldPush, IndexUpdate, Mark, Moment, MomentError, NewPlan, Numbers,
    OF_HIDDEN, Once, Plan, PlanState, PlannedChange, RecordedChange, RejectionCounts, Remember, Retry,
    STATUS_CHANGES_MAX, Seen, Sender, Sync, SyncKind, Times, Undoable, Undone, UniqueValue, VersionAt, Why,
    guards_of_text, guards_to_text, plan::StoredWhy, settings::SCHEDULE, suspects_of_text, suspects_to_text,
    unique_values,
};
