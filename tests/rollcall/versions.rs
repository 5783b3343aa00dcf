//! Versions of profiles: those of files and those that are published, by commands and over the socket.

use super::world::{ACCOUNT, Answer, PEOPLE, PROFILE, Request, SECRET, World, employee, rollcall, run};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;

const OTHER: &str = "33333333-3333-3333-3333-333333333333";

/// Runs `rollcall profile` on the store of a world.
fn profile(world: &World, args: &[&str]) -> Output {
    let mut command = rollcall();
    command.arg("profile").args(args).args(["--data", &world.path("data")]);
    if args[0] == "put" {
        command.args(["--profiles", &world.path("profiles")]);
    }
    command.output().unwrap()
}

#[track_caller]
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Who published each version, the latest first, and which is in force.
fn history(world: &World, id: &str) -> Vec<String> {
    let versions: Vec<Value> = serde_json::from_str(&told(&profile(world, &["log", id, "--json"]))).unwrap();
    let line = |version: &Value| {
        let in_force = if version["inForce"] == json!(true) { " in force" } else { "" };
        let why = version["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} {}{in_force}{why}", version["number"], version["who"].as_str().unwrap())
    };
    versions.iter().map(line).collect()
}

fn on_disk(world: &World) -> String {
    fs::read_to_string(world.path("profiles/people.toml")).unwrap()
}

/// Reads the profiles again, and waits until the server has.
fn hangup(world: &World) {
    let before = world.log().matches("profiles read again").count();
    world.signal("-HUP");
    super::files::wait_until(|| world.log().matches("profiles read again").count() > before);
}

/// The name of the profile that pushes are checked by.
fn name(world: &World) -> String {
    world.get(&format!("/v1/profiles/{PROFILE}")).json()["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_file_that_changed_is_the_next_version_and_one_that_did_not_is_not() {
    let mut world = World::new();
    assert_eq!(history(&world, PROFILE), ["1 file people.toml in force"]);
    hangup(&world);
    world.stop();
    world.start();
    assert_eq!(history(&world, PROFILE), ["1 file people.toml in force"]);
    // A comment is part of the text.
    world.file("profiles/people.toml", format!("# Ours.\n{PEOPLE}"));
    assert_eq!(history(&world, PROFILE), ["1 file people.toml in force"]);
    hangup(&world);
    assert_eq!(history(&world, PROFILE), ["2 file people.toml in force", "1 file people.toml"]);
    assert_eq!(told(&profile(&world, &["show", PROFILE])), format!("# Ours.\n{PEOPLE}"));
    assert_eq!(told(&profile(&world, &["show", PROFILE, "--version", "1"])), PEOPLE);
    world.stop();
    world.file("profiles/people.toml", PEOPLE.replace("\"People\"", "\"Staff\""));
    world.start();
    world.wait_for_log("\"number\":3,\"state\":\"changed\"");
    assert_eq!(name(&world), "Staff");
    let difference = told(&profile(&world, &["diff", PROFILE, "--from", "1"]));
    assert!(difference.contains("-    name = \"People\"\n+    name = \"Staff\"\n"), "{difference}");
    assert!(!difference.contains("Email"), "{difference}");
    // Under another name it is the same profile; under the old text it is a version of its own.
    fs::rename(world.path("profiles/people.toml"), world.path("profiles/staff.toml")).unwrap();
    hangup(&world);
    assert_eq!(history(&world, PROFILE)[0], "3 file people.toml in force");
    world.file("profiles/staff.toml", PEOPLE);
    hangup(&world);
    assert_eq!(history(&world, PROFILE)[0], "4 file staff.toml in force");
}

#[test]
fn a_removed_profile_keeps_its_versions_and_comes_back_with_its_file() {
    let world = World::stopped(PEOPLE, "");
    let other = PEOPLE.replace(PROFILE, OTHER);
    world.file("profiles/other.toml", &other);
    let world = world.started();
    fs::remove_file(world.path("profiles/other.toml")).unwrap();
    hangup(&world);
    assert_eq!(world.get(&format!("/v1/profiles/{OTHER}")).status, 404);
    assert_eq!(history(&world, OTHER), ["1 file other.toml"]);
    assert!(refused(&profile(&world, &["show", OTHER])).contains("was removed; its versions are kept"));
    assert_eq!(told(&profile(&world, &["show", OTHER, "--version", "1"])), other);
    assert!(!told(&profile(&world, &["list"])).contains(OTHER));
    world.file("profiles/other.toml", &other);
    hangup(&world);
    assert_eq!(world.get(&format!("/v1/profiles/{OTHER}")).status, 200);
    assert_eq!(history(&world, OTHER), ["1 file other.toml in force"]);
}

#[test]
fn what_a_command_publishes_is_in_force_at_once_and_in_its_file() {
    let world = World::new();
    let ada = json!([employee("1", "active", &[("First Name", "Ada")])]);
    assert_eq!(world.push_employees(ada.clone()).counts(), [1, 0, 0, 0, 0]);
    let stricter =
        format!("# Longer names.\n{}", PEOPLE.replacen("required = true", "required = true\nmin_length = 5", 1));
    let file = world.file("new.toml", &stricter);
    let put = told(&profile(&world, &["put", &file, "--why", "no nicknames"]));
    assert!(put.contains("version 2 of \"People\"") && put.contains("people.toml has it"), "{put}");
    // Without a signal.
    assert_eq!(world.push_employees(ada.clone()).errors(), ["0 1 First Name min_length"]);
    assert_eq!(on_disk(&world), stricter);
    assert_eq!(history(&world, PROFILE), ["2 command in force: no nicknames", "1 file people.toml"]);
    world.wait_for_log("\"number\":2,\"state\":\"changed\"");
    // The server knows the file that was written, also after a signal; the same text again is nothing new.
    hangup(&world);
    assert!(told(&profile(&world, &["put", &file])).contains("was in force already"));
    assert_eq!(history(&world, PROFILE).len(), 2);
    assert_eq!(told(&profile(&world, &["diff"])), "");
    // A wrong one changes nothing, and says all that is wrong with it.
    let file = world.file("new.toml", stricter.replace("\"email\"", "\"emial\"").replace("\"text\"", "\"texts\""));
    let wrong = refused(&profile(&world, &["put", &file]));
    assert_eq!(wrong.matches(&format!("{file}:")).count(), 3, "{wrong}");
    assert!(wrong.contains("nothing was published") && wrong.contains("did you mean"), "{wrong}");
    assert_eq!(world.push_employees(ada).status, 400);
    // A new profile gets a file.
    let file = world.file("other.toml", PEOPLE.replace(PROFILE, OTHER));
    told(&profile(&world, &["put", &file]));
    assert_eq!(world.get(&format!("/v1/profiles/{OTHER}")).status, 200);
    assert_eq!(
        fs::read_to_string(world.path(&format!("profiles/{OTHER}.toml"))).unwrap(),
        PEOPLE.replace(PROFILE, OTHER)
    );
    hangup(&world);
    assert_eq!(history(&world, OTHER), ["1 command in force"]);
}

#[test]
fn where_the_file_and_the_store_have_changed_neither_wins_silently() {
    let world = World::new();
    let named = |name: &str| PEOPLE.replace("\"People\"", &format!("\"{name}\""));
    let publish = |name: &str| profile(&world, &["put", &world.file("new.toml", named(name))]);
    world.file("profiles/people.toml", named("Edited"));
    let put = publish("Published");
    // The edit is not overwritten.
    assert!(put.status.success());
    assert!(
        String::from_utf8(put.stderr).unwrap().contains("it has changed since it was last read, so it stays as it is")
    );
    assert_eq!(on_disk(&world), named("Edited"));
    hangup(&world);
    assert_eq!(name(&world), "Published");
    let log = world.log();
    assert!(log.contains("neither replaces the other") && log.contains("\"kept\":1"), "{log}");
    let differing = profile(&world, &["diff"]);
    assert!(String::from_utf8_lossy(&differing.stderr).contains("have both changed"), "{differing:?}");
    let difference = told(&differing);
    assert!(difference.contains("-    name = \"Published\"\n+    name = \"Edited\"\n"), "{difference}");
    assert!(told(&profile(&world, &["list"])).contains("have both changed since the file was read"));
    // It is so after each reading, until somebody decides: here for the file.
    hangup(&world);
    assert_eq!((name(&world), on_disk(&world)), ("Published".into(), named("Edited")));
    told(&profile(&world, &["put", &world.path("profiles/people.toml")]));
    assert_eq!(name(&world), "Edited");
    assert_eq!(told(&profile(&world, &["diff"])), "");
    // And here for the store.
    world.file("profiles/people.toml", named("Edited again"));
    assert!(publish("Published again").status.success());
    let in_force = told(&profile(&world, &["show", PROFILE]));
    world.file("profiles/people.toml", in_force);
    hangup(&world);
    assert_eq!((name(&world), on_disk(&world)), ("Published again".into(), named("Published again")));
    assert_eq!(told(&profile(&world, &["diff"])), "");
    // From then on an edit of the file is an edit.
    world.file("profiles/people.toml", named("At last"));
    hangup(&world);
    assert_eq!(name(&world), "At last");
    assert_eq!(history(&world, PROFILE).len(), 5, "{:?}", history(&world, PROFILE));
}

#[test]
fn a_profile_whose_file_cannot_be_written_is_in_force_from_the_store() {
    let mut world = World::new();
    let named = |name: &str| PEOPLE.replace("\"People\"", &format!("\"{name}\""));
    // Not even root writes a file below one that is no folder.
    let elsewhere = ["--data", &world.path("data"), "--profiles", "/dev/null"];
    let file = world.file("new.toml", PEOPLE.replace(PROFILE, OTHER));
    let put = run(&[&["profile", "put", &file], &elsewhere[..]].concat());
    assert!(put.status.success(), "{put:?}");
    assert!(String::from_utf8(put.stderr).unwrap().contains("it is in force, but no file has it"));
    assert_eq!(world.get(&format!("/v1/profiles/{OTHER}")).status, 200);
    let listed: Vec<Value> = serde_json::from_str(&told(&profile(&world, &["list", "--json"]))).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["file"], &listed[0]["number"]), (&json!(OTHER), &json!(null), &json!(1)));
    // It survives a signal, a start, and the loss of all files but one.
    hangup(&world);
    world.stop();
    world.start();
    assert_eq!(world.get(&format!("/v1/profiles/{OTHER}")).status, 200);
    // A file of another folder stays where it is; the store is ahead of it until somebody brings it up to date.
    fs::remove_file(world.path("profiles/people.toml")).unwrap();
    fs::create_dir(world.path("profiles/people.toml")).unwrap();
    let put = profile(&world, &["put", &world.file("new.toml", named("Ahead"))]);
    assert!(put.status.success() && !put.stderr.is_empty(), "{put:?}");
    assert_eq!(name(&world), "Ahead");
    fs::remove_dir(world.path("profiles/people.toml")).unwrap();
    world.file("profiles/people.toml", PEOPLE);
    world.stop();
    world.start();
    world.wait_for_log("is older than what is in force, which is version 2");
    assert_eq!(name(&world), "Ahead");
    // Every file gone: of what they defined nothing is removed, since it may be the wrong folder.
    fs::remove_file(world.path("profiles/people.toml")).unwrap();
    world.signal("-HUP");
    world.wait_for_log("holds no profile");
    assert_eq!(name(&world), "Ahead");
}

#[test]
fn a_server_runs_on_published_profiles_alone() {
    let mut world = World::stopped(PEOPLE, "");
    fs::rename(world.path("profiles/people.toml"), world.path("people.toml")).unwrap();
    let told = String::from_utf8(world.serve().output().unwrap().stderr).unwrap();
    assert!(told.contains("holds no profile"), "{told}");
    let put =
        run(&["profile", "put", &world.path("people.toml"), "--data", &world.path("data"), "--profiles", "/dev/null"]);
    assert!(put.status.success(), "{put:?}");
    world.start();
    assert_eq!(name(&world), "People");
    assert!(world.log().contains("\"file\":\"none\""), "{}", world.log());
    // A file with another text comes from somebody who did not know of it.
    world.file("profiles/people.toml", PEOPLE.replace("\"People\"", "\"Other\""));
    hangup(&world);
    assert!(world.log().contains("neither replaces the other"));
    assert_eq!(name(&world), "People");
}

#[test]
fn a_backup_has_the_versions() {
    let mut world = World::new();
    world.file("profiles/people.toml", PEOPLE.replace("\"People\"", "\"Staff\""));
    hangup(&world);
    let backup = run(&["backup", &world.path("backup"), "--with-key", "--data", &world.path("data")]);
    assert!(backup.status.success(), "{backup:?}");
    world.stop();
    let restored = run(&["restore", &world.path("backup"), "--data", &world.path("new")]);
    assert!(restored.status.success(), "{restored:?}");
    let log = run(&["profile", "log", PROFILE, "--data", &world.path("new")]);
    assert_eq!(told(&log).lines().count(), 2, "{log:?}");
    fs::rename(world.path("new"), world.path("data2")).unwrap();
    fs::rename(world.path("data"), world.path("old")).unwrap();
    fs::rename(world.path("data2"), world.path("data")).unwrap();
    world.start();
    assert_eq!(name(&world), "Staff");
    assert_eq!(history(&world, PROFILE).len(), 2);
}

/// A server whose profile is that of account 99 alone, and the secret of a key that may administer it.
fn administered() -> (World, String) {
    let own = PEOPLE.replace("name = \"People\"", "name = \"People\"\n    accounts = [99]");
    let world = World::with(&own, "account_profiles_max = 2\nprofile_bytes_max = 4000");
    let secret = add_key(&world, ACCOUNT, "administer");
    (world, secret)
}

fn add_key(world: &World, account: i64, role: &str) -> String {
    let added = run(&[
        "key",
        "add",
        &account.to_string(),
        "--dialect",
        "startexam",
        "--role",
        role,
        "--data",
        &world.path("data"),
    ]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    added["secret"].as_str().unwrap().to_owned()
}

fn put(world: &World, secret: &str, id: &str, based: Option<&str>, text: &str) -> Answer {
    let request = Request::signed_by(secret, "PUT", &format!("/v1/profiles/{id}?why=by%20the%20API"), text.as_bytes());
    based.map_or(request.clone(), |based| request.header("If-Match", based)).send(world)
}

fn get(world: &World, secret: &str, path: &str) -> Answer {
    Request::signed_by(secret, "GET", path, b"").send(world)
}

#[test]
fn a_key_that_may_administer_publishes_over_the_socket() {
    let (world, secret) = administered();
    let versions = format!("/v1/profiles/{PROFILE}/versions");
    let own = on_disk(&world);
    let first = get(&world, &secret, &format!("{versions}/1"));
    assert_eq!((first.status, first.header("etag").as_deref()), (200, Some("\"1\"")));
    assert_eq!(first.json()["text"], own);
    let ada = json!([employee("1", "active", &[("First Name", "Ada")])]);
    assert_eq!(world.push_employees(ada.clone()).counts(), [1, 0, 0, 0, 0]);
    let stricter = format!("# Longer.\n{}", own.replacen("required = true", "required = true\nmin_length = 5", 1));
    // Whoever does not say what it is based on is told how.
    let without = put(&world, &secret, PROFILE, None, &stricter);
    assert_eq!(without.status, 428);
    assert!(without.message().contains("version 1 of the profile is in force; send If-Match"), "{}", without.text);
    let published = put(&world, &secret, PROFILE, Some("\"1\""), &stricter);
    assert_eq!((published.status, published.header("etag").as_deref()), (200, Some("\"2\"")), "{}", published.text);
    let version = published.json()["version"].clone();
    let expected =
        json!({ "id": PROFILE, "name": "People", "number": 2, "version": version, "isNew": true, "hasFile": true });
    assert_eq!(published.json(), expected);
    assert_eq!(world.push_employees(ada).errors(), ["0 1 First Name min_length"]);
    assert_eq!(on_disk(&world), stricter);
    // Somebody else was quicker.
    let late = put(&world, &secret, PROFILE, Some("1"), &own);
    assert_eq!(late.status, 409);
    assert!(
        late.message().contains("version 2 of the profile is in force, and this one is based on version 1"),
        "{}",
        late.text
    );
    // As was read: who, why, when, and the text as TOML.
    let listed = get(&world, &secret, &format!("{versions}?limit=1")).json();
    let (latest, next) = (&listed["versions"][0], &listed["nextCursor"]);
    assert_eq!(
        (&latest["number"], &latest["why"], &latest["inForce"]),
        (&json!(2), &json!("by the API"), &json!(true))
    );
    assert!(latest["who"].as_str().unwrap().starts_with("key ") && latest["publishedAt"].is_string(), "{latest}");
    let rest = get(&world, &secret, &format!("{versions}?cursor={}", next.as_str().unwrap())).json();
    assert_eq!((&rest["versions"][0]["who"], &rest["nextCursor"]), (&json!("file people.toml"), &json!(null)));
    let toml = Request::signed_by(&secret, "GET", &format!("{versions}/2"), b"").header("Accept", "application/toml");
    let toml = toml.send(&world);
    assert_eq!(
        (toml.text.as_str(), toml.header("content-type").as_deref()),
        (stricter.as_str(), Some("application/toml; charset=utf-8"))
    );
    assert_eq!(world.get(&format!("/v1/profiles/{PROFILE}")).header("etag").as_deref(), Some("\"2\""));
    // What `profile check` reports is reported, and nothing is published.
    let wrong = put(&world, &secret, PROFILE, Some("2"), &stricter.replace("\"email\"", "\"emial\""));
    assert_eq!(wrong.status, 400);
    let error = &wrong.json()["errors"][0];
    assert!(
        error["line"].as_u64() > Some(10) && error["message"].as_str().unwrap().contains("field \"Email\""),
        "{}",
        wrong.text
    );
    for (body, told) in [
        (stricter.replace(PROFILE, OTHER), "correct its id"),
        (format!("# {}\n{stricter}", "x".repeat(4_000)), "profile_bytes_max"),
    ] {
        let refused = put(&world, &secret, PROFILE, Some("2"), &body);
        assert!([400, 413].contains(&refused.status) && refused.text.contains(told), "{}", refused.text);
    }
    assert_eq!(put(&world, &secret, "people", Some("2"), &stricter).status, 404);
    assert_eq!(put(&world, &secret, PROFILE, Some("*"), &stricter).status, 400);
    assert_eq!(history(&world, PROFILE).len(), 2);
}

#[test]
fn a_key_publishes_only_what_is_of_its_account_alone() {
    let (world, secret) = administered();
    world.add_account(98, "the secret of another account, long enough");
    let own = on_disk(&world);
    let widened = own.replace("accounts = [99]", "accounts = [98, 99]");
    let foreign = PEOPLE.replace(PROFILE, OTHER).replace("name = \"People\"", "name = \"People\"\naccounts = [98]");
    // Keys of earlier versions, and those that are added without roles, may not.
    let refused = put(&world, SECRET, PROFILE, Some("1"), &format!("{own}\n"));
    assert_eq!(refused.status, 403);
    assert!(refused.message().contains("needs the role administer") && refused.message().contains("--role administer"));
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    shared.execute("UPDATE key SET roles = NULL WHERE roles LIKE 'push%'", []).unwrap();
    assert_eq!(put(&world, SECRET, PROFILE, Some("1"), &format!("{own}\n")).status, 403);
    assert_eq!(world.get(&format!("/v1/profiles/{PROFILE}/versions")).status, 403);
    assert_eq!(get(&world, &secret, "/v1/employees").status, 403);
    // Not for others, not for all, and nothing that is or was another's.
    assert_eq!(put(&world, &secret, PROFILE, Some("1"), &widened).status, 403);
    assert_eq!(put(&world, &secret, OTHER, None, &PEOPLE.replace(PROFILE, OTHER)).status, 403);
    world.file("profiles/foreign.toml", &foreign);
    hangup(&world);
    let stolen = foreign.replace("accounts = [98]", "accounts = [99]");
    assert_eq!(put(&world, &secret, OTHER, Some("1"), &stolen).status, 403);
    fs::remove_file(world.path("profiles/foreign.toml")).unwrap();
    hangup(&world);
    assert_eq!(put(&world, &secret, OTHER, None, &stolen).status, 403);
    for path in [format!("/v1/profiles/{OTHER}/versions"), format!("/v1/profiles/{OTHER}/versions/1")] {
        assert_eq!(get(&world, &secret, &path).status, 404, "{path}");
    }
    // What was shared once is shown no more than what is shared.
    let file = world.file("new.toml", &widened);
    told(&profile(&world, &["put", &file]));
    told(&profile(&world, &["put", &world.file("new.toml", &own)]));
    let numbers = |answer: Answer| -> Vec<u64> {
        answer.json()["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| version["number"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers(get(&world, &secret, &format!("/v1/profiles/{PROFILE}/versions"))), [3, 1]);
    assert_eq!(get(&world, &secret, &format!("/v1/profiles/{PROFILE}/versions/2")).status, 404);
    // New ones, as many as it may have.
    let new = |n: u32| {
        let id = format!("{n:08}-3333-3333-3333-333333333333");
        let text = own.replace(PROFILE, &id);
        put(&world, &secret, &id, None, &text)
    };
    assert_eq!(new(1).status, 200);
    let refused = new(2);
    assert_eq!(refused.status, 409);
    assert!(refused.message().contains("account_profiles_max"), "{}", refused.text);
    assert_eq!(world.get("/v1/profiles").json()["profiles"].as_array().unwrap().len(), 2);
}

#[test]
fn a_signature_publishes_once_where_the_account_wants_that() {
    let (world, secret) = administered();
    let set = run(&["account", "set", "99", "--replay", "refuse", "--data", &world.path("data")]);
    assert!(set.status.success(), "{set:?}");
    let own = on_disk(&world);
    let publish = |body: &str, based: &str| {
        Request::signed_by(&secret, "PUT", &format!("/v1/profiles/{PROFILE}"), body.as_bytes())
            .header("If-Match", based)
    };
    let first = publish(&format!("{own}# 1"), "1");
    assert_eq!(first.send(&world).status, 200);
    // Whoever saw the head sends it with another body of the same length, and another version.
    let mut second = first.header("If-Match", "2");
    second.body = format!("{own}# 2").into_bytes();
    assert_eq!(second.send(&world).status, 403);
    assert_eq!(history(&world, PROFILE).len(), 2);
}
