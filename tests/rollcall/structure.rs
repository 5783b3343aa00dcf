//! Who may use whom: the `use` lines of the source hold the design.

use std::fs;
use std::path::Path;

/// The nouns: what the words of the design mean in code.
const NOUNS: &[&str] =
    &["limits", "signature", "spelling", "token", "until", "digest", "json", "formula", "rejection", "roster"];

/// What each part may use beside the nouns and itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("signature", &[]),
    ("spelling", &[]),
    ("token", &[]),
    ("until", &[]),
    ("digest", &[]),
    ("json", &[]),
    ("formula", &[]),
    ("rejection", &[]),
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
    ("rusqlite", &["store"]),
    ("chacha20poly1305", &["store"]),
    ("simd_json", &["json"]),
    ("hmac", &["signature"]),
    ("sha2", &["signature", "digest", "token"]),
    ("rayon", &["sync"]),
    ("ureq", &["client"]),
    ("clap", &["command", "config"]),
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
                if uses.iter().any(|uses| line.contains(uses)) && !homes.contains(&part) {
                    wrong.push(format!("{}: {library} is at home in {}", inner.display(), homes.join(", ")));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn each_file(dir: &Path, each: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, each);
        } else {
            each(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
