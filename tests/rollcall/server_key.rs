//! The server key: made once, needed to open secrets, replaced beside a running server, and never lost half-way through that.

use super::secrets::{NONE, holders};
use super::world::{PEOPLE, Request, SECRET, World, rollcall, run};
use rusqlite::Connection;
use std::fs;
use std::process::{Output, Stdio};
use std::time::Duration;

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn signed_in(world: &World) -> u16 {
    Request::push().send(world).status
}

fn key_of(world: &World) -> String {
    let file = fs::read_to_string(world.path("data/server.key")).unwrap();
    file.lines().find(|line| line.len() == 64).unwrap().to_owned()
}

#[test]
fn the_first_secret_makes_the_key_and_nothing_overwrites_it() {
    let world = World::stopped(PEOPLE, "");
    let made = fs::read(world.path("data/server.key")).unwrap();
    world.add_account(98, "another");
    let world = world.started();
    assert_eq!(signed_in(&world), 200);
    assert_eq!(fs::read(world.path("data/server.key")).unwrap(), made);
    // A server makes it as well. An operator may have put it there.
    let first = World::without_account(PEOPLE, "").started();
    assert_eq!(key_of(&first).len(), 64);
    let own = World::without_account(PEOPLE, "");
    fs::create_dir(own.path("data")).unwrap();
    let digits = "0123456789abcdef".repeat(4);
    fs::write(own.path("data/server.key"), format!("# ours\n{digits}\n")).unwrap();
    own.add_account(99, SECRET);
    let own = own.started();
    assert_eq!((signed_in(&own), key_of(&own)), (200, digits));
}

#[test]
fn a_missing_wrong_or_damaged_key_file_is_named_and_the_server_does_not_start() {
    let world = World::stopped(PEOPLE, "");
    let file = world.path("data/server.key");
    let key = fs::read(&file).unwrap();
    let other = "f".repeat(64);
    for (content, message) in [
        (None, "there is no server key at"),
        (Some(other.as_str()), "is another than the one that the SharedKey secrets"),
        (Some("correct horse"), "is no file of a server key"),
        (Some(""), "is no file of a server key"),
    ] {
        match content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let add = ["account", "add", "98", "--data", &world.path("data")];
        let rewrap = ["key", "rewrap", "--data", &world.path("data")];
        for output in [world.serve().output().unwrap(), run(&add), run(&rewrap)] {
            let told = told(&output);
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(told.contains(message) && told.contains(&file) && told.contains("put "), "{told}");
        }
        let is_left = fs::read_to_string(&file).ok();
        assert_eq!(is_left.as_deref(), content, "what is there is not overwritten");
    }
    fs::write(&file, &key).unwrap();
    let world = world.started();
    assert_eq!(signed_in(&world), 200);
}

#[test]
fn a_lost_key_costs_the_secrets_and_nothing_else() {
    let world = World::stopped(PEOPLE, "");
    let data = world.path("data");
    let token = super::golden::add_key(&world, "collaborator", &[]);
    fs::remove_file(world.path("data/server.key")).unwrap();
    let listed = String::from_utf8(run(&["key", "list", "--data", &data]).stdout).unwrap();
    assert!(listed.contains("startexam"), "{listed}");
    assert!(run(&["key", "revoke", "99", "1", "--data", &data]).status.success());
    let added = run(&["key", "add", "99", "--dialect", "startexam", "--data", &data]);
    let added: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
    let world = world.started();
    let secret = added["secret"].as_str().unwrap();
    assert_eq!((Request::push_signed_by(secret).send(&world).status, signed_in(&world)), (200, 403));
    let batch = super::dialects::unsigned("POST", "/api/v2/users-import/batch", b"[]");
    let answer = batch.header("Authorization", &format!("Bearer {token}")).send(&world);
    assert_ne!(answer.status, 401, "{}", answer.text);
}

#[test]
fn only_what_opens_a_store_takes_a_key_file() {
    for command in [&["push"][..], &["completions"], &["man"], &["profile", "check"], &["demo"]] {
        let help = run(&[command, &["--help"]].concat());
        assert!(!String::from_utf8(help.stdout).unwrap().contains("--key-file"), "{command:?}");
    }
    let refused = run(&["profile", "check", "x.toml", "--key-file", "x"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    for command in
        [&["serve"][..], &["account", "add"], &["key", "list"], &["export"], &["history"], &["backup"], &["restore"]]
    {
        let help = String::from_utf8(run(&[command, &["--help"]].concat()).stdout).unwrap();
        assert!(help.contains("--key-file") && help.contains("--data"), "{command:?}: {help}");
    }
}

#[test]
fn the_key_file_may_lie_elsewhere() {
    let world = World::without_account(PEOPLE, "");
    fs::create_dir(world.path("keys")).unwrap();
    let file = world.path("keys/rollcall.key");
    let data = world.path("data");
    let add = |args: &[&str]| {
        let mut add = rollcall();
        add.args(["account", "add", "--data", &data]).args(args).env("ROLLCALL_ACCOUNT_SECRET", SECRET);
        add
    };
    assert!(add(&["99"]).env("ROLLCALL_KEY_FILE", &file).output().unwrap().status.success());
    let config = world.file("key.toml", format!("key_file = {file:?}\n"));
    assert!(add(&["98", "--config", &config]).output().unwrap().status.success());
    assert!(add(&["97", "--key-file", &file]).output().unwrap().status.success());
    assert!(told(&add(&["96"]).output().unwrap()).contains("there is no server key at"));
    assert!(!fs::exists(world.path("data/server.key")).unwrap());
    let mut serve = world.serve();
    serve.env("ROLLCALL_KEY_FILE", &file);
    let world = world.started_by(serve);
    assert_eq!(signed_in(&world), 200);
}

#[test]
fn the_key_is_replaced_beside_a_running_server() {
    let world = World::new();
    let data = world.path("data");
    world.add_account(98, "another");
    assert_eq!(signed_in(&world), 200);
    let (old, database) = (key_of(&world), fs::read(world.path("data/rollcall.db")).unwrap());
    let rewrapped = run(&["key", "rewrap", "--data", &data]);
    assert!(String::from_utf8(rewrapped.stdout).unwrap().contains("2 secrets are sealed with a new server key"));
    let new = key_of(&world);
    assert_ne!(old, new);
    assert_eq!(holders(&world, old.as_bytes()), NONE);
    assert_eq!(signed_in(&world), 200);
    world.add_account(97, "a third");
    assert_eq!(signed_in(&world), 200);

    // Killed before or after the database took the new key, it finds its key in a file that has both.
    let rewrapped = fs::read(world.path("data/rollcall.db")).unwrap();
    drop(world);
    for (database, file, starts) in [
        (&database, format!("{old}\n{new}\n"), true),
        (&rewrapped, format!("{old}\n{new}\n"), true),
        (&rewrapped, format!("{new}\n"), true),
        (&database, format!("{old}\n"), true),
        (&database, format!("{new}\n"), false),
        (&rewrapped, format!("{old}\n"), false),
    ] {
        let world = World::without_account(PEOPLE, "");
        fs::create_dir_all(world.path("data/accounts")).unwrap();
        fs::write(world.path("data/rollcall.db"), database).unwrap();
        fs::write(world.path("data/server.key"), file).unwrap();
        if !starts {
            assert!(told(&world.serve().output().unwrap()).contains("is another than the one"));
            continue;
        }
        let world = world.started();
        let status = || Request::new("GET", "/v1/profiles", b"").send(&world).status;
        assert_eq!(status(), 200);
        assert!(run(&["key", "rewrap", "--data", &world.path("data")]).status.success());
        assert_eq!(status(), 200);
        let file = fs::read_to_string(world.path("data/server.key")).unwrap();
        assert!(!file.contains(&old) && !file.contains(&new), "what was left over is gone too: {file}");
    }
}

#[test]
fn a_replacement_that_is_killed_at_any_moment_loses_no_secret() {
    const MOMENTS: u32 = 40;
    let mut world = World::new();
    (1..=60).for_each(|account| world.add_account(account, SECRET));
    let data = world.path("data");
    let rewrap = || {
        let mut rewrap = rollcall();
        rewrap.args(["key", "rewrap", "--data", &data]).stdout(Stdio::null()).stderr(Stdio::null());
        rewrap
    };
    let started = std::time::Instant::now();
    assert!(rewrap().status().unwrap().success());
    let longest = started.elapsed().mul_f64(1.2);
    let mut killed = 0;
    for moment in 0..MOMENTS {
        let mut child = rewrap().spawn().unwrap();
        std::thread::sleep(longest.mul_f64(f64::from(moment) / f64::from(MOMENTS)) + Duration::from_micros(100));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        assert_eq!(signed_in(&world), 200, "after {moment} of {MOMENTS}");
        if moment % 10 == 9 {
            world.kill();
            world = world.started();
            assert_eq!(signed_in(&world), 200);
        }
    }
    eprintln!("{killed} of {MOMENTS} were killed before their end");
    assert!(rewrap().status().unwrap().success());
    assert_eq!(signed_in(&world), 200);
    let files = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|file| file.contains("key")).collect::<Vec<_>>(), ["server.key"]);
}

#[test]
fn a_sealed_secret_opens_for_its_own_key_only() {
    let world = World::new();
    world.add_account(98, "another");
    let shared = Connection::open(world.path("data/rollcall.db")).unwrap();
    let swap = "UPDATE key SET sealed_secret = (SELECT sealed_secret FROM key WHERE account = 98) WHERE account = 99";
    shared.execute(swap, []).unwrap();
    let answer = Request::push_signed_by("another").send(&world);
    assert_eq!(answer.status, 500, "{}", answer.text);
    world.wait_for_log("the secret of key 1 of account 99 is damaged");
}

/// The tables of `rollcall.db` as version 1 had them.
const VERSION_1: &str = "
    CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL, generation INTEGER NOT NULL, created_at TEXT NOT NULL) STRICT;
    CREATE TABLE key (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, dialect TEXT NOT NULL, secret TEXT, hash BLOB,
        found_by INTEGER, client_id TEXT, site TEXT, created_at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX key_by_account ON key (account);
    CREATE INDEX key_by_hash ON key (found_by);
    CREATE TABLE dialect_setting (
        account INTEGER NOT NULL, dialect TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (account, dialect, name)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO setting VALUES ('seed', random());
    PRAGMA user_version = 1;
";

#[test]
fn a_store_with_plain_secrets_is_sealed_at_its_first_opening() {
    let world = World::without_account(PEOPLE, "");
    // An account's own file does not change.
    world.add_account(99, "for its file");
    ["rollcall.db", "server.key"].iter().for_each(|file| fs::remove_file(world.path(&format!("data/{file}"))).unwrap());
    let old = Connection::open(world.path("data/rollcall.db")).unwrap();
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    old.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    let mut secrets = vec![SECRET.to_owned()];
    secrets.extend((0..200).map(|n| format!("an older secret, number {n}")));
    for (account, secret) in (99..).zip(&secrets) {
        old.execute("INSERT INTO account VALUES (?, 'old', 1, '2026-01-01T00:00:00Z')", [account]).unwrap();
        let insert =
            "INSERT INTO key (account, dialect, secret, created_at) VALUES (?, 'startexam', ?, '2026-01-01T00:00:00Z')";
        old.execute(insert, rusqlite::params![account, secret]).unwrap();
    }
    // Revoked secrets are in the free space of the file, and in the log.
    old.execute("DELETE FROM key WHERE account > 150", []).unwrap();
    std::mem::forget(old);
    let listed = run(&["key", "list", "--data", &world.path("data")]);
    assert!(listed.status.success(), "{listed:?}");
    let world = world.started();
    assert_eq!(signed_in(&world), 200);
    for secret in &secrets {
        assert_eq!(holders(&world, secret.as_bytes()), NONE, "{secret}");
    }
}
