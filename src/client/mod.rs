//! A client that pushes to a rollcall server, as `rollcall push` does, for programs that embed it.
//!
//! A [`Body`] is made of a file (a StartExam body, a CSV, an Excel workbook) or written by the program itself with [`Body::of`]. It is
//! kept compressed in a temporary file, so it need not fit into memory, and its length is known before the first byte is sent, because
//! SharedKey signs it. [`push()`] signs and sends it, and sends it again after a failure that may pass. All attempts have one idempotency key,
//! so the push is applied once. Each says how many employees there are, and has a digest of the body.
//!
//! All functions block. What they return says whether nothing was sent or whether the push may have been applied.
//!
//! ```
//! use rollcall::client::{Body, Columns, Patience, Progress, Target, profile_fields, push};
//!
//! # use rollcall::{limits::Limits, sample, server::{Server, serve}, store::{Profiles, Store}};
//! # use std::sync::Arc;
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("employees.toml"), sample::PROFILE_TOML)?;
//! # let store = Store::open(&folder.path().join("data"), None)?;
//! # store.add_account(99, "", "secret", None)?;
//! # let (profiles, _) = Profiles::open(&store, folder.path())?;
//! # let server = Arc::new(Server::new(store, profiles, Limits::default(), Vec::new())?);
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
//! # let url = format!("http://{}", listener.local_addr()?);
//! # runtime.spawn(serve(server, vec![listener], std::future::pending()));
//! # let file = folder.path().join("team.csv");
//! # std::fs::write(&file, "Emp No,First Name,Email\n4711,Ada,ada@example.com\n")?;
//! let profile = "d51b5efd-fb21-4cb8-94e2-145014839465";
//! let target = Target::new(&url, 99, "secret")?;
//! let patience = Patience::default();
//! let columns = Columns {
//!     profile: profile.into(),
//!     map: [("Emp No".into(), "id".into())].into(),
//!     collaborator: false,
//!     empty_missing: false,
//!     sheet: None,
//!     columns_max: 2_000,
//!     row_bytes_max: 1 << 20,
//!     // Headings that the profile does not have are reported before anything is sent.
//!     fields: Box::new({
//!         let target = target.clone();
//!         move || profile_fields(&target, profile, patience.answer)
//!     }),
//! };
//! let body = Body::read(&file, Some(&columns), |_rows| {})?;
//! let answer = push(&target, &body, patience, |progress| {
//!     if let Progress::Retry { why, wait, .. } = progress {
//!         eprintln!("{why}; trying again in {wait:?}");
//!     }
//! })?;
//! match (answer.counts(), answer.refusal()) {
//!     (Some(counts), _) => assert_eq!(counts.employees_created, 1),
//!     (None, Some(refusal)) => {
//!         for error in refusal.errors {
//!             let place = error.index.map(|index| body.places.place(index));
//!             eprintln!("{place:?}: {}: {}", error.field, error.message);
//!         }
//!     }
//!     (None, None) => eprintln!("this is not rollcall's answer: {}", answer.status),
//! }
//! # assert!(answer.ok, "{}", answer.text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advice;
mod body;
mod collaborator;
mod connection;
mod csv;
mod places;
mod plan;
mod rejects;
mod retry;
mod rows;
mod send;
#[cfg(feature = "workbooks")]
mod xlsx;

pub use advice::{advice, is_replaced};
pub use body::{Body, InputError, Writer};
pub use connection::{Broken, Sent, tried};
pub use places::{NamedColumn, Places};
pub use plan::RemotePlan;
pub use rejects::write_rejects;
pub use retry::{Patience, Progress, ask, push};
pub use rows::Columns;
pub use send::{
    Answer, AnswerCause, AnswerCounts, AnswerGuard, AnswerRefusal, AnswerRejected, AnswerRejection, ProfileField,
    PushError, Signing, Target, profile_fields,
};
