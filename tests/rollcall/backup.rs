//! Backups: made and restored beside a running server, complete, closed to others, and never over something by accident.

use super::files::{BADGES, command, people, text, wait_until};
use super::world::{SECRET, World, run};
use rusqlite::Connection;
use serde_json::json;
use std::fs;

/// A server with people in account 99, and account 5 with a name.
fn filled() -> World {
    let world = World::with(BADGES, "");
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [300, 0, 0, 0, 0]);
    command(&world, &["account", "add", "5", "--name", "Five & Sons"], 0);
    world
}

#[test]
fn all_is_backed_up_beside_a_server_and_another_can_serve_it() {
    let world = filled();
    let backup = world.path("backup");
    let told = command(&world, &["backup", &backup], 0);
    assert!(
        told.contains("account 99: 300 employees at revision 1") && told.contains("account 5: 0 employees"),
        "{told}"
    );
    #[cfg(unix)]
    for (path, wanted) in
        [("backup", 0o700), ("backup/accounts", 0o700), ("backup/rollcall.db", 0o600), ("backup/accounts/99.db", 0o600)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(world.path(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, wanted, "{path}: {mode:o}");
    }
    let mut files: Vec<_> =
        fs::read_dir(world.path("backup/accounts")).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["5.db", "99.db"], "nothing else is left behind");
    // An earlier backup is not written over by accident.
    let refused = command(&world, &["backup", &backup], 1);
    assert!(refused.contains("rollcall.db exists already") && refused.contains("--replace"), "{refused}");
    assert_eq!(world.push_employees(people(301, "Rome")).counts(), [1, 0, 0, 0, 300]);
    let told = command(&world, &["backup", &backup, "--replace", "--with-key"], 0);
    assert!(told.contains("account 99: 301 employees at revision 2"), "{told}");
    let itself = command(&world, &["backup", &world.path("data")], 2);
    assert!(itself.contains("is the data folder itself"), "{itself}");

    // Into a new folder, which a server serves.
    let other = World::stopped(BADGES, "");
    fs::remove_dir_all(other.path("data")).unwrap();
    let told = command(&other, &["restore", &backup], 0);
    assert!(told.contains("2 accounts") && told.contains("account 99: 301 employees"), "{told}");
    let other = other.started();
    assert_eq!(other.push_employees(people(301, "Rome")).counts(), [0, 0, 0, 0, 301]);
    assert_eq!(other.push_employees(people(301, "Oslo")).counts(), [0, 301, 0, 0, 0]);
    assert!(command(&other, &["account", "list"], 0).contains("Five & Sons"));
    command(&other, &["account", "check", "99"], 0);
}

#[test]
fn an_account_is_restored_under_a_running_server() {
    let world = filled();
    let backup = world.path("one");
    command(&world, &["backup", &backup, "99"], 0);
    assert!(
        !fs::exists(world.path("one/rollcall.db")).unwrap() && !fs::exists(world.path("one/accounts/5.db")).unwrap()
    );
    assert_eq!(world.push_employees(people(310, "Oslo")).counts(), [10, 300, 0, 0, 0]);
    let refused = command(&world, &["restore", &backup, "99"], 1);
    assert!(refused.contains("99.db exists already") && refused.contains("--replace"), "{refused}");
    assert_eq!(world.roster().len(), 310);
    let told = command(&world, &["restore", &backup, "99", "--replace"], 0);
    assert!(told.contains("account 99: 300 employees at revision 3"), "{told}");
    // Who had the two revisions before hears of everybody, also when the next push has come.
    let changed = |since: u64| world.get(&format!("/v1/employees.csv?changed-since={since}")).text.lines().count() - 1;
    assert_eq!((changed(2), changed(3)), (300, 0));
    let history = command(&world, &["history", "99"], 0);
    assert!(history.lines().nth(1).unwrap().contains("restore"), "{history}");
    assert_eq!(world.roster().len(), 300);
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
    assert_eq!(world.push_employees(people(310, "Oslo")).counts(), [10, 300, 0, 0, 0]);
    command(&world, &["account", "check", "99"], 0);
    // Whoever reads meanwhile keeps seeing what was there.
    let reader = Connection::open(world.path("data/accounts/99.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = || reader.query_row("SELECT count(*) FROM employee", [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(count(), 310);
    command(&world, &["restore", &backup, "99", "--replace"], 0);
    assert_eq!(count(), 310);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), 300);
    drop(reader);
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
}

#[test]
fn a_restore_waits_for_a_push_that_is_under_way() {
    use super::world::{Answer, PROFILE, Request, rollcall};
    use std::io::Write as _;
    let world = filled();
    let backup = world.path("one");
    command(&world, &["backup", &backup, "99"], 0);
    let body = json!({ "profileId": PROFILE, "employees": people(300, "Oslo") }).to_string();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body[..request.body.len() / 2]).unwrap();
    let database = Connection::open(world.path("data/accounts/99.db")).unwrap();
    database.busy_timeout(std::time::Duration::ZERO).unwrap();
    wait_until(|| database.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err());
    let mut restore = rollcall();
    restore.args(["restore", &backup, "99", "--replace", "--data", &world.path("data")]);
    let mut restore = restore.stdout(std::process::Stdio::piped()).spawn().unwrap();
    // It has come to the account's file, and waits there.
    let (open, file) =
        (format!("/proc/{}/fd", restore.id()), fs::canonicalize(world.path("data/accounts/99.db")).unwrap());
    wait_until(|| {
        fs::read_dir(&open).unwrap().flatten().any(|open| fs::read_link(open.path()).is_ok_and(|open| open == file))
    });
    stream.write_all(&request.body[request.body.len() / 2..request.body.len() - 1]).unwrap();
    assert!(restore.try_wait().unwrap().is_none(), "the push is still under way");
    stream.write_all(&request.body[request.body.len() - 1..]).unwrap();
    assert_eq!(Answer::read(&mut stream).counts(), [0, 300, 0, 0, 0]);
    let restored = restore.wait_with_output().unwrap();
    assert!(restored.status.success() && text(&restored).contains("300 employees at revision 3"), "{restored:?}");
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
}

#[test]
fn a_damaged_account_comes_back_and_a_damaged_backup_does_not() {
    let mut world = filled();
    let backup = world.path("backup");
    command(&world, &["backup", &backup], 0);
    let damaged = b"this is not a database, and long enough to be taken for one".repeat(100);
    world.stop();
    fs::write(world.path("data/accounts/99.db"), &damaged).unwrap();
    let world = world.started();
    assert_eq!(world.push_employees(people(300, "Rome")).status, 500);
    // One that cannot be backed up does not keep the others from it.
    let told = command(&world, &["backup", &world.path("second")], 1);
    assert!(told.contains("the file of account 99 is damaged") && told.contains("1 of 2 accounts failed"), "{told}");
    assert!(fs::exists(world.path("second/accounts/5.db")).unwrap());
    command(&world, &["restore", &backup, "99", "--replace"], 0);
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);

    let file = world.path("backup/accounts/99.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x55);
    fs::write(&file, &bytes).unwrap();
    let refused = command(&world, &["restore", &backup, "99", "--replace"], 1);
    assert!(refused.contains("99.db is not a whole copy: "), "{refused}");
    fs::write(&file, &bytes[..middle]).unwrap();
    command(&world, &["restore", &backup, "99", "--replace"], 1);
    fs::write(&file, "").unwrap();
    command(&world, &["restore", &backup, "99", "--replace"], 1);
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
    let nothing = command(&world, &["restore", &backup, "98"], 1);
    assert!(nothing.contains("accounts/98.db"), "{nothing}");
}

#[test]
fn accounts_and_keys_come_back_under_a_running_server() {
    let world = filled();
    let backup = world.path("backup");
    command(&world, &["backup", &backup], 0);
    command(&world, &["account", "remove", "99", "--yes"], 0);
    command(&world, &["account", "add", "6"], 0);
    let refused = command(&world, &["restore", &backup], 1);
    assert!(refused.contains("rollcall.db exists already"), "{refused}");
    assert_eq!(world.push_employees(people(300, "Rome")).status, 403);
    let told = command(&world, &["restore", &backup, "--replace"], 0);
    assert!(!told.contains(SECRET) && !told.contains("account 6 has a file"), "nobody is in it: {told}");
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
    // Of an account that is not here the file comes alone.
    let other = World::stopped(BADGES, "");
    command(&other, &["account", "remove", "99", "--yes"], 0);
    let told = command(&other, &["restore", &backup, "99"], 0);
    assert!(told.contains("`rollcall account adopt 99`"), "{told}");
    let adopted = run(&["account", "adopt", "99", "--data", &other.path("data")]);
    assert!(text(&adopted).contains("\"employees\":300"), "{}", text(&adopted));
}

#[test]
fn the_server_key_is_in_a_backup_only_if_told() {
    let world = filled();
    let key = world.path("data/server.key");
    if !fs::exists(&key).unwrap() {
        fs::write(&key, "a key").unwrap();
    }
    let told = command(&world, &["backup", &world.path("without")], 0);
    assert!(told.contains("server key: not in the backup") && told.contains("--with-key"), "{told}");
    assert!(!fs::exists(world.path("without/server.key")).unwrap());
    let with = world.path("with");
    command(&world, &["backup", &with, "--with-key"], 0);
    assert_eq!(fs::read(world.path("with/server.key")).unwrap(), fs::read(&key).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(world.path("with/server.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    }
    let other = World::stopped(BADGES, "");
    fs::remove_dir_all(other.path("data")).unwrap();
    command(&other, &["restore", &with], 0);
    assert_eq!(fs::read(other.path("data/server.key")).unwrap(), fs::read(&key).unwrap());
    // Another one that is there already is not lost.
    fs::write(other.path("with.key"), "another key").unwrap();
    fs::copy(other.path("with.key"), world.path("with/server.key")).unwrap();
    let told = command(&other, &["restore", &with, "--replace"], 0);
    assert!(told.contains("differs from the backup's, and stays"), "{told}");
    assert_eq!(fs::read(other.path("data/server.key")).unwrap(), fs::read(&key).unwrap());
    assert_eq!(other.started().push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
}

#[test]
fn what_a_killed_restore_has_left_goes_at_the_next_start() {
    let world = World::stopped(super::world::PEOPLE, "");
    let left = world.folder.path().join("data/.rollcall-copy-killed");
    fs::create_dir(&left).unwrap();
    for name in ["copy.db", "lock"] {
        fs::write(left.join(name), "Lovelace").unwrap();
    }
    let world = world.started();
    assert!(!left.exists() && world.folder.path().join("data/rollcall.db").exists());
}
