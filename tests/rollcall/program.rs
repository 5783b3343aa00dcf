//! The program as a program: its output, its configuration, its help, its completions, where it listens.

use super::world::{PEOPLE, PROFILE, World, rollcall, run};
use std::fs::File;
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The commands that write to the standard output, and what they do.
fn writers(world: &World) -> Vec<Vec<String>> {
    let (data, profile) = (world.path("data"), world.path("profiles/people.toml"));
    let file = world.file("x.csv", "id,First Name\n1,A\n");
    let url = format!("http://{}", world.address);
    let commands: [&[&str]; 11] = [
        &["--help"],
        &["--version"],
        &["push", "--help"],
        &["account", "list", "--data", &data],
        &["key", "list", "--data", &data],
        &["profile", "check", &profile],
        &["history", "99", "--data", &data],
        &["export", "99", "-", "--form", "csv", "--data", &data],
        &["completions", "bash"],
        &["man"],
        &["push", &file, "--url", &url, "--account", "99", "--profile", PROFILE],
    ];
    commands.iter().map(|command| command.iter().map(|word| (*word).to_owned()).collect()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_one_and_no_panic() {
    let world = World::new();
    for command in writers(&world) {
        let with = |output: Stdio| {
            let mut program = rollcall();
            program.args(&command).env("ROLLCALL_SECRET", super::world::SECRET).stdout(output);
            program.stderr(Stdio::piped()).output().unwrap()
        };
        let full = with(File::create("/dev/full").unwrap().into());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let nobody_reads = with(writer.into());
        let mut shell = Command::new("sh");
        shell.env_clear().env("ROLLCALL_SECRET", super::world::SECRET);
        shell.args(["-c", "exec \"$@\" >&-", "sh", env!("CARGO_BIN_EXE_rollcall")]).args(&command);
        let closed = shell.output().unwrap();
        for (name, output) in [("full", full), ("pipe", nobody_reads), ("closed", closed)] {
            let told = err(&output);
            assert_eq!(output.status.code(), Some(1), "{name} {command:?}: {told}");
            assert!(!told.contains("panicked"), "{name} {command:?}: {told}");
            let is_push = command[0] == "push" && command.len() > 2;
            if is_push {
                assert!(told.contains("the push was applied, but"), "{told}");
            }
            // Whoever has closed the pipe, as `head` does, has read enough.
            match name {
                "pipe" if is_push => assert!(told.contains("nobody reads the standard output"), "{told}"),
                "pipe" => assert_eq!(told, "", "{command:?}"),
                _ => assert!(told.contains("cannot write to the standard output"), "{name} {command:?}: {told}"),
            }
        }
        // Where not even the message can be written, the exit code still says it.
        let mut program = rollcall();
        program.args(&command).stdout(File::create("/dev/full").unwrap()).stderr(File::create("/dev/full").unwrap());
        let code = program.env("ROLLCALL_SECRET", super::world::SECRET).status().unwrap().code();
        assert_eq!(code, Some(1), "{command:?}");
    }
    let null = rollcall().args(["account", "list", "--data", &world.path("data")]).stdout(Stdio::null()).status();
    assert!(null.unwrap().success());
}

#[test]
fn completions_and_the_manual_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&run(&["completions", shell]));
        for word in ["serve", "profile", "secret-env", "completions"] {
            assert!(script.contains(word), "{shell} completes {word}");
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(2));
    let page = out(&run(&["man"]));
    for section in [
        ".TH rollcall 1",
        ".SH NAME",
        ".SH \"ROLLCALL SERVE\"",
        ".SH \"ROLLCALL ACCOUNT ADD\"",
        ".SH \"ROLLCALL PUSH\"",
        "Exit codes",
        "ROLLCALL_SECRET_ENV",
    ] {
        assert!(page.contains(section), "{section}: {page}");
    }
}

#[test]
fn every_subcommand_has_help_that_says_what_it_is_for() {
    let page = out(&run(&["man"]));
    let names = page.lines().filter_map(|line| line.strip_prefix(".SH \"ROLLCALL ")?.strip_suffix('"'));
    let mut subcommands = 0;
    for name in names {
        let name = name.to_lowercase();
        let mut words: Vec<&str> = name.split(' ').collect();
        words.push("--help");
        let help = run(&words);
        assert!(help.status.success() && !help.stdout.starts_with(b"Usage"), "{name} says what it does");
        subcommands += 1;
    }
    assert!(subcommands > 10, "{subcommands}");
}

#[test]
fn a_configuration_in_the_working_folder_is_found() {
    let world = World::stopped(PEOPLE, "");
    let folder = world.folder.path();
    let list =
        |config: &[&str]| rollcall().args(["account", "list"]).args(config).current_dir(folder).output().unwrap();
    world.file("rollcall.toml", "data = \"./data\"\n");
    assert!(out(&list(&[])).contains("99"));
    world.file("rollcall.toml", "data = \"./elsewhere\"\n");
    assert_eq!(list(&[]).status.code(), Some(1));
    let other = world.file("other.toml", "data = \"./data\"\n");
    assert!(out(&list(&["--config", &other])).contains("99"), "what is named wins");
    world.file("rollcall.toml", "data = \"./data\"\nlisten");
    let broken = list(&[]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(err(&broken).contains("rollcall.toml") && err(&broken).contains("line 2"), "{}", err(&broken));
    let help = rollcall().args(["man"]).current_dir(folder).output().unwrap();
    assert!(help.status.success(), "the manual needs no configuration");
}

#[test]
fn an_unknown_key_is_answered_with_the_one_that_was_meant() {
    let world = World::stopped(PEOPLE, "");
    for (text, expected) in [
        ("lisen = \"127.0.0.1:0\"", "did you mean `listen`?"),
        ("[limits]\nbody_byte_max = 1", "did you mean `body_bytes_max`?"),
        ("[push]\nsecret-env = \"X\"", "did you mean `secret_env`?"),
        ("log = \"jsno\"", "did you mean `json`?"),
    ] {
        let file = world.file("bad.toml", text);
        let output = run(&["account", "list", "--config", &file]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(err(&output).contains(expected) && err(&output).contains("bad.toml"), "{text}: {}", err(&output));
    }
    let file = world.file("bad.toml", "colour = 1");
    assert!(!err(&run(&["account", "list", "--config", &file])).contains("did you mean"));
}

#[test]
fn limits_in_bytes_can_be_written_as_sizes() {
    let limits = include_str!("../../src/limits.rs").lines();
    let names = limits.filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": ").map(|(name, _)| name));
    let names: Vec<&str> = names.filter(|name| name.contains("bytes")).collect();
    assert!(names.len() >= 8, "{names:?}");
    let world = World::stopped(PEOPLE, "");
    let data = world.path("data");
    for name in names {
        for size in ["5_000", "\"5 MB\"", "\"64 KiB\"", "\"1gb\""] {
            let config = world.file("sizes.toml", format!("[limits]\n{name} = {size}\n"));
            let output = run(&["account", "list", "--data", &data, "--config", &config]);
            assert!(output.status.success(), "{name} = {size}: {}", err(&output));
        }
        for size in ["\"5 parsecs\"", "-1", "true", "\"1.5 GB\""] {
            let config = world.file("sizes.toml", format!("[limits]\n{name} = {size}\n"));
            let output = run(&["account", "list", "--data", &data, "--config", &config]);
            assert_eq!(output.status.code(), Some(2), "{name} = {size}");
            assert!(err(&output).contains("a size like \"5 MB\"") && err(&output).contains(name), "{}", err(&output));
        }
    }
    for size in ["\"0.5 MiB\"", "\"1,5GB\"", "0.5"] {
        let config = world.file("sizes.toml", format!("[limits]\nbody_bytes_max = {size}\n"));
        let output = run(&["account", "list", "--data", &data, "--config", &config]);
        assert!(err(&output).contains("fractions are not taken"), "{}", err(&output));
    }
    // A size is the limit that a server has.
    let world = World::with(PEOPLE, "body_bytes_max = \"1 kB\"");
    let answer = world.push(" ".repeat(1_001));
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert!(answer.message().contains("at most 1000"), "{}", answer.text);
}

#[test]
fn a_name_is_listened_on_at_all_its_addresses() {
    let world = World::stopped(PEOPLE, "");
    let config = world.file("listen.toml", "listen = \"localhost:0\"\n");
    let mut serve = rollcall();
    serve.args(["serve", "--config", &config, "--data", &world.path("data"), "--profiles", &world.path("profiles")]);
    serve.args(["--log", "json"]);
    let world = world.started_by(serve);
    assert_eq!(world.get("/health").status, 200);
    let port = world.address.port();
    for address in std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port)).unwrap() {
        let there = std::net::TcpListener::bind((address.ip(), 0)).is_ok();
        assert!(!there || TcpStream::connect(address).is_ok(), "{address} is an address of localhost");
    }
    for wrong in ["localhost", "localhost:x", ":8080", "::1:8080", "http://localhost:8080", "a b:1", "[x]:1"] {
        let output = run(&["serve", "--listen", wrong, "--data", &world.path("data")]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(err(&output).contains("it must be a host and a port"), "{}", err(&output));
    }
    let other = World::stopped(PEOPLE, "");
    let unknown = ["serve", "--listen", "no-such-host.invalid:0", "--data", &other.path("data")];
    let output = run(&[&unknown[..], &["--profiles", &other.path("profiles")]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("cannot listen on no-such-host.invalid:0"), "{}", err(&output));
}
