//! What the operator sees: the log, the metrics, and the history of an account.

pub mod ends;
pub mod history;
pub mod log;
pub mod metrics;
pub mod scrape;
