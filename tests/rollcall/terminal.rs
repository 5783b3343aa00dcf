//! The program at a terminal.

use super::world::{Answer, PEOPLE, PROFILE, SECRET, World, employee, rollcall, run};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Output, Stdio};

/// Opens a terminal: the side of whoever sits there, and that of the program.
fn terminal() -> (File, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let program = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (File::from(person), program)
}

/// Pushes a file with `--plan`, and types an answer when the question comes. `meanwhile` happens before. Returns the output, and what the
/// terminal showed.
fn push_plan(world: &World, secret: &str, file: &str, typed: &str, meanwhile: impl FnOnce()) -> (Output, String) {
    let mut push = rollcall();
    push.args(["push", file, "--plan", "--account", "99", "--profile", PROFILE]);
    push.args(["--url", &format!("http://{}", world.address)]).env("ROLLCALL_SECRET", secret);
    at_terminal(push, typed, meanwhile)
}

/// Runs a command at a terminal, and types an answer when the question comes, if it does.
fn at_terminal(mut command: Command, typed: &str, meanwhile: impl FnOnce()) -> (Output, String) {
    let (mut person, side) = terminal();
    command.stdin(side.try_clone().unwrap()).stderr(side).stdout(Stdio::piped());
    let running = command.spawn().unwrap();
    // Otherwise this process keeps the program's side open, and the terminal never ends.
    drop(command);
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("Apply these changes? [y/N] ") {
        let mut bytes = [0; 256];
        match person.read(&mut bytes) {
            // When the program's side is closed, Linux reports an error instead of an end.
            Ok(0) | Err(_) => break,
            Ok(read) => shown.extend_from_slice(&bytes[..read]),
        }
    }
    meanwhile();
    let _ = person.write_all(typed.as_bytes());
    let output = running.wait_with_output().unwrap();
    let _ = person.read_to_end(&mut shown);
    (output, String::from_utf8_lossy(&shown).into_owned())
}

/// The end of input: control and D, at the beginning of a line.
const END: &str = "\u{4}";

#[test]
fn push_plan_asks_and_does_what_is_answered() {
    for (typed, is_applied) in
        [("y\n", true), (" Yes \n", true), ("n\n", false), ("\n", false), ("why\n", false), (END, false)]
    {
        let world = World::new();
        world.push_employees(json!([employee("1", "active", &[("First Name", "Ada"), ("Last Name", "Byron")])]));
        let file = world.file("team.csv", "id,First Name,Last Name\n1,Ada,Lovelace\n");
        let (output, shown) = push_plan(&world, SECRET, &file, typed, || ());
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{typed:?}: {shown}");
        assert!(out.starts_with("~ 1  updated\n    Last Name: \"Byron\" → \"Lovelace\"\n"), "{out}");
        let name = if is_applied { "Lovelace" } else { "Byron" };
        assert_eq!(world.roster()[0]["data"][1]["value"], name, "{typed:?}");
        assert_eq!(shown.contains("nothing was applied; the plan was discarded"), !is_applied, "{typed:?}: {shown}");
        assert_eq!(world.get("/v1/plans").json()["plans"], json!([]), "{typed:?}");
    }
}

#[test]
fn push_plan_applies_nothing_if_somebody_has_changed_meanwhile() {
    let world = World::new();
    let ada = |name: &str| -> Answer {
        world.push_employees(json!([employee("1", "active", &[("First Name", "Ada"), ("Last Name", name)])]))
    };
    ada("Byron");
    let file = world.file("team.csv", "id,First Name,Last Name\n1,Ada,Lovelace\n");
    let (output, shown) = push_plan(&world, SECRET, &file, "y\n", || assert_eq!(ada("King").counts(), [0, 1, 0, 0, 0]));
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("the server answered 412: the roster has changed since the plan was made"), "{shown}");
    assert_eq!(world.roster()[0]["data"][1]["value"], "King");
}

#[test]
fn push_plan_with_a_key_that_may_not_release_leaves_the_plan() {
    let world = World::new();
    let data = world.path("data");
    let added = run(&["key", "add", "99", "--dialect", "startexam", "--role", "push,read", "--data", &data]);
    let added: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
    let file = world.file("team.csv", "id,First Name\n1,Ada\n");
    for (typed, code, words) in
        [("n\n", 0, "because this key may not discard it"), ("y\n", 1, "nothing was applied, and plan ")]
    {
        let (output, shown) = push_plan(&world, added["secret"].as_str().unwrap(), &file, typed, || ());
        assert_eq!(output.status.code(), Some(code), "{shown}");
        assert!(shown.contains(words), "{shown}");
        assert_eq!(world.get("/v1/plans").json()["plans"].as_array().unwrap().len(), 1);
        assert!(world.roster().is_empty());
    }
}

/// Runs a command beside the server at a terminal. Returns its code, and all that was seen.
fn beside(world: &World, args: &[&str], typed: &str) -> (Option<i32>, String) {
    let mut command = rollcall();
    command.args(args).args(["--data", &world.path("data"), "--profiles", &world.path("profiles")]);
    let (output, shown) = at_terminal(command, typed, || ());
    (output.status.code(), format!("{}{shown}", String::from_utf8(output.stdout).unwrap()))
}

#[test]
fn undo_plan_apply_and_rename_ask_in_the_same_way() {
    let world = World::new();
    let ada = |name: &str| employee("1", "active", &[("First Name", "Ada"), ("Last Name", name)]);
    world.push_employees(json!([ada("Byron")]));
    world.push_employees(json!([ada("Lovelace")]));
    let plans = || world.get("/v1/plans").json()["plans"].as_array().unwrap().len();
    let (code, seen) = beside(&world, &["undo", "99", "2"], "n\n");
    assert_eq!((code, plans()), (Some(0), 0), "{seen}");
    assert!(seen.contains("nothing was applied; the plan was discarded"), "{seen}");
    let (code, seen) = beside(&world, &["undo", "99", "2"], "y\n");
    assert_eq!((code, seen.contains("applied as revision 3")), (Some(0), true), "{seen}");
    let totals = "restored 1: created 0, updated 1, activated 0, hidden 0, removed 0; in conflict 0\n";
    assert_eq!(seen.matches(totals).count(), 1, "{seen}");

    let plan = world.request("POST", "/v1/syncs/3/revert", Some(b"")).json()["id"].as_str().unwrap().to_owned();
    let (code, seen) = beside(&world, &["plan", "apply", "99", &plan], "n\n");
    assert_eq!((code, plans()), (Some(0), 1), "{seen}");
    assert!(seen.contains("an undo of revision 3, made with key 1 from 127.0.0.1"), "{seen}");
    assert!(seen.contains("nothing was applied; the plan waits as before"), "{seen}");
    let (code, seen) = beside(&world, &["plan", "apply", "99", &plan], "y\n");
    assert_eq!((code, seen.contains("applied as revision 4")), (Some(0), true), "{seen}");

    let (code, seen) = beside(&world, &["rename", "99", "1", "X1"], "n\n");
    assert_eq!((code, seen.contains("nothing was changed")), (Some(0), true), "{seen}");
    world.push_employees(json!([ada("Lovelace"), employee("2", "active", &[("First Name", "Bob")])]));
    let (code, seen) = beside(&world, &["rename", "99", "1", "2"], "y\n");
    assert_eq!((code, seen.contains("add --merge"), seen.contains("[y/N]")), (Some(1), true, false), "{seen}");
}

#[test]
fn no_color_keeps_colours_out_of_the_log() {
    for (no_color, coloured) in [(None, true), (Some("1"), false), (Some(""), true)] {
        let world = World::stopped(PEOPLE, "");
        let (terminal, side) = terminal();
        let mut serve = rollcall();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data", &world.path("data")]);
        serve.args(["--profiles", &world.path("profiles")]).stderr(side).stdin(Stdio::null());
        if let Some(value) = no_color {
            serve.env("NO_COLOR", value);
        }
        let mut server = serve.spawn().unwrap();
        let mut line = Vec::new();
        let mut log = BufReader::new(terminal);
        while !String::from_utf8_lossy(&line).contains("listening on") {
            log.by_ref().read_until(b'\n', &mut line).unwrap();
        }
        server.kill().unwrap();
        server.wait().unwrap();
        let line = String::from_utf8_lossy(&line);
        assert_eq!(line.contains("\u{1b}["), coloured, "NO_COLOR={no_color:?}: {line:?}");
    }
}
