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
-- Who holds which value of a unique field; the value by its hash. See sync::unique::OF_HIDDEN.
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
