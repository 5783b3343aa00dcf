//! A push beside what people would use instead, side by side in one run: `cargo bench --bench push [-- EMPLOYEES …]`, and
//! with `-- --history [EMPLOYEES]` only what history costs.
//!
//! Prints a table of medians and says of each goal whether it was met; writes the same as JSON to `target/push.json`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench stops at a failure, prints, and counts in numbers that fit"
)]

mod accounts;
mod history;
mod peers;
mod service;
mod table;

use rollcall::sample::{PROFILE_ID, write_body, write_employee};
use service::{Rollcall, Service};
use std::time::{Duration, Instant};
use table::Table;

/// What one case took, run by run.
pub type Runs = Vec<Duration>;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let sizes: Vec<u64> = match args.next().as_deref() {
        Some("--history") => {
            let employees = args.next().map_or(100_000, |employees| employees.parse().expect("a number of employees"));
            return history::measure(employees);
        }
        Some("--serve-floor") => return peers::floor::serve(),
        Some("--serve-textbook") => return peers::textbook::serve(),
        None => vec![100_000, 1_000_000],
        Some(first) => {
            let sizes = std::iter::once(first.to_owned()).chain(args);
            sizes.map(|size| size.parse().expect("sizes are numbers of employees")).collect()
        }
    };
    let mut table = Table::default();
    for employees in sizes {
        measure(employees, &mut table);
    }
    accounts::measure();
    history::measure(100_000);
    table.print_goals();
    table.write_json();
}

/// The bodies of the cases.
struct Bodies {
    base: Vec<u8>,
    shuffled: Vec<u8>,
    thousandth: Vec<u8>,
    hundredth: Vec<u8>,
    all: Vec<u8>,
}

impl Bodies {
    fn new(employees: u64) -> Bodies {
        let body = |version: &dyn Fn(u64) -> u32| {
            let mut body = Vec::new();
            write_body(&mut body, 0..employees, |number| (version(number), "active")).unwrap();
            body
        };
        Bodies {
            base: body(&|_| 0),
            shuffled: shuffled(employees),
            thousandth: body(&|number| u32::from(number % 1_000 == 7)),
            hundredth: body(&|number| u32::from(number % 100 == 7)),
            all: body(&|_| 1),
        }
    }
}

fn shuffled(employees: u64) -> Vec<u8> {
    let mut numbers: Vec<u64> = (0..employees).collect();
    numbers.sort_by_key(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut body = format!("{{\"profileId\":\"{PROFILE_ID}\",\"employees\":[").into_bytes();
    for (place, number) in numbers.into_iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        write_employee(&mut body, number, 0, "active").unwrap();
    }
    body.extend_from_slice(b"]}");
    body
}

fn measure(employees: u64, table: &mut Table) {
    let bodies = Bodies::new(employees);
    table.begin(employees, bodies.base.len());
    let repeats = if employees > 1_000_000 { 3 } else { 7 };

    let floor = Service::start("--serve-floor");
    let mut first = Runs::new();
    // Each on a server of its own, so that the memory is that of one roster.
    let mut load = || {
        let rollcall = Rollcall::start();
        first.push(rollcall.push(&bodies.base, [employees, 0, 0, 0, 0]));
        rollcall
    };
    (1..repeats.min(3)).for_each(|_| drop(load()));
    let mut rollcall = load();
    let first_memory = rollcall.peak_memory();
    rollcall.settle();
    let insert_floor = peers::insert_floor(&rollcall.database(), repeats.min(3));
    rollcall.push(&bodies.base, [0, 0, 0, 0, employees]);

    let (mut floors, mut unchanged) = (Runs::new(), Runs::new());
    rollcall.reset_peak_memory();
    for _ in 0..repeats {
        floors.push(floor.post(&bodies.base).0);
        unchanged.push(rollcall.push(&bodies.base, [0, 0, 0, 0, employees]));
    }
    table.floor(&floors);
    table.add("rollcall", "unchanged", &unchanged, Some(rollcall.peak_memory()));
    rollcall.reset_peak_memory();
    let zstd = zstd::stream::encode_all(&bodies.base[..], 1).unwrap();
    let compressed: Runs = (0..repeats).map(|_| rollcall.push_zstd(&zstd, [0, 0, 0, 0, employees])).collect();
    table.add("rollcall", "unchanged, zstd", &compressed, Some(rollcall.peak_memory()));
    let alternate = |table: &mut Table, case: &str, body: &[u8], changed: u64, times: usize| {
        rollcall.reset_peak_memory();
        let mut runs = Runs::new();
        let counts = [0, changed, 0, 0, employees - changed];
        for time in 0..2 * times {
            let body = if time % 2 == 0 { body } else { &bodies.base };
            runs.push(rollcall.push(body, counts));
            rollcall.settle();
        }
        table.add("rollcall", case, &runs, Some(rollcall.peak_memory()));
    };
    alternate(table, "shuffled", &bodies.shuffled, 0, 3);
    let thousandth = employees.div_ceil(1_000);
    alternate(table, "0.1 % changed", &bodies.thousandth, thousandth, 4);
    rollcall.reset_peak_memory();
    let counts = [0, thousandth, 0, 0, employees - thousandth];
    let on_trial = |_| {
        let duration = rollcall.dry_run(&bodies.thousandth, counts);
        rollcall.settle();
        duration
    };
    let dry_runs: Runs = (0..8).map(on_trial).collect();
    table.add("rollcall", "dry run of 0.1 %", &dry_runs, Some(rollcall.peak_memory()));
    alternate(table, "1 % changed", &bodies.hundredth, employees.div_ceil(100), 2);
    alternate(table, "all changed", &bodies.all, employees, 1);
    let mut cold = Runs::new();
    for _ in 0..3 {
        rollcall.restart();
        cold.push(rollcall.push(&bodies.base, [0, 0, 0, 0, employees]));
    }
    table.add("rollcall", "cold start", &cold, Some(rollcall.peak_memory()));
    table.add("rollcall", "first load", &first, Some(first_memory));
    table.add("insert floor", "first load", &insert_floor, None);
    drop(rollcall);

    if employees <= 1_000_000 {
        measure_peers(employees, &bodies, table);
    }
}

fn measure_peers(employees: u64, bodies: &Bodies, table: &mut Table) {
    for (peer, case, runs) in peers::textbook::measure(&bodies.base, &bodies.thousandth) {
        table.add(peer, case, &runs, None);
    }
    for (peer, case, runs) in peers::sqlite_alone(&bodies.base, &bodies.thousandth) {
        table.add(peer, case, &runs, None);
    }
    match peers::postgres::measure(employees) {
        Ok(cases) => cases.iter().for_each(|(peer, case, runs)| table.add(peer, case, runs, None)),
        Err(reason) => println!("PostgreSQL is left out: {reason}"),
    }
}

/// How long something took.
pub fn time(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}
