//! Which part may use which: the `use` lines of the source must fit the design.

use std::fs;
use std::path::Path;

/// The nouns: what the words of the design mean in code.
const NOUNS: &[&str] = &[
    "limits",
    "signature",
    "spelling",
    "token",
    "until",
    "digest",
    "json",
    "formula",
    "password",
    "rejection",
    "role",
    "roster",
];

/// What each part may use besides the nouns and itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("signature", &[]),
    ("spelling", &[]),
    ("token", &[]),
    ("until", &[]),
    ("digest", &[]),
    ("json", &[]),
    ("formula", &[]),
    ("password", &[]),
    ("rejection", &[]),
    ("role", &[]),
    ("roster", &[]),
    ("sample", &[]),
    ("profile", &["dialect"]),
    ("config", &[]),
    ("client", &["dialect"]),
    ("dialect", &[]),
    ("store", &["dialect", "profile"]),
    ("export", &["dialect", "store"]),
    ("sync", &["dialect", "profile", "store"]),
    ("server", &["dialect", "export", "profile", "store", "sync"]),
    ("command", &["client", "config", "dialect", "export", "profile", "sample", "server", "store", "sync"]),
];

/// Crates that have one home, and where.
const HOMES: &[(&str, &[&str])] = &[
    ("hyper", &["server"]),
    ("http_body_util", &["server"]),
    ("tokio", &["server", "command"]),
    ("rusqlite", &["store/sqlite"]),
    ("chacha20poly1305", &["store/sqlite"]),
    ("simd_json", &["json"]),
    ("hmac", &["signature"]),
    ("sha2", &["signature", "digest", "token"]),
    ("rayon", &["sync"]),
    ("ureq", &["client"]),
    ("clap", &["command", "config"]),
    ("argon2", &["password"]),
    ("maud", &["server"]),
    ("libc", &["server"]),
    ("multer", &["server"]),
    ("calamine", &["client"]),
    ("strsim", &["spelling"]),
    ("rust_xlsxwriter", &["export"]),
    ("toml", &["config", "profile"]),
    ("prometheus_client", &["server"]),
];

#[test]
fn parts_use_what_they_may() {
    let mut wrong = Vec::new();
    each_file(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut |file, source| {
        let inner = file.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
        let part = inner.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if part == "lib" || part == "main" {
            return;
        }
        let (_, may_use) = MAY_USE
            .iter()
            .find(|(name, _)| *name == part)
            .unwrap_or_else(|| panic!("{part} is new; say what it may use"));
        // Tests of a part may use more.
        let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        let code = source.lines().map(|line| line.split("//").next().unwrap());
        for line in code {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if used != part && !NOUNS.contains(&used.as_str()) && !may_use.contains(&used.as_str()) {
                    wrong.push(format!("{}: {part} may not use {used}", inner.display()));
                }
            }
            for (library, homes) in HOMES {
                let uses = [
                    format!("use {library}::"),
                    format!(" {library}::"),
                    format!("({library}::"),
                    format!("<{library}::"),
                ];
                let is_home = |home: &&str| inner.starts_with(home) || *home == part;
                if uses.iter().any(|uses| line.contains(uses)) && !homes.iter().any(is_home) {
                    wrong.push(format!("{}: {library} is at home in {}", inner.display(), homes.join(", ")));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The steps of a push: functions over a batch. `mod.rs` and `rules.rs` call them, and the store between them.
const STEPS: &[&str] =
    &["carried", "check", "find", "marks", "outcome", "recognise", "reference", "scan", "split", "unique", "verdict"];

/// What a step may use of the store: values, no calls.
const VALUES: &[&str] = &["UniqueValue", "Held", "OF_HIDDEN", "unique_values", "Error"];

#[test]
fn no_step_calls_the_store() {
    let mut wrong = Vec::new();
    for step in STEPS {
        let path = format!("{}/src/sync/{step}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = fs::read_to_string(&path).unwrap();
        let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for used in code.split("store::").skip(1) {
            let used = used.trim_start_matches('{');
            let names = used.split(|c: char| !c.is_alphanumeric() && !"_, ".contains(c)).next().unwrap();
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                if !VALUES.contains(&name) {
                    wrong.push(format!("{step} uses store::{name}"));
                }
            }
        }
        for call in ["Draft", "Store", "Roster", "async ", ".await"] {
            if code.contains(call) {
                wrong.push(format!("{step} speaks of {call}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Serde is for what comes off the wire or out of a file, and what is written there.
#[test]
fn the_domain_has_no_serde() {
    let mut wrong = Vec::new();
    for part in ["roster", "sync", "rejection.rs"] {
        let part = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).join(part);
        each_file(&part, &mut |file, source| {
            let derives = source.contains("Serialize") || source.contains("Deserialize");
            if derives {
                wrong.push(file.display().to_string());
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn each_file(dir: &Path, each: &mut impl FnMut(&Path, &str)) {
    if dir.is_file() {
        return each(dir, &fs::read_to_string(dir).unwrap());
    }
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, each);
        } else {
            each(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
