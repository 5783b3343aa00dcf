//! Trouble for the operator: a full disk, a folder that cannot be written, a second server, a store of a later version.

use super::golden::Keyed;
use super::tables::import;
use super::world::{PEOPLE, World, employee, rollcall, run};
use serde_json::json;

#[test]
#[cfg(unix)]
fn a_disk_that_takes_no_more_is_told_and_survived() {
    let world = World::stopped(PEOPLE, "");
    // No file may grow beyond a megabyte: a write behind it fails, as on a full disk.
    let mut command = std::process::Command::new("sh");
    command.env_clear().args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]);
    let serve = world.serve();
    command.arg(serve.get_program()).args(serve.get_args());
    let world = world.started_by(command);
    let one = json!([employee("one", "active", &[("First Name", "A")])]);
    assert_eq!(world.push_employees(one.clone()).counts(), [1, 0, 0, 0, 0]);
    let many: Vec<_> = (0..40_000)
        .map(|n| employee(&n.to_string(), "active", &[("First Name", "Abcdefghijklmnopqrstuvwxyz")]))
        .collect();
    let answer = world.push_employees(json!(many));
    assert_eq!(answer.status, 507, "{}", answer.text);
    assert!(answer.message().contains("could not write to its disk, and nothing was stored"), "{}", answer.text);
    world.wait_for_log("is the disk full?");
    assert_eq!(world.roster().len(), 1);
    assert_eq!(world.push_employees(one).counts(), [0, 0, 0, 0, 1]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_written_is_named() {
    let world = World::stopped(PEOPLE, "");
    for folder in ["/proc/rollcall".to_owned(), world.file("file", "")] {
        let mut command = rollcall();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data", &folder, "--profiles", &world.path("profiles")]);
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(told.contains(&folder) && told.contains("must exist or be creatable"), "{told}");
    }
}

#[test]
fn a_second_server_on_the_folder_is_refused_by_name() {
    let world = World::new();
    let second = world.serve().output().unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        told.contains(&format!(
            "the data folder {} is in use by another rollcall server (process ",
            world.path("data")
        )),
        "{told}"
    );
    assert_eq!(world.push_employees(json!([])).status, 200);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let world = World::new();
    let other = World::stopped(PEOPLE, "");
    let taken = world.address.to_string();
    let output =
        run(&["serve", "--listen", &taken, "--data", &other.path("data"), "--profiles", &other.path("profiles")]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains(&format!("cannot listen on {taken}")), "{told}");
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let world = World::stopped(PEOPLE, "");
    let database = world.path("data/rollcall.db");
    rusqlite::Connection::open(&database).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let output = world.serve().output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("was written by a later version of rollcall (schema 99"), "{told}");
}

#[test]
fn a_setting_that_cannot_be_read_is_named() {
    let keyed = Keyed::new();
    let world = &keyed.world;
    assert!(run(&["account", "absent", "99", "stay", "--data", &world.path("data")]).status.success());
    let csv = b"uid;secondname;firstname;login\n1;B;A;a\n";
    assert_eq!(import(&keyed, "csv", csv).status, 200);
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    shared.execute("UPDATE dialect_setting SET value = 'perhaps'", []).unwrap();
    let answer = import(&keyed, "csv", csv);
    assert_eq!(answer.status, 500, "{}", answer.text);
    world.wait_for_log("the setting absent of account 99 for collaborator cannot be read");
}

#[test]
fn no_value_of_a_person_is_logged() {
    let world = World::new();
    let secret_name = "Zxyqueline";
    world.push_employees(json!([employee("1", "active", &[("First Name", secret_name)])]));
    world.push_employees(json!([employee("2", "active", &[("Email", secret_name), ("First Name", secret_name)])]));
    world.push(format!("{{\"employees\":[{{\"id\":\"{secret_name}"));
    world.get("/v1/employees/1");
    world.get(&format!("/v1/employees/{secret_name}"));
    world.wait_for_log("\"status\":404");
    let log = world.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("\"route\"")).collect();
    assert_eq!(lines.len(), 5, "one line a request: {log}");
    assert!(lines[0].contains("\"created\":1") && lines[0].contains("\"account\":99"), "{}", lines[0]);
    assert!(lines[1].contains("\"rejections\":1"), "{}", lines[1]);
    assert!(!log.contains(secret_name), "{log}");
}
