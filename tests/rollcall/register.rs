//! A real roster, if `ROLLCALL_REGISTER` names its folder.

use super::world::{PROFILE, World, register};

const REGISTER: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Register"
    [[field]]
    name = "First Name"
    type = "text"
    [[field]]
    name = "Last Name"
    type = "text"
    [[field]]
    name = "Given Name"
    type = "text"
    trim = false      # the counts were made by comparing cells as they are
    [[field]]
    name = "Suffix"
    type = "text"
    [[field]]
    name = "Birth Year"
    type = "number"
    integer = true
    [[field]]
    name = "Birth Month"
    type = "number"
    integer = true
    max = 12
    [[field]]
    name = "Birth Day"
    type = "number"
    integer = true
    max = 31
    [[field]]
    name = "Last Played"
    type = "number"
    integer = true
    [[field]]
    name = "MLBAM Id"
    type = "number"
    integer = true
"#;

#[test]
fn three_weeks_have_their_counts() {
    three_weeks(REGISTER, 0, 0);
}

#[test]
fn three_weeks_hide_the_absent() {
    let hides = REGISTER.replacen("name = \"Register\"", "name = \"Register\"\nabsent = \"hide\"", 1);
    three_weeks(&hides, 3, 2);
}

/// Pushes three weeks. So many are hidden in the second and the third.
fn three_weeks(profile: &str, second: u64, third: u64) {
    let Some(folder) = register() else {
        eprintln!("left out: ROLLCALL_REGISTER does not name the register's folder");
        return;
    };
    let world = World::with(profile, "");
    for (file, counts) in [
        ("2025-01-05.csv.zst", [494_632, 0, 0, 0, 0]),
        ("2025-01-12.csv.zst", [215, 86, 5, second, 494_524]),
        ("2025-01-19.csv.zst", [215, 154, 3, third, 494_668]),
        ("2025-01-19.csv.zst", [0, 0, 0, 0, 495_037]),
    ] {
        let file = folder.join(file);
        let pushed = world.push_file(file.to_str().unwrap(), &["--profile", PROFILE, "--json"]);
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        let answer = super::world::Answer {
            status: 200,
            head: String::new(),
            text: String::from_utf8(pushed.stdout).unwrap(),
            bytes: Vec::new(),
        };
        assert_eq!(answer.counts(), counts, "{}", file.display());
    }
}
