//! A refusal that is sent before the body was read reaches the client, and leaves nothing behind on the connection.

use super::golden::Keyed;
use super::world::{Answer, PEOPLE, Request, World, empty_push, run};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::Write as _;
use std::process::Command;

/// Requests that are refused by their heads, each with a body of this length.
fn refused(length: usize) -> Vec<(Request, u16)> {
    let body = vec![b' '; length];
    let push = || Request::new("POST", "/v1/employees", &body);
    let post = |path: &str| Request::new("POST", path, &body).without("Authorization").without("Date");
    vec![
        (push().header("Authorization", "SharedKey 99:AAAA"), 403),
        (push().header("Content-Encoding", "br"), 415),
        (push().header("Content-Digest", "x"), 400),
        (Request::new("POST", "/nowhere", &body), 404),
        (Request::new("POST", "/v1/profiles", &body), 405),
        (post("/users.json"), 401),
        (post("/users.json?api_key=x"), 403),
        (post("/api/v2/users-import/single"), 401),
        (post("/api/rest.php/imports-user"), 401),
    ]
}

#[test]
fn on_http1_it_says_that_the_connection_closes() {
    let world = World::with(PEOPLE, "body_bytes_max = 5000000");
    for length in [60_000, 1_000_000, 5_000_000] {
        let too_long = Request::new("POST", "/v1/employees", &vec![b' '; length + 5_000_000]);
        for (request, status) in refused(length).into_iter().chain([(too_long, 413)]) {
            let answer = request.send(&world);
            assert_eq!(answer.status, status, "{} {}: {}", request.path, length, answer.text);
            assert_eq!(answer.header("Connection").as_deref(), Some("close"), "{} {}", request.path, length);
        }
    }
    // One whose body was read leaves the connection open.
    let request = Request::new("POST", "/v1/employees", b"{");
    let mut stream = world.connect();
    for _ in 0..3 {
        stream.write_all(&[request.head(), request.body.clone()].concat()).unwrap();
        let answer = Answer::read(&mut stream);
        assert_eq!((answer.status, answer.header("Connection")), (400, None));
    }
}

#[test]
fn on_http1_a_push_that_fails_early_says_so_too() {
    let world = World::new();
    let unknown = "{\"profileId\":\"00000000-0000-0000-0000-000000000000\",\"employees\":[{\"id\":\"1\"},";
    let answer = world.push(format!("{unknown}{}", " ".repeat(8 << 20)));
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("Connection").as_deref(), Some("close"));
    assert_eq!(world.push(empty_push()).status, 200);
}

#[test]
fn on_http2_it_arrives_and_the_next_request_does_too() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for length in [60_000, 5_000_000] {
            for (refused, status) in refused(length) {
                let mut request =
                    hyper::Request::builder().method("POST").uri(format!("http://localhost{}", refused.path));
                for (name, value) in refused.headers.iter().filter(|(name, _)| name != "Host") {
                    request = request.header(name, value);
                }
                let answer =
                    sender.send_request(request.body(Full::new(Bytes::from(refused.body))).unwrap()).await.unwrap();
                assert_eq!(answer.status(), status, "{}", refused.path);
                answer.into_body().collect().await.unwrap();
            }
        }
    });
}

/// Runs a program with what it needs to push to the server. Returns `false` if it, or what `probe` uses, is not installed.
fn client(program: &str, probe: &[&str], args: &[&str], world: &World) -> bool {
    if !Command::new(program).args(probe).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {program} {probe:?} fails");
        return false;
    }
    let signed = Request::push();
    let header = |name: &str| signed.headers.iter().find(|(other, _)| other == name).unwrap().1.clone();
    let output = Command::new(program)
        .args(args)
        .env("URL", format!("http://{}", world.address))
        .env("AUTHORIZATION", header("Authorization"))
        .env("DATE", header("Date"))
        .env("BODY", empty_push())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// Runs a Python program that needs these modules.
fn python(modules: &[&str], program: &str, world: &World) -> bool {
    let imports: String = modules.iter().map(|module| format!("import {module}\n")).collect();
    client("python3", &["-c", &imports], &["-c", &format!("{imports}{program}")], world)
}

#[test]
fn fetch_of_node_goes_on_after_it() {
    let world = World::new();
    let program = r#"
const { URL: url, AUTHORIZATION, DATE, BODY } = process.env;
const post = (authorization, body) =>
    fetch(`${url}/v1/employees`, { method: "POST", body, headers: { Authorization: authorization, Date: DATE } });
(async () => {
    for (const length of [60_000, 5_000_000, 60_000, 5_000_000, 60_000, 5_000_000]) {
        const refused = await post("SharedKey 99:AAAA", " ".repeat(length));
        if (refused.status != 403) throw new Error(`${refused.status} for ${length} bytes`);
        await refused.text();
        const good = await post(AUTHORIZATION, BODY);
        if (good.status != 200) throw new Error(`${good.status} after ${length} bytes`);
        await good.text();
    }
})().catch((error) => { console.error(error); process.exit(1); });
"#;
    client("node", &["-e", "fetch"], &["-e", program], &world);
}

#[test]
fn aiohttp_goes_on_after_it() {
    let world = World::new();
    let program = r#"
import asyncio, os
async def main():
    url, body = os.environ["URL"] + "/v1/employees", os.environ["BODY"].encode()
    good = {"Authorization": os.environ["AUTHORIZATION"], "Date": os.environ["DATE"]}
    async with aiohttp.ClientSession() as session:
        for length in [60_000, 5_000_000] * 5:
            async with session.post(url, data=b" " * length, headers={**good, "Authorization": "SharedKey 99:AAAA"}) as answer:
                assert answer.status == 403, answer.status
                await answer.read()
            async with session.post(url, data=body, headers=good) as answer:
                assert answer.status == 200, await answer.text()
asyncio.run(main())
"#;
    python(&["aiohttp"], program, &world);
}

#[test]
fn httpx_hears_it_over_http2() {
    let world = World::new();
    let program = r#"
import os
with httpx.Client(http1=False, http2=True) as client:
    good = {"Authorization": os.environ["AUTHORIZATION"], "Date": os.environ["DATE"]}
    for length in [60_000, 5_000_000] * 5:
        answer = client.post(os.environ["URL"] + "/v1/employees", content=b" " * length, headers={**good, "Authorization": "SharedKey 99:AAAA"})
        assert answer.status_code == 403, answer
        answer = client.post(os.environ["URL"] + "/v1/employees", content=os.environ["BODY"], headers=good)
        assert answer.status_code == 200, answer.text
"#;
    python(&["httpx", "h2"], program, &world);
}

#[test]
fn curl_hears_it_over_http1_and_http2() {
    let world = World::new();
    let body = world.file("body", vec![b' '; 5_000_000]);
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: no curl");
        return;
    }
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code} %{exitcode}\n", version]);
        curl.args(["-H", "Authorization: SharedKey 99:AAAA", "-H", "Expect:", "--data-binary", &format!("@{body}")]);
        let output = curl.arg(format!("http://{}/v1/employees", world.address)).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "403 0\n", "{version}");
    }
}

#[test]
fn every_dialect_refuses_so() {
    let keyed = Keyed::with("import_bytes_max = 100000\nemployee_bytes_max = 100000\nform_bytes_max = 1000");
    let long = vec![b' '; 200_000];
    let unsigned = |path: &str| Request::new("POST", path, &long).without("Authorization").without("Date");
    for (request, status) in [
        (unsigned(&format!("/users.json?api_key={}", keyed.springest)), 413),
        (
            unsigned("/api/v2/users-import/batch").header("Authorization", &format!("Bearer {}", keyed.collaborator)),
            413,
        ),
        (unsigned("/echotools7/api/api_import_emps.asp"), 451),
    ] {
        let answer = request.send(&keyed.world);
        assert_eq!(
            (answer.status, answer.header("Connection").as_deref()),
            (status, Some("close")),
            "{}",
            request.path
        );
    }
    let data = keyed.world.path("data");
    assert!(run(&["account", "remove", "99", "--yes", "--data", &data]).status.success());
    let answer = Request::new("POST", "/v1/employees", &long).send(&keyed.world);
    assert_eq!((answer.status, answer.header("Connection").as_deref()), (403, Some("close")));
}
