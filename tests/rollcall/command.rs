//! The command line: its options, files, answers and exit codes.

use super::world::{PEOPLE, PROFILE, SECRET, World, employee, empty_push, rollcall, run};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Output, Stdio};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn usage_is_two_and_help_is_help() {
    for args in [
        &["serve", "--lisen", "x"][..],
        &["push"],
        &["push", "x.csv"],
        &["account", "add", "x"],
        &["demo", "--employees", "0"],
        &[],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
    }
    for (args, words) in [
        (&["--help"][..], &["serve", "demo", "account", "profile", "push", "Exit codes", "ROLLCALL_CONFIG"][..]),
        (&["serve", "--help"], &["--listen", "ROLLCALL_LISTEN", "127.0.0.1:8080", "--data", "--profiles", "SIGHUP"]),
        (
            &["push", "--help"],
            &["--url", "--account", "--profile", "--secret-env", "--map", "--columns", "--sheet", "--json", ".zst"],
        ),
        (&["account", "add", "--help"], &["--name", "--secret", "--data"]),
        (&["demo", "--help"], &["--employees", "--once"]),
    ] {
        let help = out(&run(args));
        for word in words {
            assert!(help.contains(word), "{args:?} tells {word}: {help}");
        }
    }
}

#[test]
fn the_configuration_has_a_place_for_every_option() {
    let world = World::stopped(PEOPLE, "");
    let config = world.file(
        "full.toml",
        format!(
            "listen = \"127.0.0.1:0\"\ndata = {:?}\nprofiles = {:?}\nlog = \"json\"\n[limits]\nemployees_max = 1\n\
             [push]\naccount = 99\nprofile = \"{PROFILE}\"\nsecret_env = \"OTHER\"\njson = true\nmap = {{ No = \"id\" }}\n\
             [demo]\nemployees = 5\nonce = true\n",
            world.path("data"),
            world.path("profiles")
        ),
    );
    let mut serve = rollcall();
    serve.args(["serve", "--config", &config]);
    let world = world.started_by(serve);
    let file = world.file("x.csv", "No,First Name\n1,A\n");
    let pushed = rollcall()
        .args(["--config", &config, "push", &file])
        .env("ROLLCALL_URL", format!("http://{}", world.address))
        .env("OTHER", SECRET)
        .output()
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&out(&pushed)).unwrap()["employeesCreated"], 1, "{}", err(&pushed));
    let demo = rollcall().args(["demo", "--config", &config, "--listen", "127.0.0.1:0"]).output().unwrap();
    assert!(
        err(&demo).contains("employees_max") && demo.status.code() == Some(1),
        "five are over employees_max = 1: {}",
        err(&demo)
    );
    let listed = rollcall().args(["account", "list", "--config", &config]).output().unwrap();
    assert!(out(&listed).contains("99"), "{}", err(&listed));

    for (text, expected) in [
        ("listen = \"x\"", "line 1"),
        ("\nlisen = \"127.0.0.1:0\"", "line 2"),
        ("[limits]\nbody_bytes_max = 1\nbody_max = 1", "line 3"),
        ("[limits]\nbody_bytes_max = -1", "line 2"),
    ] {
        let file = world.file("bad.toml", text);
        let output = run(&["serve", "--config", &file]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(err(&output).contains("bad.toml") && err(&output).contains(expected), "{text}: {}", err(&output));
    }
    assert_eq!(run(&["serve", "--config", "/no/such.toml"]).status.code(), Some(2));
}

#[test]
fn the_demo_pushes_three_times() {
    let demo = run(&["demo", "--once", "--employees", "3000", "--listen", "127.0.0.1:0"]);
    assert!(demo.status.success(), "{}", err(&demo));
    let rows: Vec<Vec<String>> = out(&demo)
        .lines()
        .filter(|line| line.contains("load") || line.contains("again") || line.contains("changes"))
        .map(|line| line.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).map(str::to_owned).collect())
        .collect();
    assert_eq!(rows, [["3000", "0", "0", "0", "0"], ["0", "0", "0", "0", "3000"], ["3", "3", "3", "3", "2991"]]);
}

#[test]
fn accounts_are_added_listed_and_removed() {
    let mut world = World::new();
    let data = world.path("data");
    let added = run(&["account", "add", "5", "--name", "Five & Sons", "--data", &data]);
    let printed: Value = serde_json::from_str(&out(&added)).unwrap();
    let secret = printed["secret"].as_str().unwrap().to_owned();
    assert_eq!((printed["account"].as_i64(), secret.len()), (Some(5), 64));
    let again = run(&["account", "add", "5", "--data", &data]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("account 5 exists already"), "{}", err(&again));
    // A running server knows the account at once.
    let file = world.file("x.csv", "id,First Name\n1,A\n2,B\n");
    let push = |secret: &str| {
        let url = format!("http://{}", world.address);
        let args = ["push", &file, "--url", &url, "--account", "5", "--profile", PROFILE];
        rollcall().args(args).env("ROLLCALL_SECRET", secret).output().unwrap()
    };
    assert!(push(&secret).status.success());
    let listed = out(&run(&["account", "list", "--data", &data]));
    assert!(listed.lines().any(|line| line.contains("Five & Sons") && line.contains(" 2 ")), "{listed}");
    assert!(!listed.contains(&secret));
    // Without a terminal to ask at, it says what to add.
    let asked = rollcall().args(["account", "remove", "5", "--data", &data]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(asked.status.code(), Some(2));
    assert!(err(&asked).contains("2 employees") && err(&asked).contains("--yes"), "{}", err(&asked));
    assert!(run(&["account", "remove", "5", "--yes", "--data", &data]).status.success());
    let refused = push(&secret);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("403"), "{}", err(&refused));
    assert!(
        !std::fs::read_dir(world.path("data/accounts")).unwrap().any(|file| file
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("5."))
    );
    assert_eq!(run(&["account", "remove", "5", "--yes", "--data", &data]).status.code(), Some(1));
    // Added again it is another, empty one.
    world.add_account(5, "new");
    assert_eq!(push("new").status.code(), Some(0));
    world.kill();
}

#[test]
fn a_csv_in_every_wrapping() {
    let world = World::new();
    let csv = "\u{feff}Emp No;status;Vorname;Last Name\r\n1;active;Zo\u{eb};\"Semi;colon \"\"quoted\"\"\"\r\n2;hidden;\"Two\r\nlines\";\r\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(csv.as_bytes()).unwrap();
    let files = [
        world.file("a.csv", csv),
        world.file("a.csv.gz", gzip.finish().unwrap()),
        world.file("a.csv.zst", zstd::stream::encode_all(csv.as_bytes(), 0).unwrap()),
    ];
    let args = ["--profile", PROFILE, "--map", "Emp No=id", "--map", "Vorname=First Name"];
    for (n, file) in files.iter().enumerate() {
        let pushed = world.push_file(file, &args);
        let table = out(&pushed);
        let count = |name: &str| {
            table
                .lines()
                .find(|line| line.starts_with(name))
                .and_then(|line| line.split_whitespace().nth(1))
                .map(str::to_owned)
        };
        let expected = if n == 0 { ("2", "0") } else { ("0", "2") };
        let counts = (count("created"), count("unchanged"));
        assert_eq!(counts, (Some(expected.0.into()), Some(expected.1.into())), "{table}{}", err(&pushed));
    }
    assert_eq!(world.roster()[0]["data"][1]["value"], "Semi;colon \"quoted\"");
    // From the standard input.
    let mut piped = rollcall()
        .args(["push", "-", "--account", "99", "--url", &format!("http://{}/v1/employees", world.address), "--json"])
        .args(args)
        .env("ROLLCALL_SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(csv.as_bytes()).unwrap();
    let answer: Value = serde_json::from_str(&out(&piped.wait_with_output().unwrap())).unwrap();
    assert_eq!(answer["employeesNotChanged"], 2);
    // A StartExam body, which names its own profile.
    let body = json!({ "profileId": PROFILE, "employees": [employee("3", "active", &[("First Name", "C")])] });
    let file = world.file("body.json", body.to_string());
    assert!(out(&world.push_file(&file, &[])).contains("created             1"));
}

#[test]
fn rejections_are_told_by_the_row_of_the_file() {
    let world = World::new();
    let csv = "id,First Name,Email\n1,A,a@example.com\n2,,b@example.com\n\n3,\"C\nC\",see below\n1,D,";
    let file = world.file("x.csv", csv);
    let refused = world.push_file(&file, &["--profile", PROFILE]);
    assert_eq!(refused.status.code(), Some(1));
    let told = err(&refused);
    let rows: Vec<&str> = told.lines().collect();
    assert_eq!(rows[0], "row 3, column B: id \"2\": First Name: a value is required; none was sent [required]");
    assert!(rows[1].starts_with("row 5, column C: id \"3\": Email: must be an e-mail address"), "{told}");
    assert!(
        rows[2].starts_with("row 6, column A: id \"1\": id: another employee of this push has the same id"),
        "{told}"
    );
    assert!(rows[2].ends_with("; the other is row 2 [twice]"), "{told}");
    assert!(rows[3].contains("nothing was stored: 3 problems"), "{told}");
    let json = world.push_file(&file, &["--profile", PROFILE, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out(&json)).unwrap()["errorCount"], 3);
    assert!(world.roster().is_empty());
}

#[test]
fn what_cannot_be_pushed_is_said() {
    let world = World::new();
    let csv = world.file("x.csv", "id,First Name\n1,A\n");
    let profile = ["--profile", PROFILE];
    for (file, args, code, expected) in [
        ("/no/such.csv".to_owned(), &profile[..], 1, "/no/such.csv: No such file"),
        (csv.clone(), &[], 1, "name it with --profile GUID"),
        (csv.clone(), &["--profile", PROFILE, "--map", "Emp=id2"], 1, "--map names a column \"Emp\""),
        (csv.clone(), &["--profile", PROFILE, "--url", "ftp://x"], 2, "is not the URL of a server"),
        (
            csv.clone(),
            &["--profile", PROFILE, "--url", "http://127.0.0.1:1", "--retry", "0"],
            1,
            "nobody listens there",
        ),
        (csv.clone(), &["--profile", "00000000-0000-0000-0000-000000000000"], 1, "the account has no profile"),
        (csv.clone(), &["--profile", PROFILE, "--secret-env", "NOWHERE"], 2, "environment variable NOWHERE"),
        (csv.clone(), &["--profile", PROFILE, "--account", "100"], 1, "is not one of account 100's"),
        (world.file("b.csv", "id,First Name\n1\n"), &profile, 1, "row 2: it has 1 cells"),
        (world.file("c.csv", b"id,First Name\n1,\xff\n"), &profile, 1, "row 2, column B: the cell is not UTF-8"),
        (world.file("d.csv", "no,First Name\n"), &profile, 1, "no column is called id"),
        (world.file("e.csv", ""), &profile, 1, "the file is empty"),
        (world.file("f.csv.gz", b"\x1f\x8bxx"), &profile, 1, "f.csv.gz"),
        (world.file("g.json", "[]"), &[], 1, "the body must be a JSON object"),
        (world.file("h.json", &empty_push()[1..]), &[], 1, "the body is not JSON"),
    ] {
        let mut all = vec!["push", &file];
        let url = format!("http://{}", world.address);
        if !args.contains(&"--url") {
            all.extend(["--url", &url]);
        }
        if !args.contains(&"--account") {
            all.extend(["--account", "99"]);
        }
        all.extend(args);
        let output = rollcall().args(&all).env("ROLLCALL_SECRET", SECRET).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{all:?}: {}", err(&output));
        assert!(err(&output).contains(expected), "{all:?}: {}", err(&output));
    }
}

#[test]
fn a_push_for_an_account_that_is_removed_meanwhile_is_not_answered_with_success() {
    use super::world::{Answer, Request};
    let world = World::new();
    let data = world.path("data");
    let body =
        json!({ "profileId": PROFILE, "employees": [employee("1", "active", &[("First Name", "A")])] }).to_string();
    let request = Request::new("POST", "/v1/employees", body.as_bytes()).header("Expect", "100-continue");
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    // The server asks for the body once it has checked the head.
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut asked = vec![0; expected.len()];
    std::io::Read::read_exact(&mut stream, &mut asked).unwrap();
    assert_eq!(asked, expected, "{}", String::from_utf8_lossy(&asked));
    assert!(run(&["account", "remove", "99", "--yes", "--data", &data]).status.success());
    world.add_account(99, SECRET);
    stream.write_all(&request.body).unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(answer.message().contains("was removed"), "{}", answer.text);
    assert!(world.roster().is_empty());
}

#[test]
fn a_removal_that_was_interrupted_can_be_done_again() {
    let world = World::stopped(PEOPLE, "");
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    shared.execute("DELETE FROM account", []).unwrap();
    assert!(run(&["account", "remove", "99", "--yes", "--data", &world.path("data")]).status.success());
    assert!(!std::path::Path::new(&world.path("data/accounts/99.db")).exists());
}

#[test]
fn what_answers_like_no_rollcall_is_no_success() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page = std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n<html>log in").unwrap();
    });
    let world = World::stopped(PEOPLE, "");
    let file = world.file("x.json", empty_push());
    let args = ["push", &file, "--url", &url, "--account", "99", "--json"];
    let pushed = rollcall().args(args).env("ROLLCALL_SECRET", SECRET).output().unwrap();
    page.join().unwrap();
    assert_eq!(pushed.status.code(), Some(1));
    assert!(err(&pushed).contains("the server answered 200: <html>"), "{}", err(&pushed));
}
