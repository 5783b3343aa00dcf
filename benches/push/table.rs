//! The table of what was measured, and the goals.

use crate::Runs;
use serde_json::{Value, json};

/// What was measured so far.
#[derive(Default)]
pub struct Table {
    employees: u64,
    bytes: usize,
    floor: f64,
    least_floor: f64,
    rows: Vec<Row>,
}

struct Row {
    employees: u64,
    who: String,
    case: String,
    seconds: f64,
    floors: f64,
    /// The least that it took in floors, which other work on the machine changes least.
    least_floors: f64,
    memory: Option<u64>,
}

impl Table {
    /// The next measurements are of a body with so many employees and bytes.
    pub fn begin(&mut self, employees: u64, bytes: usize) {
        (self.employees, self.bytes) = (employees, bytes);
        println!("\n{employees} employees, {:.1} MB\n", bytes as f64 / 1e6);
        println!(
            "{:<14}{:<17}{:>9}{:>9}{:>9}{:>9}{:>9}{:>12}{:>10}",
            "", "case", "seconds", "least", "most", "÷ floor", "MB/s", "employees/s", "peak MiB"
        );
    }

    /// What receiving the body and throwing it away took.
    pub fn floor(&mut self, runs: &Runs) {
        self.floor = median(runs);
        self.least_floor = least(runs);
        self.add("floor", "receive", runs, None);
    }

    /// What a case took, and the most memory that the server had, in bytes.
    pub fn add(&mut self, who: &str, case: &str, runs: &Runs, memory: Option<u64>) {
        let seconds = median(runs);
        let all = || runs.iter().map(std::time::Duration::as_secs_f64);
        let floors = seconds / self.floor;
        println!(
            "{who:<14}{case:<17}{seconds:>9.3}{:>9.3}{:>9.3}{floors:>9.2}{:>9.0}{:>12.0}{:>10}",
            least(runs),
            all().fold(0.0, f64::max),
            self.bytes as f64 / 1e6 / seconds,
            self.employees as f64 / seconds,
            memory.map_or_else(|| "-".into(), |bytes| format!("{:.0}", bytes as f64 / f64::from(1 << 20))),
        );
        let (who, case, least_floors) = (who.to_owned(), case.to_owned(), least(runs) / self.least_floor);
        self.rows.push(Row { employees: self.employees, who, case, seconds, floors, least_floors, memory });
    }

    fn row(&self, employees: u64, who: &str, case: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.employees == employees && row.who == who && row.case == case)
    }

    fn ours(&self, employees: u64, case: &str) -> Option<&Row> {
        self.row(employees, "rollcall", case)
    }

    /// Says of each goal whether it was met; the goals are those of a million employees.
    pub fn print_goals(&self) {
        println!("\ngoals, of a million employees");
        let million = 1_000_000;
        for (case, most) in [
            ("unchanged", 1.1),
            ("shuffled", 2.0),
            ("0.1 % changed", 1.3),
            ("1 % changed", 2.0),
            ("cold start", 2.5),
            ("unchanged, zstd", 4.0),
        ] {
            let floors = self.ours(million, case).map(|row| row.least_floors);
            print_goal(&format!("{case} ÷ floor, least of each"), floors, most, true);
        }
        let ratio = |over: Option<&Row>, under: Option<&Row>| Some(over?.seconds / under?.seconds);
        let first = ratio(self.ours(million, "first load"), self.row(million, "insert floor", "first load"));
        print_goal("first load ÷ insert floor", first, 1.25, true);
        let least = |case| self.ours(million, case).map(|row| row.least_floors);
        let dry_run = least("dry run of 0.1 %").zip(least("0.1 % changed")).map(|(dry_run, push)| dry_run / push);
        print_goal("dry run ÷ push, 0.1 % changed, least of each", dry_run, 1.1, true);
        let textbook = ratio(self.row(million, "textbook", "unchanged"), self.ours(million, "unchanged"));
        print_goal("textbook ÷ ours, unchanged", textbook, 30.0, false);
        for case in ["unchanged", "0.1 % changed"] {
            let peers = self.rows.iter().filter(|row| {
                row.employees == million
                    && row.case == case
                    && !["rollcall", "floor", "textbook"].contains(&row.who.as_str())
            });
            let best = peers.min_by(|a, b| a.seconds.total_cmp(&b.seconds));
            print_goal(&format!("best other peer ÷ ours, {case}"), ratio(best, self.ours(million, case)), 20.0, false);
        }
        let memory = self.rows.iter().filter(|row| row.employees == million).filter_map(|row| row.memory).max();
        let memory = memory.map(|bytes| bytes as f64 / f64::from(1 << 20));
        print_goal("peak memory, MiB", memory, (1e8 + f64::from(64 << 20)) / f64::from(1 << 20), true);
        let sizes = self.rows.iter().map(|row| row.employees);
        if let (Some(least), Some(most)) = (sizes.clone().min(), sizes.max())
            && least < most
        {
            let each = |size: u64| self.ours(size, "unchanged").map(|row| row.seconds / size as f64);
            let growth = each(most).zip(each(least)).map(|(most, least)| most / least);
            print_goal(&format!("cost of an employee, {least} to {most}"), growth, 1.1, true);
        }
    }

    /// Writes everything to `target/push.json`.
    pub fn write_json(&self) {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "employees": row.employees, "who": row.who, "case": row.case, "seconds": row.seconds,
                    "floors": row.floors, "leastFloors": row.least_floors, "peakMemoryBytes": row.memory,
                })
            })
            .collect();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/target/push.json");
        std::fs::write(file, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
    }
}

fn print_goal(name: &str, measured: Option<f64>, goal: f64, at_most: bool) {
    let Some(measured) = measured else {
        return;
    };
    let met = if at_most { measured <= goal } else { measured >= goal };
    let sign = if at_most { "≤" } else { "≥" };
    println!("{name:<38}{measured:>9.2}  {sign} {goal:<7.2}{}", if met { "met" } else { "missed" });
}

fn least(runs: &Runs) -> f64 {
    runs.iter().map(std::time::Duration::as_secs_f64).fold(f64::INFINITY, f64::min)
}

fn median(runs: &Runs) -> f64 {
    let mut seconds: Vec<f64> = runs.iter().map(std::time::Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    match seconds.len() % 2 {
        0 => (seconds[middle - 1] + seconds[middle]) / 2.0,
        _ => seconds[middle],
    }
}
