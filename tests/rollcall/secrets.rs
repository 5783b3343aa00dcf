//! Secrets: no other user of the machine can read the store, no copy of the database opens anything, and what was revoked is gone.

use super::golden::add_key;
use super::world::{PEOPLE, SECRET, World, employee, rollcall, run};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// No file.
pub const NONE: [PathBuf; 0] = [];

/// Every folder and file of the store.
pub fn files(world: &World) -> Vec<PathBuf> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        found.push(path.to_owned());
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), found));
        }
    }
    let mut found = Vec::new();
    walk(Path::new(&world.path("data")), &mut found);
    found
}

/// Returns the files of the store that contain these bytes.
pub fn holders(world: &World, bytes: &[u8]) -> Vec<PathBuf> {
    // A log that is gone by now holds nothing.
    let read = |file: &PathBuf| fs::read(file).unwrap_or_default();
    let holds = |file: &PathBuf| read(file).windows(bytes.len()).any(|window| window == bytes);
    files(world).into_iter().filter(|file| file.is_file() && holds(file)).collect()
}

#[cfg(unix)]
#[track_caller]
fn assert_private(world: &World) {
    use std::os::unix::fs::PermissionsExt as _;
    for path in files(world) {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode, if metadata.is_dir() { 0o700 } else { 0o600 }, "{}: {mode:o}", path.display());
    }
}

/// Returns the command under a umask that takes no rights away.
#[cfg(unix)]
fn unmasked(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.env_clear().args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
#[cfg(unix)]
fn no_other_user_can_read_the_store_whoever_makes_it_in_whichever_order() {
    let one = json!([employee("1", "active", &[("First Name", "A")])]);
    for server_first in [true, false] {
        let mut world = World::without_account(PEOPLE, "");
        let data = world.path("data");
        let add = |id: &str, world: &World| {
            let mut add = rollcall();
            add.args(["account", "add", id, "--data", &data]);
            let added = unmasked(&add).env("ROLLCALL_ACCOUNT_SECRET", SECRET).output().unwrap();
            assert!(added.status.success(), "{added:?}");
            assert_private(world);
        };
        if !server_first {
            add("99", &world);
        }
        let serve = unmasked(&world.serve());
        world = world.started_by(serve);
        assert_private(&world);
        add(if server_first { "99" } else { "98" }, &world);
        assert_eq!(world.push_employees(one.clone()).status, 200);
        assert_eq!(world.get("/v1/employees.xlsx").status, 200);
        assert_private(&world);
        world.stop();
        assert_private(&world);
        assert_eq!(holders(&world, SECRET.as_bytes()), NONE);
    }
}

#[test]
#[cfg(unix)]
fn a_store_with_wider_modes_is_closed_when_it_is_opened() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut world = World::new();
    world.push_employees(json!([employee("1", "active", &[("First Name", "A")])]));
    world.kill();
    assert!(files(&world).len() > 5, "{:?}", files(&world));
    let open =
        || files(&world).iter().for_each(|path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap());
    let closed = || files(&world).iter().all(|path| fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0);
    open();
    assert!(run(&["key", "list", "--data", &world.path("data")]).status.success());
    assert!(closed());
    open();
    world = world.started();
    assert_eq!(world.roster().len(), 1);
    let closed = files(&world).iter().all(|path| fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0);
    assert!(closed);
}

#[test]
#[cfg(unix)]
fn a_folder_of_other_things_stays_as_it_is_and_the_store_in_it_is_closed() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::without_account(PEOPLE, "");
    fs::create_dir(world.path("data")).unwrap();
    world.file("data/report.ods", "of others");
    fs::set_permissions(world.path("data"), fs::Permissions::from_mode(0o755)).unwrap();
    let mode = |name: &str| fs::metadata(world.path(name)).unwrap().permissions().mode() & 0o777;
    let report = mode("data/report.ods");
    for account in [1, 2] {
        world.add_account(account, "another");
        assert_eq!((mode("data"), mode("data/report.ods")), (0o755, report));
        assert_eq!(mode("data/accounts"), 0o700);
        for file in ["rollcall.db", "server.key", "accounts/1.db"] {
            assert_eq!(mode(&format!("data/{file}")), 0o600);
        }
    }
}

/// What root creates beside a service belongs to the service.
#[test]
#[cfg(target_os = "linux")]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let world = World::without_account(PEOPLE, "");
    if fs::metadata(world.folder.path()).unwrap().uid() != 0 {
        eprintln!("skipped: only root can give files away");
        return;
    }
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(world.path("data")).unwrap();
    chown(world.path("data"), Some(NOBODY), Some(NOBODY)).unwrap();
    let owned = |world: &World| {
        for path in files(world) {
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY), "{}", path.display());
        }
    };
    // Root comes first, and again beside the service.
    world.add_account(99, SECRET);
    owned(&world);
    let mut serve = world.serve();
    serve.uid(NOBODY).gid(NOBODY);
    if rollcall().arg("--version").uid(NOBODY).gid(NOBODY).output().is_err() {
        eprintln!("skipped beside a service: it may not run the program where that was built");
        return;
    }
    let mut world = world.started_by(serve);
    world.add_account(98, SECRET);
    owned(&world);
    assert!(run(&["key", "rewrap", "--data", &world.path("data")]).status.success());
    owned(&world);
    assert_eq!(world.push_employees(json!([employee("1", "active", &[("First Name", "A")])])).status, 200);
    owned(&world);
    world.stop();
    owned(&world);
}

#[test]
fn a_secret_comes_from_standard_input_or_the_environment() {
    let world = World::new();
    let data = world.path("data");
    let mut add = rollcall();
    add.args(["account", "add", "98", "--secret", "-", "--data", &data]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(b"from a pipe\r\n").unwrap();
    let added = add.wait_with_output().unwrap();
    assert!(added.status.success() && added.stderr.is_empty(), "{added:?}");
    assert_eq!(added.stdout, b"{\"account\":98,\"secret\":\"from a pipe\"}\n");
    // Older scripts type it, and are told.
    let typed = run(&["account", "add", "97", "--secret", "typed", "--data", &data]);
    assert!(typed.status.success());
    assert!(String::from_utf8(typed.stderr).unwrap().contains("shows in the list of processes"));
    for wrong in ["", "\n", "one\ntwo\n", &"x".repeat(5_000)] {
        let mut add = rollcall();
        add.args(["account", "add", "96", "--secret", "-", "--data", &data]).stdin(Stdio::piped());
        let mut add = add.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        add.stdin.take().unwrap().write_all(wrong.as_bytes()).unwrap();
        let refused = add.wait_with_output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    let help = String::from_utf8(run(&["account", "add", "--help"]).stdout).unwrap();
    assert!(help.contains("standard input") && help.contains("ROLLCALL_ACCOUNT_SECRET"), "{help}");
}

/// What the database keeps of each key: the sealed secret, or the hash of the token.
fn kept(world: &World) -> Vec<(i64, Vec<u8>)> {
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    let mut select = shared.prepare("SELECT id, coalesce(sealed_secret, hash) FROM key ORDER BY id").unwrap();
    let kept = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    kept.collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_was_revoked_removed_or_overwritten_is_in_no_file() {
    let mut world = World::new();
    let data = world.path("data");
    let tokens: Vec<String> = (0..60).map(|_| add_key(&world, "springest", &[])).collect();
    (1..=40).for_each(|account| world.add_account(account, &format!("the secret of account {account}")));
    let before = kept(&world);
    assert_eq!(before.len(), 101);
    for (_, bytes) in &before {
        assert_eq!(holders(&world, bytes), [PathBuf::from(world.path("data/rollcall.db"))]);
    }
    let (revoked, stay): (Vec<_>, Vec<_>) = before.iter().partition(|(id, _)| (2..=61).contains(id) && id % 3 != 0);
    for (id, _) in &revoked {
        assert!(run(&["key", "revoke", "99", &id.to_string(), "--data", &data]).status.success());
    }
    for (_, bytes) in &revoked {
        assert_eq!(holders(&world, bytes), NONE);
    }
    let removed = |account: i64| account % 2 == 0;
    for account in (1..=40).filter(|account| removed(*account)) {
        assert!(run(&["account", "remove", &account.to_string(), "--yes", "--data", &data]).status.success());
    }
    let gone: Vec<_> = stay.iter().filter(|(id, _)| *id > 61 && removed(*id - 61)).collect();
    assert_eq!(gone.len(), 20);
    for (_, bytes) in &gone {
        assert_eq!(holders(&world, bytes), NONE);
    }
    assert!(run(&["key", "rewrap", "--data", &data]).status.success());
    for (_, bytes) in stay.iter().filter(|(id, _)| *id == 1 || *id > 61) {
        assert_eq!(holders(&world, bytes), NONE, "sealed anew");
    }
    // There is no secret or token in plain text, neither while the server runs nor after it.
    let secrets = (1..=40).map(|account| format!("the secret of account {account}"));
    let plain: Vec<String> = secrets.chain(tokens).chain([SECRET.to_owned()]).collect();
    for running in [true, false] {
        assert!(plain.iter().all(|secret| holders(&world, secret.as_bytes()).is_empty()), "running: {running}");
        world.kill();
    }
}

#[test]
#[cfg(unix)]
fn a_copy_of_the_database_alone_has_every_account() {
    let world = World::new();
    (1..=30).for_each(|account| world.add_account(account, "another"));
    let accounts = |world: &World| {
        fs::create_dir_all(world.path("copy")).unwrap();
        fs::copy(world.path("data/rollcall.db"), world.path("copy/rollcall.db")).unwrap();
        let copy = rusqlite::Connection::open(world.path("copy/rollcall.db")).unwrap();
        let accounts: i64 = copy.query_row("SELECT count(*) FROM account", [], |row| row.get(0)).unwrap();
        drop(copy);
        fs::remove_dir_all(world.path("copy")).unwrap();
        accounts
    };
    assert_eq!(accounts(&world), 31, "beside the running server");
    assert_eq!(fs::metadata(world.path("data/rollcall.db-wal")).unwrap().len(), 0);
    // What a command that was killed has left in the log is folded in when the server stops.
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    shared.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    shared.execute("UPDATE account SET name = 'folded in' WHERE id = 1", []).unwrap();
    assert!(fs::metadata(world.path("data/rollcall.db-wal")).unwrap().len() > 0);
    world.signal("-TERM");
    world.wait_for_log("\"stopped\"");
    assert_eq!(accounts(&world), 31);
    assert_eq!(holders(&world, b"folded in"), [PathBuf::from(world.path("data/rollcall.db"))]);
}

#[test]
#[cfg(unix)]
fn the_lock_names_nobody_once_the_server_has_stopped() {
    let mut world = World::new();
    let lock = world.path("data/rollcall.lock");
    assert!(fs::read_to_string(&lock).unwrap().trim().parse::<u32>().is_ok());
    world.stop();
    assert_eq!(fs::read_to_string(&lock).unwrap(), "");
    let started = world.started();
    assert!(fs::read_to_string(&lock).unwrap().trim().parse::<u32>().is_ok());
    drop(started);
}
