//! Every limit of the server, by name and with its unit last.

mod size;

use serde::Deserialize;

/// How many names of ignored members and fields an answer has.
pub const IGNORED_NAMES_MAX: usize = 50;

/// How long such a name may be, in characters; a longer one is cut.
pub const IGNORED_NAME_CHARS_MAX: usize = 100;

/// How long the header with them may be, in bytes: proxies take some 4 KiB of headers in all.
pub const IGNORED_HEADER_BYTES_MAX: usize = 2_000;

/// The `[limits]` table of the configuration file. What is left out has the value of [`Limits::default`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The longest body of a push, in bytes, as `Content-Length` says it: over it 413, before the body is read.
    #[serde(deserialize_with = "size::bytes")]
    pub body_bytes_max: u64,
    /// The longest single employee in a body, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub employee_bytes_max: usize,
    /// The longest rest of a body without its employees, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub envelope_bytes_max: usize,
    /// The most employees in one push.
    pub employees_max: u64,
    /// The longest body of an import that is read as a whole, in bytes: a user, a batch, a CSV.
    #[serde(deserialize_with = "size::bytes")]
    pub import_bytes_max: usize,
    /// The most columns of a CSV or a workbook, in an import as in `rollcall push`.
    pub columns_max: usize,
    /// The longest form of one of EchoSpan's commands, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub form_bytes_max: usize,
    /// The most records that an account may queue in a day (UTC) by EchoSpan's commands.
    pub queued_per_day_max: u64,
    /// The most text of references that one push may hold until its end, in bytes.
    #[serde(deserialize_with = "size::bytes")]
    pub references_bytes_max: usize,
    /// The most data rows of one employee.
    pub data_rows_max: usize,
    /// The deepest nesting of objects and arrays in a body; the body's own object is the first level.
    pub depth_max: u32,
    /// The most rejections that an answer lists, and the most causes; all are counted.
    pub errors_listed_max: usize,
    /// The time a connection has to send a request's head, from its first byte; a new connection from its beginning.
    pub head_seconds_max: u64,
    /// The longest head of a request, in bytes: over it 431.
    #[serde(deserialize_with = "size::bytes")]
    pub head_bytes_max: usize,
    /// The most bytes of heads that have not ended, over all connections: one that exceeds it loses its connection.
    #[serde(deserialize_with = "size::bytes")]
    pub heads_bytes_max: usize,
    /// The time a connection may stay idle between two requests; longer than a proxy keeps it in its pool, so that the proxy closes first.
    pub idle_seconds_max: u64,
    /// How long a refused body is still received, so that its client reads the answer.
    pub drain_seconds_max: u64,
    /// The longest pause between two pieces of a body, or of an answer that a client takes.
    pub body_pause_seconds_max: u64,
    /// The slowest body or answer, in bytes a second on average, once `body_grace_seconds` have passed.
    #[serde(deserialize_with = "size::bytes")]
    pub body_bytes_per_second_min: u64,
    /// How long a body or an answer may be slower than `body_bytes_per_second_min`.
    pub body_grace_seconds: u64,
    /// The most connections at once: one more takes the place of the one whose client has kept the server waiting longest, or gets 503.
    pub connections_max: usize,
    /// The most pushes at once over all accounts: one more waits, then gets 503. While it waits, whoever is slowest to send a body
    /// loses its place.
    pub pushes_max: usize,
    /// The most exports that are written at once over all accounts, and half of them for one account: one more waits, then gets 503.
    pub exports_max: usize,
    /// The longest write-ahead log of an account, in bytes, beside which a new export may begin: over it 503, until those under way
    /// have ended and the log is folded in.
    #[serde(deserialize_with = "size::bytes")]
    pub log_bytes_max: u64,
    /// The most requests that read at once over all accounts: one more waits, then gets 503.
    pub reads_max: usize,
    /// The most requests of one account that read at once.
    pub account_reads_max: usize,
    /// The most requests of one account that wait for their turn: to push, to read, or to export.
    pub account_waiting_max: usize,
    /// The most bytes of bodies that are collected before they are applied, over all connections; an account's share is a quarter.
    #[serde(deserialize_with = "size::bytes")]
    pub collected_bytes_max: usize,
    /// The most bytes of answers that clients have not taken, over all connections; an account's share is a quarter.
    #[serde(deserialize_with = "size::bytes")]
    pub answers_bytes_max: usize,
    /// How long a push waits for another of the same account, or for its turn among all; then it gets 409, or 503. Reads and exports
    /// wait as long.
    pub push_wait_seconds_max: u64,
    /// How long requests under way may still take after the server was told to stop.
    pub stop_seconds_max: u64,
    /// The most memory for the indexes of all accounts that wait for their next push, in bytes; the least recently used go first.
    #[serde(deserialize_with = "size::bytes")]
    pub index_bytes_max: usize,
    /// The most rosters that stay open for their accounts' next pushes. They close when they were not used for some seconds. Each holds
    /// three files and some 100 KB.
    pub rosters_open_max: usize,
    /// The most refused pushes that the history of an account has; the oldest go first.
    pub refusals_kept_max: u64,
    /// The most employees on a page of `GET /v1/employees`.
    pub page_employees_max: usize,
    /// The most data on such a page, in bytes; the employee that reaches it is the page's last.
    #[serde(deserialize_with = "size::bytes")]
    pub page_bytes_max: usize,
}

impl Limits {
    /// The name of a limit that is 0 and would let nothing through.
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
            stop_seconds_max: 30,
            index_bytes_max: 1 << 30,
            rosters_open_max: 1_024,
            refusals_kept_max: 10_000,
            page_employees_max: 1_000,
            page_bytes_max: 4 << 20,
        }
    }
}
