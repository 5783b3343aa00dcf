//! Compressed bodies, in every dialect and within the limits.

use super::dialects::unsigned;
use super::golden::Keyed;
use super::world::{PEOPLE, PROFILE, Request, World, employee, empty_push};
use base64::Engine as _;
use serde_json::json;
use sha2::Digest as _;
use std::io::Write as _;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

#[test]
fn a_push_is_unpacked_as_it_comes() {
    let world = World::new();
    let body = |version: &str| {
        let employees: Vec<_> =
            (0..30_000).map(|n| employee(&n.to_string(), "active", &[("First Name", version)])).collect();
        json!({ "profileId": PROFILE, "employees": employees }).to_string()
    };
    let push = |packed: &[u8], coding: &str| {
        Request::new("POST", "/v1/employees", packed).header("Content-Encoding", coding).send(&world)
    };
    let (a, b) = (body("A"), body("B"));
    assert_eq!(push(&gzip(a.as_bytes()), "gzip").counts(), [30_000, 0, 0, 0, 0]);
    assert_eq!(push(&zstd(a.as_bytes()), "ZSTD").counts(), [0, 0, 0, 0, 30_000]);
    assert_eq!(push(&zstd(b.as_bytes()), "zstd").counts(), [0, 30_000, 0, 0, 0]);
    assert_eq!(push(&gzip(b.as_bytes()), "x-gzip").counts(), [0, 0, 0, 0, 30_000]);
    for plain in ["identity", "Identity", ""] {
        assert_eq!(push(b.as_bytes(), plain).counts(), [0, 0, 0, 0, 30_000], "{plain:?}");
    }
    for other in ["br", "deflate", "gzip, zstd"] {
        let refused = push(b.as_bytes(), other);
        assert_eq!(
            (refused.status, refused.header("Accept-Encoding").as_deref()),
            (415, Some("gzip, zstd")),
            "{other}"
        );
    }
}

#[test]
fn what_is_cut_or_damaged_on_its_way_is_refused() {
    let world = World::new();
    let body =
        json!({ "profileId": PROFILE, "employees": [employee("1", "active", &[("First Name", "A")])] }).to_string();
    for (packed, coding) in [(gzip(body.as_bytes()), "gzip"), (zstd(body.as_bytes()), "zstd")] {
        let mut damaged = packed.clone();
        let middle = packed.len() / 2;
        damaged[middle] ^= 0xff;
        for bad in [&packed[..packed.len() - 1], &damaged, &[&packed[..], b"x"].concat(), body.as_bytes()] {
            let refused = Request::new("POST", "/v1/employees", bad).header("Content-Encoding", coding).send(&world);
            assert_eq!(refused.status, 400, "{coding}: {}", refused.text);
            assert!(world.roster().is_empty());
        }
        let refused =
            Request::new("POST", "/v1/employees", &packed[..packed.len() - 1]).header("Content-Encoding", coding);
        let message = refused.send(&world).message();
        assert!(message.contains(&format!("the body is not {coding} as its Content-Encoding says")), "{message}");
    }
}

#[test]
fn the_digest_and_the_signed_length_are_of_the_bytes_sent() {
    let world = World::new();
    let packed = zstd(empty_push().as_bytes());
    let digest = |bytes: &[u8]| {
        format!("sha-256=:{}:", base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes)))
    };
    let push = |digest: String| {
        let push = Request::new("POST", "/v1/employees", &packed).header("Content-Encoding", "zstd");
        push.header("Content-Digest", &digest).send(&world)
    };
    assert_eq!(push(digest(&packed)).status, 200);
    assert_eq!(push(digest(empty_push().as_bytes())).status, 400);
}

#[test]
#[cfg(target_os = "linux")]
fn a_bomb_is_refused_within_the_memory_of_a_push() {
    let world = World::with(PEOPLE, "body_bytes_max = 1000000000");
    // 8 GB of white space: 250 KB by zstd, 8 MB by gzip.
    let start = format!("{{\"profileId\":\"{PROFILE}\",\"employees\":[");
    let spaces = vec![b' '; 64 << 20];
    let zstd_bomb = [zstd(start.as_bytes()), zstd(&spaces).repeat(128)].concat();
    let gzip_bomb = [gzip(start.as_bytes()), gzip(&spaces).repeat(128)].concat();
    for (bomb, coding) in [(zstd_bomb, "zstd"), (gzip_bomb, "gzip")] {
        let refused = Request::new("POST", "/v1/employees", &bomb).header("Content-Encoding", coding).send(&world);
        assert_eq!(refused.status, 413, "{coding}: {}", refused.text);
        assert!(refused.message().contains("body_bytes_max"), "{}", refused.text);
    }
    assert!(world.peak_memory_mib() < 120, "{} MiB", world.peak_memory_mib());
    assert_eq!(world.push(empty_push()).status, 200);
}

#[test]
fn every_dialect_takes_them() {
    let keyed = Keyed::with("employee_bytes_max = 10000\nimport_bytes_max = 10000\nform_bytes_max = 1000");
    let user =
        json!({ "uid": "1", "login": "l", "email": "a@x.com", "firstname": "A", "secondname": "B", "position": "C" });
    let springest = |body: &[u8], coding: &str| {
        let path = format!("/users.json?api_key={}", keyed.springest);
        unsigned("POST", &path, body).header("Content-Encoding", coding).send(&keyed.world)
    };
    let collaborator = |body: &[u8], coding: &str| {
        let request = unsigned("POST", "/api/v2/users-import/batch", body).header("Content-Encoding", coding);
        request.header("Authorization", &format!("Bearer {}", keyed.collaborator)).send(&keyed.world)
    };
    let echospan = |more: &str| {
        let form = format!("Key={}&ClientID=1234&Cmd=P{more}", keyed.echospan);
        let request = unsigned("POST", "/echotools7/api/api_import_emps.asp", &gzip(form.as_bytes()));
        request.header("Content-Encoding", "gzip").send(&keyed.world)
    };
    assert_eq!(springest(&zstd(br#"{"external_id":"2","email":"b@x.com"}"#), "zstd").status, 201);
    assert_eq!(collaborator(&gzip(json!([user]).to_string().as_bytes()), "gzip").status, 200);
    assert_eq!(echospan("").status, 200);
    assert_eq!(keyed.roster().len(), 2);
    assert_eq!(springest(b"nonsense", "gzip").status, 400);
    assert_eq!(collaborator(b"nonsense", "deflate").status, 415);
    // A bomb in each.
    let bomb = zstd(&vec![b' '; 8 << 20]);
    assert_eq!(springest(&bomb, "zstd").status, 413);
    assert_eq!(collaborator(&bomb, "zstd").status, 413);
    assert_eq!(echospan(&format!("&Title={}", "x".repeat(8 << 20))).status, 451);
}
