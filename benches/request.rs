//! The whole request, signed and sent over a socket to a server in this process.

#![allow(clippy::unwrap_used, reason = "a bench stops at a failure, prints, and counts in numbers that fit")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rollcall::client::{Body, Patience, Target, push};
use rollcall::limits::Limits;
use rollcall::sample;
use rollcall::server::{Server, serve};
use rollcall::store::{Profiles, Store};
use std::sync::Arc;

const EMPLOYEES: u64 = 10_000;

fn whole_request(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("employees.toml"), sample::PROFILE_TOML).unwrap();
    let store = Store::open(&folder.path().join("data"), None).unwrap();
    store.add_account(1, "", "secret", None).unwrap();
    let (profiles, _) = Profiles::open(&store, folder.path()).unwrap();
    let server = Arc::new(Server::new(store, profiles, Limits::default(), Vec::new()).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(serve(server, vec![listener], std::future::pending()));

    let target = Target::new(&url, 1, "secret").unwrap();
    let body = |version: u32| {
        let state = move |number: u64| (if number.is_multiple_of(1_000) { version } else { 0 }, "active");
        Body::of(|out| sample::write_body(out, 0..EMPLOYEES, state)).unwrap()
    };
    let send = |version: u32, expected: &str| {
        let answer = push(&target, &body(version), Patience::default(), |_| {}).unwrap();
        assert!(answer.text.contains(expected), "{}", answer.text);
    };
    send(0, "\"employeesCreated\": 10000");
    let mut group = c.benchmark_group("request");
    group.throughput(Throughput::Elements(EMPLOYEES));
    group.sample_size(20);
    group.bench_function("unchanged", |b| b.iter(|| send(0, "\"employeesNotChanged\": 10000")));
    let mut version = 0;
    group.bench_function("one in a thousand changed", |b| {
        b.iter(|| {
            version = (version + 1) % 8;
            send(version, "\"employeesDataUpdated\": 10,");
        });
    });
}

criterion_group!(benches, whole_request);
criterion_main!(benches);
