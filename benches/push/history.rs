//! What history costs: the file of an account after many nights of few changes, and the life of an employee who changed in each of them.

use crate::Runs;
use crate::service::Rollcall;
use rollcall::sample::write_body;
use std::time::Duration;

/// How many nights are pushed.
const NIGHTS: u32 = 400;

/// The rate of a real register: of half a million people 306 changed in a week.
const CHANGES_A_WEEK: u64 = 306;
const OF_PEOPLE: u64 = 500_000;

/// Pushes the nights of a roster of so many employees, and prints what they cost.
pub fn measure(employees: u64) {
    let mut rollcall = Rollcall::start();
    let mut versions = vec![0_u32; employees as usize];
    let body = |versions: &[u32]| {
        let mut body = Vec::new();
        write_body(&mut body, 0..employees, |number| (versions[number as usize], "active")).unwrap();
        body
    };
    rollcall.push(&body(&versions), [employees, 0, 0, 0, 0]);
    let unchanged = |rollcall: &Rollcall, versions: &[u32]| -> Runs {
        let body = body(versions);
        (0..15).map(|_| rollcall.push(&body, [0, 0, 0, 0, employees])).collect()
    };
    // Both times the server has just started, so that the memory is equally fresh.
    let bytes_first = rollcall.bytes_at_rest();
    let before = unchanged(&rollcall, &versions);
    rollcall.push(&body(&versions), [0, 0, 0, 0, employees]);
    let bytes_unchanged = rollcall.bytes_at_rest();
    let changes = (employees * CHANGES_A_WEEK).div_ceil(7 * OF_PEOPLE);
    for night in 1..=NIGHTS {
        // The first employee changes each night, the others in turn.
        for change in 0..changes {
            let number =
                if change == 0 { 0 } else { 1 + (u64::from(night) * 7_919 + change * 10_007) % (employees - 1) };
            versions[number as usize] += 1;
        }
        rollcall.push(&body(&versions), [0, changes, 0, 0, employees - changes]);
    }
    let bytes_last = rollcall.bytes_at_rest();
    let after = unchanged(&rollcall, &versions);
    let life: Runs = (0..15).map(|_| rollcall.get("/v1/employees/0000000/history?limit=1000")).collect();
    let nights = u64::from(NIGHTS);
    let grown = bytes_last - bytes_unchanged;
    println!("\nhistory: {employees} employees, {NIGHTS} nights of {changes} changes (the rate of a real register)");
    println!("  file after the first load     {:>12} bytes, {} an employee", bytes_first, bytes_first / employees);
    println!("  a night that changes nobody   {:>12} bytes", bytes_unchanged.saturating_sub(bytes_first));
    println!(
        "  a night with {changes:>3} changes       {:>12} bytes, {} a change",
        grown / nights,
        grown / nights / changes
    );
    println!(
        "  {NIGHTS} nights                    {:>12} bytes, {:.1} % of the file",
        grown,
        100.0 * grown as f64 / bytes_last as f64
    );
    println!("  unchanged push before them    {:>12.2?}", median(before));
    println!("  unchanged push after them     {:>12.2?}", median(after));
    let life = median(life);
    println!(
        "  a life of {NIGHTS} nights          {life:>12.2?} (goal 10 ms: {})",
        if life <= Duration::from_millis(10) { "met" } else { "missed" }
    );
}

fn median(mut runs: Runs) -> Duration {
    runs.sort_unstable();
    runs[runs.len() / 2]
}
