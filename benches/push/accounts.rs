//! Many small accounts: a thousand of a thousand employees, pushed by fifty connections.

use crate::service::{Connection, Rollcall};
use rollcall::sample::write_body;
use std::time::{Duration, Instant};

const ACCOUNTS: u32 = 1_000;
const EMPLOYEES: u64 = 1_000;
const CONNECTIONS: u32 = 50;

/// Pushes every account's roster three times, with one employee in a thousand changed each time, and prints how long a push took.
pub fn measure() {
    let rollcall = Rollcall::with_accounts(ACCOUNTS);
    let body = |version: u32| {
        let mut body = Vec::new();
        write_body(&mut body, 0..EMPLOYEES, |number| (if number == 7 { version } else { 0 }, "active")).unwrap();
        body
    };
    let bodies: Vec<Vec<u8>> = (0..4).map(body).collect();
    let round = |body: &[u8]| -> Vec<Duration> {
        std::thread::scope(|scope| {
            let connection = |number: u32| {
                let rollcall = &rollcall;
                scope.spawn(move || {
                    let mut connection = Connection::open(rollcall);
                    let accounts = (1..=ACCOUNTS).filter(|account| account % CONNECTIONS == number);
                    accounts.map(|account| connection.post(account, body)).collect::<Vec<Duration>>()
                })
            };
            let threads: Vec<_> = (0..CONNECTIONS).map(connection).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        })
    };
    println!("\n{ACCOUNTS} accounts of {EMPLOYEES} employees, {CONNECTIONS} connections\n");
    println!("{:<26}{:>10}{:>10}{:>10}{:>10}", "", "pushes/s", "50 % ms", "99 % ms", "99.9 % ms");
    let print = |case: &str, bodies: &[Vec<u8>]| {
        let started = Instant::now();
        let mut durations: Vec<Duration> = bodies.iter().flat_map(|body| round(body)).collect();
        let seconds = started.elapsed().as_secs_f64();
        durations.sort();
        let at = |share: f64| durations[((durations.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let rate = durations.len() as f64 / seconds;
        println!("{case:<26}{rate:>10.0}{:>10.1}{:>10.1}{:>10.1}", at(0.5), at(0.99), at(0.999));
    };
    print("first load", &bodies[..1]);
    print("one employee changed", &bodies[1..]);
    print("unchanged", &[bodies[3].clone(), bodies[3].clone(), bodies[3].clone()]);
}
