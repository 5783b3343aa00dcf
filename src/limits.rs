//! Every limit of the server, with its unit at the end of its name.
//!
//! ```
//! use rollcall::limits::Limits;
//!
//! let limits: Limits = toml::from_str("body_bytes_max = \"500 MB\"\nhead_seconds_max = 0")?;
//! assert_eq!(limits.body_bytes_max, 500_000_000);
//! assert_eq!(limits.employees_max, Limits::default().employees_max);
//! assert_eq!(limits.zero(), Some("head_seconds_max"));
//! # Ok::<(), toml::de::Error>(())
//! ```

mod size;

use serde::Deserialize;

/// How many names of ignored members and fields an answer lists.
pub const IGNORED_NAMES_MAX: usize = 50;

/// How long such a name may be, in characters; longer ones are cut.
pub const IGNORED_NAME_CHARS_MAX: usize = 100;

/// How long the header that lists them may be, in bytes: proxies accept some 4 KiB of headers in all.
pub const IGNORED_HEADER_BYTES_MAX: usize = 2_000;

/// The longest `Idempotency-Key`, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// How often a lenient push is tried again because others break a rule of the whole roster without those who were rejected. Then it is refused.
pub const LENIENT_ROUNDS_MAX: u32 = 16;

/// How long a push with an `Idempotency-Key` is remembered, in seconds.
pub const RETRY_SECONDS_MAX: u32 = 24 * 60 * 60;

/// The `[limits]` table of the configuration file. A limit that is left out has its value of [`Limits::default`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The longest body of a push, in bytes, by its `Content-Length`. A longer one is answered 413 before it is read.
    #[serde(deserialize_with = "size::bytes")]
    pub body_bytes_max: u64,
    /// The longest single employee in a body, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub employee_bytes_max: usize,
    /// The longest body without its employees, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub envelope_bytes_max: usize,
    /// The most employees in one push.
    pub employees_max: u64,
    /// The longest body of an import that is read as a whole (a user, a batch, a CSV), in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub import_bytes_max: usize,
    /// The most columns of a CSV or a workbook, in an import and in `rollcall push`.
    pub columns_max: usize,
    /// The longest form of one of EchoSpan's commands, and the longest body of a rename, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub form_bytes_max: usize,
    /// The most records that an account may queue by EchoSpan's commands in a day (UTC).
    pub queued_per_day_max: u64,
    /// The most text that one push may hold until its end because employees refer to others by it, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub references_bytes_max: usize,
    /// The most data rows of one employee.
    pub data_rows_max: usize,
    /// The deepest nesting of objects and arrays in a body; the body's own object is the first level.
    pub depth_max: u32,
    /// The most rejections that an answer lists, and the most causes. All are counted.
    pub errors_listed_max: usize,
    /// The time for a request's head, in seconds, from its first byte; on a new connection from the beginning.
    pub head_seconds_max: u64,
    /// The longest head of a request, in bytes. A longer one is answered 431.
    #[serde(deserialize_with = "size::bytes")]
    pub head_bytes_max: usize,
    /// The most bytes of unfinished heads, over all connections. The connection that exceeds it is closed.
    #[serde(deserialize_with = "size::bytes")]
    pub heads_bytes_max: usize,
    /// The time a connection may stay idle between two requests, in seconds. It should be longer than a proxy keeps idle connections, so
    /// that the proxy closes first.
    pub idle_seconds_max: u64,
    /// How long a refused body is still received, in seconds, so that its client reads the answer.
    pub drain_seconds_max: u64,
    /// The longest pause between two pieces of a body, or of an answer that a client takes, in seconds.
    pub body_pause_seconds_max: u64,
    /// The slowest body or answer, in bytes a second on average, once `body_grace_seconds` have passed.
    #[serde(deserialize_with = "size::bytes")]
    pub body_bytes_per_second_min: u64,
    /// How long a body or an answer may be slower than `body_bytes_per_second_min`, in seconds.
    pub body_grace_seconds: u64,
    /// The most connections at once. One more takes the place of the one whose client has kept the server waiting longest, or gets 503.
    pub connections_max: usize,
    /// The most pushes at once over all accounts. One more waits, then gets 503; while it waits, the client that is slowest to send its
    /// body loses its place.
    pub pushes_max: usize,
    /// The most exports that are written at once over all accounts; one account may have half of them. One more waits, then gets 503.
    pub exports_max: usize,
    /// The longest write-ahead log of an account, in bytes, with which a new export may begin. With a longer one it gets 503 until the
    /// exports under way have ended and the log is folded in.
    #[serde(deserialize_with = "size::bytes")]
    pub log_bytes_max: u64,
    /// The most requests that read at once over all accounts. One more waits, then gets 503.
    pub reads_max: usize,
    /// The most requests of one account that read at once.
    pub account_reads_max: usize,
    /// The most requests of one account that wait for their turn: to push, to read, or to export.
    pub account_waiting_max: usize,
    /// The most bytes of bodies that are collected before they are applied, over all connections. One account may have a quarter.
    #[serde(deserialize_with = "size::bytes")]
    pub collected_bytes_max: usize,
    /// The most bytes of answers that clients have not taken, over all connections. One account may have a quarter.
    #[serde(deserialize_with = "size::bytes")]
    pub answers_bytes_max: usize,
    /// How long a push waits for another of the same account, or for its turn among all, in seconds; then it gets 409 or 503. Reads and
    /// exports wait as long.
    pub push_wait_seconds_max: u64,
    /// The most requests that wait for changes at once (`GET /v1/changes`), over all accounts; one account may have half of them. One more gets
    /// 503.
    pub followers_max: usize,
    /// The longest time that such a request may ask to wait, in seconds. It should be shorter than a proxy waits for an answer.
    pub follow_seconds_max: u64,
    /// How long requests under way may still take after the server was told to stop, in seconds.
    pub stop_seconds_max: u64,
    /// The most memory for the indexes of the accounts that wait for their next push, in bytes. The least recently used go first.
    #[serde(deserialize_with = "size::bytes")]
    pub index_bytes_max: usize,
    /// The most rosters that stay open for their accounts' next pushes. Each holds three files and some 100 KB, and closes after some
    /// seconds without use.
    pub rosters_open_max: usize,
    /// The most refused pushes in the history of an account. The oldest go first.
    pub refusals_kept_max: u64,
    /// How many days the history of an account is kept that has no setting of its own: what employees were, and what was pushed.
    pub history_days: u32,
    /// The most pushes with an `Idempotency-Key` that are remembered of an account. The oldest go first.
    pub retries_kept_max: u64,
    /// The most signatures of an account that are remembered, so that one that comes again is noticed. Of those of pushes, which are stored,
    /// the oldest go first; one more request that is signed by RFC 9421 gets 503 until the first are 15 minutes old.
    pub signatures_kept_max: usize,
    /// The most plans of an account that wait. For one more the oldest dry run is discarded.
    pub plans_max: u64,
    /// The most bytes of changes in the plans of an account that wait. The oldest dry runs are discarded first.
    #[serde(deserialize_with = "size::bytes")]
    pub plans_bytes_max: u64,
    /// The longest text of a profile that is published, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub profile_bytes_max: usize,
    /// The most profiles that keys and users of an account may publish for it alone.
    pub account_profiles_max: u64,
    /// How long a plan waits, in seconds.
    pub plan_seconds_max: u32,
    /// The most employees on a page of `GET /v1/employees`, and the most changes or pushes on a page of a plan or of
    /// the history.
    pub page_employees_max: usize,
    /// The most data on such a page, in bytes. The employee that reaches it is the last on its page.
    #[serde(deserialize_with = "size::bytes")]
    pub page_bytes_max: usize,
}

impl Limits {
    /// Returns the name of a limit that is 0 and would let nothing through, if there is one.
    pub fn zero(&self) -> Option<&'static str> {
        let limits = [
            ("body_bytes_max", self.body_bytes_max == 0),
            ("employee_bytes_max", self.employee_bytes_max == 0),
            ("envelope_bytes_max", self.envelope_bytes_max == 0),
            ("import_bytes_max", self.import_bytes_max == 0),
            ("columns_max", self.columns_max == 0),
            ("form_bytes_max", self.form_bytes_max == 0),
            ("employees_max", self.employees_max == 0),
            ("depth_max", self.depth_max == 0),
            ("head_seconds_max", self.head_seconds_max == 0),
            ("head_bytes_max", self.head_bytes_max == 0),
            ("heads_bytes_max", self.heads_bytes_max == 0),
            ("idle_seconds_max", self.idle_seconds_max == 0),
            ("reads_max", self.reads_max == 0),
            ("account_reads_max", self.account_reads_max == 0),
            ("account_waiting_max", self.account_waiting_max == 0),
            ("collected_bytes_max", self.collected_bytes_max == 0),
            ("answers_bytes_max", self.answers_bytes_max == 0),
            ("body_pause_seconds_max", self.body_pause_seconds_max == 0),
            ("connections_max", self.connections_max == 0),
            ("pushes_max", self.pushes_max == 0),
            ("exports_max", self.exports_max == 0),
            ("followers_max", self.followers_max == 0),
            ("history_days", self.history_days == 0),
            ("signatures_kept_max", self.signatures_kept_max == 0),
            ("plans_max", self.plans_max == 0),
            ("plans_bytes_max", self.plans_bytes_max == 0),
            ("plan_seconds_max", self.plan_seconds_max == 0),
            ("profile_bytes_max", self.profile_bytes_max == 0),
            ("page_employees_max", self.page_employees_max == 0),
        ];
        limits.into_iter().find(|(_, zero)| *zero).map(|(name, _)| name)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes_max: 4 << 30,
            employee_bytes_max: 16 << 20,
            envelope_bytes_max: 1 << 20,
            employees_max: 10_000_000,
            import_bytes_max: 64 << 20,
            columns_max: 2_000,
            form_bytes_max: 65_536,
            queued_per_day_max: 1_000_000,
            references_bytes_max: 128 << 20,
            data_rows_max: 1_000,
            depth_max: 64,
            errors_listed_max: 1_000,
            head_seconds_max: 15,
            head_bytes_max: 65_536,
            heads_bytes_max: 16 << 20,
            idle_seconds_max: 75,
            drain_seconds_max: 30,
            body_pause_seconds_max: 30,
            body_bytes_per_second_min: 1_024,
            body_grace_seconds: 30,
            connections_max: 4_096,
            pushes_max: 32,
            exports_max: 4,
            log_bytes_max: 1 << 30,
            reads_max: 8,
            account_reads_max: 2,
            account_waiting_max: 32,
            collected_bytes_max: 128 << 20,
            answers_bytes_max: 128 << 20,
            push_wait_seconds_max: 10,
            followers_max: 2_048,
            follow_seconds_max: 60,
            stop_seconds_max: 30,
            index_bytes_max: 1 << 30,
            rosters_open_max: 1_024,
            refusals_kept_max: 10_000,
            history_days: 400,
            retries_kept_max: 10_000,
            signatures_kept_max: 10_000,
            plans_max: 20,
            plans_bytes_max: 2 << 30,
            plan_seconds_max: 86_400,
            profile_bytes_max: 256 << 10,
            account_profiles_max: 20,
            page_employees_max: 1_000,
            page_bytes_max: 4 << 20,
        }
    }
}
