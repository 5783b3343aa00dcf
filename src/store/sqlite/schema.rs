//! The tables, and the steps that lead from an earlier version of them to this one.

use super::{Error, derived, private};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process, such as `rollcall account`.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages that a connection may hold in memory that writes, in KiB.
pub(super) const WRITER_CACHE_KIB: i64 = 16 << 10;

/// Pages that a connection may hold in memory that only reads, in KiB. There can be many at a time, and each reads a page once.
const READER_CACHE_KIB: i64 = 2 << 10;

/// How many statements a connection keeps prepared: more than a push has.
const STATEMENTS_MAX: usize = 64;

/// The steps of `rollcall.db`; its `user_version` is how many were taken. A released step never changes.
pub const SHARED: &[&str] = &[
    "
    CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE account (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        -- Tells an account from another that had its id before.
        generation INTEGER NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT;
    -- A SharedKey secret as it is, or the hash of a token with what finds it.
    CREATE TABLE key (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account INTEGER NOT NULL,
        dialect TEXT NOT NULL,
        secret TEXT,
        hash BLOB,
        found_by INTEGER,
        client_id TEXT,
        site TEXT,
        created_at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX key_by_account ON key (account);
    CREATE INDEX key_by_hash ON key (found_by);
    -- What is set for a dialect of an account: the profile that it uses, what becomes of who is absent.
    CREATE TABLE dialect_setting (
        account INTEGER NOT NULL,
        dialect TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (account, dialect, name)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO setting VALUES ('seed', random());
",
    "
    -- A secret as earlier versions kept it. When the store is opened it is sealed, and this becomes NULL.
    ALTER TABLE key RENAME COLUMN secret TO plain_secret;
    -- A SharedKey secret, sealed with the server key whose id is the setting 'server_key'; see store::server_key.
    ALTER TABLE key ADD COLUMN sealed_secret BLOB;
    -- The first second of Unix time at which the key, or the account, has ended.
    ALTER TABLE key ADD COLUMN ends_at INTEGER;
    ALTER TABLE account ADD COLUMN ends_at INTEGER;
    -- Secrets, also revoked ones, may be in the file in plain text; see Store::seal_plain_secrets.
    INSERT INTO setting SELECT 'unscrubbed', 1 WHERE EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'key');
",
    "
    -- What the key may do, as role::Roles displays it. NULL in keys of earlier versions, which may do everything.
    ALTER TABLE key ADD COLUMN roles TEXT;
    -- What is set for an account, whatever the dialect; see store::AccountSetting.
    CREATE TABLE account_setting (
        account INTEGER NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID;
",
    ERASED_LIST,
    USERS,
    WEBHOOKS,
    PROFILES,
];

/// Whom to tell, and what is still to be told.
const WEBHOOKS: &str = "
    -- The push of an account is late, which it is no more when the row goes. last_push: the last one before; NULL if there was none.
    CREATE TABLE alarm (
        account INTEGER PRIMARY KEY,
        due_at TEXT NOT NULL,
        last_push TEXT,
        raised_at TEXT NOT NULL
    ) STRICT;
    -- events: names of store::EventType, separated by spaces. sealed_secret: sealed with the server key, as key.sealed_secret is; the one
    -- before it signs, too, until old_until, in seconds of Unix time. disabled_at: when its receiver said that it is gone. revision, refusal:
    -- the last of the account's history that deliveries were made of. next_at: the least of its deliveries.
    CREATE TABLE webhook (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account INTEGER NOT NULL,
        url TEXT NOT NULL,
        events TEXT NOT NULL,
        sealed_secret BLOB NOT NULL,
        old_sealed_secret BLOB,
        old_until INTEGER,
        created_at TEXT NOT NULL,
        disabled_at TEXT,
        revision INTEGER NOT NULL,
        refusal INTEGER NOT NULL,
        next_at INTEGER
    ) STRICT;
    CREATE INDEX webhook_by_account ON webhook (account);
    CREATE INDEX webhook_due ON webhook (next_at) WHERE next_at IS NOT NULL;
    -- message: what the receiver knows the event by. next_at: when it is sent next, in milliseconds of Unix time; NULL if it is not to be sent
    -- any more. status, failure, ms: of the last attempt; status is NULL if there was no answer, and failure if the answer was good.
    CREATE TABLE delivery (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook INTEGER NOT NULL,
        message TEXT NOT NULL,
        event TEXT NOT NULL,
        payload TEXT NOT NULL,
        created_at TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER,
        last_at TEXT,
        status INTEGER,
        failure TEXT,
        ms INTEGER
    ) STRICT;
    CREATE INDEX delivery_by_webhook ON delivery (webhook, number);
    CREATE INDEX delivery_due ON delivery (webhook, next_at) WHERE next_at IS NOT NULL;
    CREATE INDEX delivery_by_age ON delivery (created_at);
";

/// The people who sign in to the page.
const USERS: &str = "
    -- account: NULL if all. password: its argon2id hash, as rollcall::password makes it; NULL until the user has chosen one. invitation: the hash of a
    -- token that is good for one new password until invited_until, in seconds of Unix time.
    CREATE TABLE user (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        account INTEGER,
        role TEXT NOT NULL,
        password TEXT,
        invitation BLOB UNIQUE,
        invited_until INTEGER,
        created_at TEXT NOT NULL
    ) STRICT;
    -- token: the hash of what the cookie carries. Times are seconds of Unix time.
    CREATE TABLE session (
        token BLOB NOT NULL UNIQUE,
        user INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        ends_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX session_by_user ON session (user);
    -- What users did. what: without values of people. revision: the one that it made, if any.
    CREATE TABLE deed (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        user TEXT NOT NULL,
        account INTEGER,
        what TEXT NOT NULL,
        revision INTEGER
    ) STRICT;
    CREATE INDEX deed_by_account ON deed (account, number);
    CREATE INDEX deed_by_revision ON deed (account, revision) WHERE revision IS NOT NULL;
";

/// The profiles with their versions.
const PROFILES: &str = "
    -- in_force: the number of the version that is in force; NULL if the profile was removed. file: the path of the file that defines it; NULL if
    -- none does. file_hash, file_number: the hash of the file's text when it was last read or written, and the version that it was then.
    CREATE TABLE profile (
        id TEXT PRIMARY KEY,
        in_force INTEGER,
        file TEXT,
        file_hash BLOB,
        file_number INTEGER
    ) STRICT, WITHOUT ROWID;
    -- number: 1, 2, 3 … of the profile. who: as rollcall::store::Publisher displays it. account: the only one that may use the version, if there is one that alone may.
    CREATE TABLE profile_version (
        profile TEXT NOT NULL,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        published_at TEXT NOT NULL,
        who TEXT NOT NULL,
        why TEXT,
        account INTEGER,
        PRIMARY KEY (profile, number)
    ) STRICT;
    -- Another number whenever what is in force, or its file, has changed.
    INSERT INTO setting VALUES ('profiles', random());
";

/// Who was erased in any account.
const ERASED_LIST: &str = "
    -- See store::sqlite::erasures. roster: the hash of the identity of an account's file. hash: of a person in it.
    CREATE TABLE erased (
        roster BLOB NOT NULL,
        mark BLOB NOT NULL,
        hash BLOB NOT NULL,
        erased_at TEXT NOT NULL,
        PRIMARY KEY (roster, mark, hash)
    ) STRICT, WITHOUT ROWID;
";

/// The steps of an account's database.
pub const ROSTER: &[&str] = &["
    -- What the account's employees have ever had a value in; the numbers stand for the names in data.
    CREATE TABLE field (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    -- The profiles that pushes have named; uniques are the numbers of the fields that had to be unique at the last push.
    CREATE TABLE profile (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        uniques TEXT NOT NULL
    ) STRICT;
    -- number: 1, 2, 3 … in the order of arrival; its place in the index is one less. status: 1 active, 0 hidden. data: see roster::Data. revision: of the last change.
    CREATE TABLE employee (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        status INTEGER NOT NULL,
        profile INTEGER NOT NULL,
        data BLOB NOT NULL,
        revision INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX employee_by_id ON employee (id);
    -- Who holds which value of a unique field; the value by its hash. See store::OF_HIDDEN.
    CREATE TABLE unique_value (
        field INTEGER NOT NULL,
        hash BLOB NOT NULL,
        employee INTEGER NOT NULL,
        PRIMARY KEY (field, hash, employee)
    ) STRICT, WITHOUT ROWID;
    -- The index of the roster, a cache: entries as parts of it, the later before the earlier; see store::index.
    CREATE TABLE index_part (part INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
    -- The revision that the index belongs to.
    CREATE TABLE index_state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        revision INTEGER NOT NULL,
        employees INTEGER NOT NULL,
        entries INTEGER NOT NULL
    ) STRICT;
    -- The order of its entries in the last push of all, in runs.
    CREATE TABLE index_order (one INTEGER PRIMARY KEY CHECK (one = 1), runs BLOB NOT NULL) STRICT;
    -- Commands of EchoSpan's that wait for P, in the order of arrival: its record as JSON.
    CREATE TABLE queue (position INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
    -- How many requests there were on a day, in UTC.
    CREATE TABLE request_count (day TEXT PRIMARY KEY, requests INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    -- What each push did.
    CREATE TABLE sync (
        revision INTEGER PRIMARY KEY,
        finished_at TEXT NOT NULL,
        profile INTEGER NOT NULL,
        employees INTEGER NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        activated INTEGER NOT NULL,
        hidden INTEGER NOT NULL,
        unchanged INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL
    ) STRICT;
", "
    -- What the file is, wherever it lies: the seed of its hashes, and 128 random bits that tell it from the file of another roster.
    -- It has one row, which `derived::complete` adds.
    CREATE TABLE identity (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        seed INTEGER NOT NULL,
        identity BLOB NOT NULL
    ) STRICT;
    -- 128 random bits of each sync: two files that have been written apart may have one revision, but never one stamp.
    ALTER TABLE sync ADD COLUMN stamp BLOB;
    -- The hash of the entries, which tells whether they are as they were stored; null in parts of an earlier version.
    ALTER TABLE index_part ADD COLUMN digest BLOB;
    -- Pages of the hidden. Most employees are active: an index of them as well would cost every first load.
    CREATE INDEX employee_hidden ON employee (status) WHERE status = 0;
", "
    -- In whose words a push was, who sent it, and how long its body was; NULL if that is not known.
    ALTER TABLE sync ADD COLUMN dialect TEXT;
    ALTER TABLE sync ADD COLUMN peer TEXT;
    ALTER TABLE sync ADD COLUMN bytes INTEGER;
    -- The last pushes that were refused, see store::history. requests: how many equal ones of a second this stands for.
    -- status: of the answer; NULL if the client had gone. cause: without values of people.
    CREATE TABLE refusal (
        number INTEGER PRIMARY KEY,
        finished_at TEXT NOT NULL,
        requests INTEGER NOT NULL,
        dialect TEXT NOT NULL,
        peer TEXT,
        status INTEGER,
        rejections INTEGER NOT NULL,
        bytes INTEGER,
        duration_ms INTEGER NOT NULL,
        cause TEXT NOT NULL
    ) STRICT;
", "
    -- Blocks of consecutive employees in this order, and the hash of both; see store::index. Null in an order of an earlier version.
    ALTER TABLE index_order ADD COLUMN blocks BLOB;
    ALTER TABLE index_order ADD COLUMN digest BLOB;
", "
    -- An employee's row in employee keeps what it was at its revision; only the id is always the current one. What it became is
    -- appended here and never changed. place: the revision that made the version times 2³², plus the number of the employee.
    -- previous: the revision of the version before it; 0 if that is the row in employee.
    CREATE TABLE version (
        place INTEGER PRIMARY KEY,
        previous INTEGER NOT NULL,
        status INTEGER NOT NULL,
        profile INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT;
    -- The revision of the current version of each employee that has one in version.
    CREATE TABLE latest (number INTEGER PRIMARY KEY, revision INTEGER NOT NULL) STRICT;
    -- The numbers of those who are hidden now.
    CREATE TABLE hidden (number INTEGER PRIMARY KEY) STRICT;
    INSERT INTO hidden SELECT number FROM employee WHERE status = 0 ORDER BY number;
    DROP INDEX employee_hidden;
    -- The ids that employees had until a revision gave them another.
    CREATE TABLE former_id (
        number INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        id TEXT NOT NULL,
        PRIMARY KEY (number, revision)
    ) STRICT, WITHOUT ROWID;
    -- Every employee as it is now. A version that is missing leaves NULLs, which nobody takes for an employee.
    CREATE VIEW roster AS
        SELECT
            employee.number, employee.id,
            iif(latest.revision IS NULL, employee.status, version.status) AS status,
            iif(latest.revision IS NULL, employee.profile, version.profile) AS profile,
            iif(latest.revision IS NULL, employee.data, version.data) AS data,
            coalesce(latest.revision, employee.revision) AS revision
        FROM employee
        LEFT JOIN latest ON latest.number = employee.number
        LEFT JOIN version ON version.place = latest.revision << 32 | latest.number;
    -- Revisions that a backup was restored as: for whoever asks what changed since, everybody did.
    CREATE VIEW restored AS SELECT revision FROM sync WHERE dialect = 'restore';
", "
    -- When the list was made that a push carried, in microseconds of Unix time; NULL if it does not say so.
    ALTER TABLE sync ADD COLUMN as_of INTEGER;
    CREATE INDEX sync_as_of ON sync (revision) WHERE as_of IS NOT NULL;
    -- Applied pushes with an Idempotency-Key, which are answered again if they come again. fingerprint: of the request with its body.
    -- made_at: in seconds of Unix time. first, ignored: what the answer has beside the record of the push; ignored as JSON.
    CREATE TABLE retry (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        fingerprint BLOB NOT NULL,
        revision INTEGER NOT NULL,
        made_at INTEGER NOT NULL,
        first INTEGER,
        ignored TEXT NOT NULL
    ) STRICT;
    -- What pushes were signed with, each with the fingerprint of its request. ends_at: the last second of Unix time at which it is good.
    CREATE TABLE seen (
        number INTEGER PRIMARY KEY,
        mark BLOB NOT NULL UNIQUE,
        fingerprint BLOB NOT NULL,
        ends_at INTEGER NOT NULL
    ) STRICT;
", PLANS, MISSING, TALLY, SET_ASIDE, SENDER_KEY, PLAN_CONSEQUENCES, COMMANDS_ONCE, INDEXED_PROFILES, RECORDS, ROWS_CREATED, UNDO,
    HISTORY_START, SUSPECTS, ERASED, EMPTIED,
    FEED_BREAK, FORGOTTEN_IDS, FIRST_ABSENT, MICROSECONDS];

/// Changes that wait for somebody to apply them.
const PLANS: &str = "
    -- Times are seconds of Unix time. revision and next: what the plan was made against, see store::Base. rules: the version of the profile.
    -- guards: why it waits, as JSON; NULL for a dry run. as_of: see sync. digest: of the changes, tells that the same list was pushed again. bytes: of the
    -- changes. has_parts: whether it may have rows in plan_part. ended_at: when it was applied or discarded; applied: as which revision.
    CREATE TABLE plan (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        made_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        guards TEXT,
        revision INTEGER NOT NULL,
        next INTEGER NOT NULL,
        profile INTEGER NOT NULL,
        rules BLOB NOT NULL,
        dialect TEXT,
        peer TEXT,
        body_bytes INTEGER,
        as_of INTEGER,
        employees INTEGER NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        activated INTEGER NOT NULL,
        hidden INTEGER NOT NULL,
        unchanged INTEGER NOT NULL,
        changes INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        digest BLOB NOT NULL,
        has_parts INTEGER NOT NULL,
        ended_at INTEGER,
        applied INTEGER
    ) STRICT;
    -- Changes of plans, several in a row, see roster::pack. place: the plan's number times 2³², plus the number of the last employee.
    -- accepted: for each change the hash of the bytes that the employee was accepted with, 128 bits.
    CREATE TABLE plan_part (place INTEGER PRIMARY KEY, changes BLOB NOT NULL, accepted BLOB NOT NULL) STRICT;
";

/// Who is absent.
const MISSING: &str = "
    -- Who was missing from the last lists that hide the absent. pushes: how many in a row. is_hidden: whether absence has hidden the
    -- employee; a row goes when the employee comes back, or is hidden on purpose.
    CREATE TABLE missing (number INTEGER PRIMARY KEY, pushes INTEGER NOT NULL, is_hidden INTEGER NOT NULL) STRICT;
    CREATE INDEX missing_in_grace ON missing (number) WHERE is_hidden = 0;
";

/// What guards compare a push with.
const TALLY: &str = "
    -- How many employees are stored (field 0), how many of them are active (field -1), and how many have a value in a field.
    CREATE TABLE tally (field INTEGER PRIMARY KEY, employees INTEGER NOT NULL) STRICT;
    -- How many active employees have a value of a guarded field; the value by its hash.
    CREATE TABLE value_tally (
        field INTEGER NOT NULL,
        hash BLOB NOT NULL,
        employees INTEGER NOT NULL,
        PRIMARY KEY (field, hash)
    ) STRICT, WITHOUT ROWID;
    -- The numbers of the fields that were guarded at the last push.
    ALTER TABLE profile ADD COLUMN guarded TEXT NOT NULL DEFAULT '';
    -- 1 for a list of everybody that no guard would have stopped, 0 for other pushes; NULL if that was not recorded, which counts as 1.
    ALTER TABLE sync ADD COLUMN is_usual INTEGER;
    CREATE INDEX sync_usual ON sync (revision) WHERE is_usual IS NOT 0;
";

/// Whom lenient pushes were applied without.
const SET_ASIDE: &str = "
    -- Whom a lenient push was applied without, as store::sqlite::set_aside writes it; NULL of another push.
    ALTER TABLE retry ADD COLUMN set_aside TEXT;
";

/// With which key pushes were sent.
const SENDER_KEY: &str = "
    -- The number of the key, see rollcall.db; NULL if that is not known.
    ALTER TABLE sync ADD COLUMN key INTEGER;
    ALTER TABLE refusal ADD COLUMN key INTEGER;
    ALTER TABLE plan ADD COLUMN key INTEGER;
";

/// What a plan says beside its changes.
const PLAN_CONSEQUENCES: &str = "
    -- The guards that would stop a push that was a dry run, as JSON; NULL if none would.
    ALTER TABLE plan ADD COLUMN would_trip TEXT;
    -- What plans say about who is missing, see store::sqlite::plan_absences. place: the plan's number times 2³², plus that of the part.
    CREATE TABLE plan_absence (place INTEGER PRIMARY KEY, ended BLOB NOT NULL, noted BLOB NOT NULL) STRICT;
";

/// Commands with an Idempotency-Key that change the queue.
const COMMANDS_ONCE: &str = "
    -- Whether it was such a command. It made no revision, so revision is the last one before it.
    ALTER TABLE retry ADD COLUMN is_command INTEGER NOT NULL DEFAULT 0;
";

/// The index has the profile of each employee.
const INDEXED_PROFILES: &str = "
    -- Entries of earlier versions have a slot in its place. The next push makes the index anew.
    DELETE FROM index_part;
    DELETE FROM index_state;
";

/// What is recorded of syncs, and of pushes that were held.
const RECORDS: &str = "
    -- kind: see store::SyncKind; NULL if that was not recorded. plan, guards: of a plan that was applied, its id and what had held it, see
    -- plan.guards. rules: the version of the profile. first_created: the employees that the sync created have the numbers from this one on,
    -- as many as it created. set_aside: how many employees a lenient push was applied without; rejections: how many rejections there were,
    -- by rule, as JSON.
    ALTER TABLE sync ADD COLUMN kind TEXT;
    ALTER TABLE sync ADD COLUMN plan TEXT;
    ALTER TABLE sync ADD COLUMN guards TEXT;
    ALTER TABLE sync ADD COLUMN rules BLOB;
    ALTER TABLE sync ADD COLUMN first_created INTEGER;
    ALTER TABLE sync ADD COLUMN set_aside INTEGER;
    ALTER TABLE sync ADD COLUMN rejections TEXT;
    -- How long the steps took, in microseconds; see store::Times.
    ALTER TABLE sync ADD COLUMN receive_us INTEGER;
    ALTER TABLE sync ADD COLUMN check_us INTEGER;
    ALTER TABLE sync ADD COLUMN write_us INTEGER;
    ALTER TABLE sync ADD COLUMN commit_us INTEGER;
    -- Numbers begin with 1, and none was ever left out.
    UPDATE sync SET first_created = created_before.first FROM (
        SELECT revision,
            1 + coalesce(sum(created) OVER (ORDER BY revision ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS first
        FROM sync
    ) AS created_before WHERE created_before.revision = sync.revision;
    -- From how many lists in a row the employee was absent, if this version was hidden by absence.
    ALTER TABLE version ADD COLUMN absent INTEGER;
    CREATE INDEX IF NOT EXISTS former_id_by_id ON former_id (id);
    -- by_rule: see sync.rejections. Of a push that was held: the plan that it became, if there was room for one, the guards, see plan.guards,
    -- and the counts as if it had been applied. guards is NULL if it was not held.
    ALTER TABLE refusal ADD COLUMN by_rule TEXT;
    ALTER TABLE refusal ADD COLUMN plan TEXT;
    ALTER TABLE refusal ADD COLUMN guards TEXT;
    ALTER TABLE refusal ADD COLUMN created INTEGER;
    ALTER TABLE refusal ADD COLUMN updated INTEGER;
    ALTER TABLE refusal ADD COLUMN activated INTEGER;
    ALTER TABLE refusal ADD COLUMN hidden INTEGER;
    ALTER TABLE refusal ADD COLUMN unchanged INTEGER;
";

/// Some who count as created have a row already.
const ROWS_CREATED: &str = "
    -- How many of the employees that the sync created got a row and a number. The others had been removed. NULL of earlier versions, which
    -- removed nobody.
    ALTER TABLE sync ADD COLUMN rows_created INTEGER;
";

/// Undoing syncs.
const UNDO: &str = "
    -- Which syncs it takes back, as JSON, see store::PlannedUndo and store::Undone; NULL of what is no undo.
    ALTER TABLE plan ADD COLUMN undo TEXT;
    ALTER TABLE sync ADD COLUMN undo TEXT;
";

/// Erasing employees.
const ERASED: &str = "
    -- The revision that erased an employee last.
    CREATE TABLE erased (number INTEGER PRIMARY KEY, revision INTEGER NOT NULL) STRICT;
    -- The erasures that this file knows, see store::sqlite::erasures. is_listed: whether rollcall.db has it.
    CREATE TABLE erasure (
        mark BLOB NOT NULL,
        hash BLOB NOT NULL,
        erased_at TEXT NOT NULL,
        is_listed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (mark, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX erasure_unlisted ON erasure (mark) WHERE NOT is_listed;
    -- A row says that something was erased whose bytes are still to be overwritten, see store::sqlite::scrub.
    CREATE TABLE unscrubbed (one INTEGER PRIMARY KEY CHECK (one = 1)) STRICT;
";

/// Erasing somebody who was merged into another for a while.
const EMPTIED: &str = "
    -- Versions of an employee without data, because they had that of somebody else who was erased: those made by revisions from `first` on and
    -- before `until`. revision: of the erasure.
    CREATE TABLE emptied (
        number INTEGER NOT NULL,
        first INTEGER NOT NULL,
        until INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (number, first)
    ) STRICT, WITHOUT ROWID;
";

/// Where followers of the feed have to begin anew.
const FEED_BREAK: &str = "
    -- The last erasure that took an id from the history, or what somebody was for a while. Who has read what came before it cannot be told what to
    -- forget.
    CREATE TABLE feed_break (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) STRICT;
";

/// Which ids a backup may have that the file does not.
const FORGOTTEN_IDS: &str = "
    -- Ids that employees had before the history starts, as store::sqlite::erasures hashes them: an erasure lists them.
    CREATE TABLE forgotten_id (number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (number, hash)) STRICT, WITHOUT ROWID;
";

/// Why somebody was hidden before the history starts.
const FIRST_ABSENT: &str = "
    -- See version.absent, of the version that is in this row.
    ALTER TABLE employee ADD COLUMN absent INTEGER;
";

/// From when on the history is kept.
const HISTORY_START: &str = "
    -- The revision from which on the roster is known as it was, and after which every change is. In a file of an earlier version, that is the
    -- last revision that changed an employee whose row did not keep what it was.
    CREATE TABLE history_start (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) STRICT;
    INSERT INTO history_start SELECT 1, coalesce(max(employee.revision), 0) FROM employee WHERE NOT EXISTS (
        SELECT 1 FROM sync WHERE sync.revision = employee.revision
            AND employee.number >= first_created AND employee.number < first_created + created
    );
";

/// What in a sync, or in a plan, looks odd.
const SUSPECTS: &str = "
    -- As store::suspects writes it; NULL if nothing does, or that was not recorded.
    ALTER TABLE sync ADD COLUMN suspects TEXT;
    ALTER TABLE plan ADD COLUMN suspects TEXT;
";

/// When pushes ended, more exactly than to the second.
const MICROSECONDS: &str = "
    -- finished_at in microseconds since 1970, by which syncs and refused pushes of a second are told apart; NULL of earlier versions.
    ALTER TABLE sync ADD COLUMN finished_us INTEGER;
    ALTER TABLE refusal ADD COLUMN finished_us INTEGER;
";

/// The first version in which versions of employees are appended.
const WITH_VERSIONS: u32 = 5;

/// The first version in which a file keeps its tally.
pub(super) const WITH_TALLY: u32 = 9;

/// The first version whose plans can be read as they are now.
const WITH_PLANS: u32 = 19;

/// What stands for the tables and the view that a file of an earlier version lacks, where it is only read.
const BEFORE_VERSIONS: &str = "
    CREATE TEMP VIEW roster AS SELECT number, id, status, profile, data, revision FROM employee;
    CREATE TEMP VIEW restored AS SELECT revision FROM sync WHERE false;
    CREATE TEMP VIEW hidden AS SELECT number FROM employee WHERE status = 0;
";

/// Opens `rollcall.db` and brings its tables up to date. Without `create` it must exist.
pub fn open(path: &Path, steps: &[&str], create: bool) -> Result<Connection, Error> {
    let mut connection = connect(path, create, WRITER_CACHE_KIB)?;
    migrate(&mut connection, (path, steps, create), |_, _| Ok(()))?;
    Ok(connection)
}

/// Opens an account's database to write, and brings its tables up to date. Without `create` it must exist. A file of the version
/// that had no seed of its own takes `store_seed`.
pub fn open_roster(path: &Path, create: bool, store_seed: u64) -> Result<Connection, Error> {
    let mut connection = connect(path, create, WRITER_CACHE_KIB)?;
    migrate(&mut connection, (path, ROSTER, create), |connection, found| {
        derived::complete(connection, found, store_seed)
    })?;
    Ok(connection)
}

/// Opens an account's database to read. The database may be of an earlier version, and stays so.
pub fn open_reader(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path, false, READER_CACHE_KIB)?;
    let found: u32 = version(&connection)?;
    let known = number(ROSTER.len());
    match found {
        0 => Err(Error::empty(path)),
        later if later > known => Err(Error::Later { path: path.to_owned(), found, known }),
        _ => {
            if found < WITH_VERSIONS {
                connection.execute_batch(BEFORE_VERSIONS)?;
            }
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        }
    }
}

pub(super) fn connect(path: &Path, create: bool, cache_kib: i64) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        private::make_file_if_absent(path).map_err(|source| Error::Folder { path: path.to_owned(), source })?;
    }
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| prepare(connection, cache_kib));
    opened.map_err(|source| Error::opening(path, source))
}

fn prepare(connection: Connection, cache_kib: i64) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Otherwise some statements are compiled anew for each value that is bound to them, which takes ten times as long as running them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    // A checkpoint would come between a commit and its answer; it is done after the answer instead.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// The version of a database that has taken so many steps.
pub(super) fn number(steps: usize) -> u32 {
    u32::try_from(steps).expect("there are few steps")
}

/// Whether an account's database has all tables as this version has them.
pub(super) fn is_current(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? == number(ROSTER.len()))
}

/// Whether an account's database has plans; one of an earlier version that is only read has none.
pub(super) fn has_plans(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? >= WITH_PLANS)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the steps that the database lacks, then calls `finish` with the version that it had, all in one transaction.
fn migrate(
    connection: &mut Connection,
    (path, steps, create): (&Path, &[&str], bool),
    finish: impl FnOnce(&Connection, u32) -> Result<(), Error>,
) -> Result<(), Error> {
    let known = number(steps.len());
    let found = version(connection)?;
    if found > known {
        return Err(Error::Later { path: path.to_owned(), found, known });
    }
    // A file that was emptied is not a roster of nobody.
    if found == 0 && !create {
        return Err(Error::empty(path));
    }
    if found < known {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = version(&transaction)?;
        for step in &steps[found as usize..] {
            transaction.execute_batch(step)?;
        }
        finish(&transaction, found)?;
        transaction.pragma_update(None, "user_version", known)?;
        transaction.commit()?;
    }
    Ok(())
}
