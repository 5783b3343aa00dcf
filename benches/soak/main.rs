//! Hostile clients against a real server, all at once, with a good push each second from an account that has nothing to do with them:
//! `cargo bench --bench soak [-- SECONDS [EMPLOYEES]]`.
//!
//! Says how long the good pushes took and how much memory the server had, then and a minute later; fails if a good push was not
//! answered 200 within a second, or the memory was not within 300 MB, and 60 MB a minute later.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench stops at a failure, prints, and counts in numbers that fit"
)]

mod attacks;
mod target;

use rollcall::sample::{PROFILE_ID, write_body};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};
use target::{GOOD, Target, VICTIM};

const MEMORY_MB_MAX: u64 = 300;
const MEMORY_AFTERWARDS_MB_MAX: u64 = 60;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench").map(|arg| arg.parse().expect("a number"));
    let seconds = args.next().unwrap_or(60);
    let employees = args.next().unwrap_or(100_000);
    // The attackers hold thousands of connections.
    rollcall::server::raise_file_limit(&rollcall::limits::Limits::default());
    let target = Arc::new(Target::start());
    let mut large = Vec::new();
    write_body(&mut large, 0..employees, |_| (0, "active")).unwrap();
    assert_eq!(target.push(VICTIM, &large).0, 200, "the roster that is read");
    drop(large);
    let mut good = Vec::new();
    write_body(&mut good, 0..1_000, |_| (0, "active")).unwrap();
    assert_eq!(target.push(GOOD, &good).0, 200);
    println!("{employees} employees, profile {PROFILE_ID}, {seconds} seconds of attacks");

    let (mut took, mut bad, mut peak) = (Vec::new(), Vec::new(), 0);
    scope(|threads| {
        for (name, attack) in attacks::ALL {
            let target = target.clone();
            let named = std::thread::Builder::new().name(name.into());
            named
                .spawn_scoped(threads, move || {
                    while !target.stop.load(Ordering::Relaxed) {
                        attack(&target);
                    }
                })
                .unwrap();
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(seconds) {
            let pushed = Instant::now();
            let (status, text) = target.push(GOOD, &good);
            let duration = pushed.elapsed();
            if status != 200 || duration > Duration::from_secs(1) {
                bad.push(format!("after {:.0} s: {status} in {duration:?} {text}", started.elapsed().as_secs_f64()));
            }
            took.push(duration);
            peak = peak.max(target.memory_mb("VmRSS"));
            sleep(Duration::from_secs(1).saturating_sub(pushed.elapsed()));
        }
        target.stop.store(true, Ordering::Relaxed);
    });
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("{} good pushes: median {:?}, 99 % within {:?}, all within {:?}", took.len(), at(0.5), at(0.99), at(1.0));
    bad.iter().for_each(|bad| println!("  {bad}"));
    for (name, (done, refused)) in target.tally() {
        println!("  {name:<28}{done:>9} done {refused:>9} refused or cut");
    }
    println!("memory: peak {} MB", target.memory_mb("VmHWM").max(peak));
    sleep(Duration::from_secs(60));
    let afterwards = target.memory_mb("VmRSS");
    println!("memory a minute later: {afterwards} MB");
    let held = target.memory_mb("VmHWM") <= MEMORY_MB_MAX && afterwards <= MEMORY_AFTERWARDS_MB_MAX;
    if !bad.is_empty() || !held {
        println!("missed");
        drop(target);
        std::process::exit(1);
    }
    println!("met");
}
