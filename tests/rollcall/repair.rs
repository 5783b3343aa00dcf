//! Damaged files: what `account check` says about them, and what `--repair` rebuilds.

use super::files::{BADGES, command, database, make_first_version, one, people, stop, taken_badge};
use super::world::World;
use std::fs;

/// Overwrites the root page of a table with bytes that look random. The server must not run.
fn damage(world: &World, table: &str) {
    let root: usize =
        one(&database(world), &format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}' AND type = 'table'"));
    let file = world.path("data/accounts/99.db");
    let mut bytes = fs::read(&file).unwrap();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for byte in &mut bytes[(root - 1) * 4096..root * 4096] {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (random >> 56) as u8;
    }
    fs::write(&file, bytes).unwrap();
}

/// A world with 3000 people whose server has stopped.
fn filled() -> World {
    let mut world = World::with(BADGES, "");
    world.push_employees(people(3_000, "Rome"));
    stop(&mut world);
    world
}

#[test]
fn damaged_tables_of_what_is_derived_are_named_and_made_anew() {
    for table in ["index_part", "index_order", "index_state", "unique_value", "refusal"] {
        let world = filled();
        damage(&world, table);
        let found = command(&world, &["account", "check", "99"], 1);
        assert!(
            found.contains("account 99: database: ") && found.contains("99 --repair` makes anew"),
            "{table}: {found}"
        );
        assert!(!found.contains("says more") && !found.contains("rows of"), "{table}: {found}");
        let repaired = command(&world, &["account", "check", "99", "--repair"], 0);
        assert!(repaired.contains("3000 employees, nothing is wrong"), "{table}: {repaired}");
        let world = world.started();
        assert_eq!(world.push_employees(people(3_000, "Rome")).counts(), [0, 0, 0, 0, 3_000], "{table}");
        assert_eq!(world.push_employees(taken_badge()).status, 400, "{table}");
        assert_eq!(world.push_employees(people(3_000, "Oslo")).counts(), [0, 3_000, 0, 0, 0], "{table}");
    }
}

#[test]
fn a_push_that_a_damaged_index_stops_says_that_a_repair_helps() {
    let world = filled();
    damage(&world, "index_part");
    let world = world.started();
    assert_eq!(world.push_employees(people(3_000, "Oslo")).status, 500);
    world.wait_for_log("the stored index is damaged (");
    world.wait_for_log("`rollcall account check 99` says more, and with --repair makes anew what can be");
    // Beside the server that runs.
    command(&world, &["account", "check", "99", "--repair"], 0);
    assert_eq!(world.push_employees(people(3_000, "Oslo")).counts(), [0, 3_000, 0, 0, 0]);
}

#[test]
fn damaged_tables_of_what_is_not_derived_are_not_said_to_be_repairable() {
    for table in ["employee", "sync", "identity", "field"] {
        let world = filled();
        damage(&world, table);
        let found = command(&world, &["account", "check", "99"], 1);
        assert!(found.contains(&format!("database: table {table}: Tree ")), "{table}: {found}");
        assert!(found.contains("rows of account 99 are damaged") && !found.contains("--repair"), "{table}: {found}");
        assert!(!found.contains("says more"), "{table}: {found}");
        let unrepaired = command(&world, &["account", "check", "99", "--repair"], 1);
        assert!(
            unrepaired.contains("rollcall: nothing was repaired, since rows of account 99"),
            "{table}: {unrepaired}"
        );
    }
    let world = filled();
    fs::write(world.path("data/accounts/99.db"), b"this is not a database".repeat(300)).unwrap();
    for args in [&["account", "check", "99"][..], &["account", "check", "99", "--repair"]] {
        let found = command(&world, args, 1);
        assert!(found.contains("cannot be read further: ") && found.contains("rollcall restore DIR 99"), "{found}");
        assert!(!found.contains("says more"), "{found}");
    }
}

#[test]
fn a_check_of_a_file_of_an_earlier_version_says_that_only_the_database_was_checked() {
    let world = filled();
    make_first_version(&world, true);
    let found = command(&world, &["account", "check", "99"], 0);
    assert!(
        found.contains("3000 employees, nothing is wrong with the database itself; the rows were not checked"),
        "{found}"
    );
}

#[test]
fn a_server_that_cannot_listen_leaves_no_process_id_in_the_lock_file() {
    let world = World::stopped(BADGES, "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let refused = command(&world, &["serve", "--listen", &listen, "--profiles", &world.path("profiles")], 1);
    assert!(refused.contains("cannot listen on"), "{refused}");
    assert_eq!(fs::read_to_string(world.path("data/rollcall.lock")).unwrap(), "");
}

#[test]
fn the_keys_of_an_account_that_does_not_exist_are_an_error() {
    let world = World::stopped(BADGES, "");
    let refused = command(&world, &["key", "list", "77"], 1);
    assert!(refused.contains("there is no account 77") && !refused.contains("dialect"), "{refused}");
    assert!(command(&world, &["key", "list", "99"], 0).contains("startexam"));
}
