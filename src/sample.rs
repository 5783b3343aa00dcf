//! Rosters of invented people for the demo, the tests and the benches. The same number is always the same person.

use std::io::{self, Write};

/// The profile in `profiles/employees.toml`, by which the invented people are valid.
pub const PROFILE_TOML: &str = include_str!("../profiles/employees.toml");

/// The id of that profile.
pub const PROFILE_ID: &str = "d51b5efd-fb21-4cb8-94e2-145014839465";

const FIRST_NAMES: [&str; 16] = [
    "Anna", "Boris", "Chloé", "David", "Elif", "Fatima", "Georg", "Hélène", "Igor", "Jana", "Karim", "Lucía", "Maja",
    "Nils", "Olga", "Pierre",
];
const LAST_NAMES: [&str; 16] = [
    "Adams", "Bauer", "Čapek", "Dubois", "Eriksen", "Fischer", "García", "Horvat", "Ivanova", "Jansen", "Kowalski",
    "López", "Müller", "Novak", "O'Brien", "Petrov",
];
const DEPARTMENTS: [&str; 8] =
    ["Sales", "Logistics", "Finance", "Support", "Research", "Production", "Legal", "Human Resources"];
const LOCATIONS: [&str; 4] = ["Berlin", "Paris", "Praha", "Kraków"];

/// Writes the employee with this number as an element of a push, some 290 bytes. Another `version` has another department.
pub fn write_employee(out: &mut impl Write, number: u64, version: u32, status: &str) -> io::Result<()> {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pick = |list: &[&'static str], shift: u32| list[(mixed >> shift & 0xff) as usize % list.len()];
    let (first, last) = (pick(&FIRST_NAMES, 60), pick(&LAST_NAMES, 56));
    let department = DEPARTMENTS[((mixed >> 40) as usize + version as usize) % DEPARTMENTS.len()];
    let (year, month, day) = (1960 + (mixed >> 20) % 45, 1 + (mixed >> 12) % 12, 1 + (mixed >> 4) % 28);
    write!(out, r#"{{"id":"{number:07}","status":"{status}","data":[{{"name":"First Name","value":"{first}"}},"#)?;
    write!(out, r#"{{"name":"Last Name","value":"{last}"}},{{"name":"Email","value":"p{number}@example.com"}},"#)?;
    write!(out, r#"{{"name":"Birth Date","value":"{year}-{month:02}-{day:02}"}},"#)?;
    write!(out, r#"{{"name":"Department","value":"{department}"}},"#)?;
    write!(out, r#"{{"name":"Location","value":"{}"}}]}}"#, pick(&LOCATIONS, 32))
}

/// Writes a push of the employees with these numbers, each in the version and with the status that `state` returns for it.
pub fn write_body(
    out: &mut impl Write,
    numbers: impl Iterator<Item = u64>,
    state: impl Fn(u64) -> (u32, &'static str),
) -> io::Result<()> {
    write!(out, r#"{{"profileId":"{PROFILE_ID}","employees":["#)?;
    for (place, number) in numbers.enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        let (version, status) = state(number);
        write_employee(out, number, version, status)?;
    }
    out.write_all(b"]}")
}
