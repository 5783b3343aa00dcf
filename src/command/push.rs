//! `rollcall push`

use super::refused::refused;
use super::{Failed, setting};
use crate::client::{self, Answer, AnswerCounts, Body, Columns, Target};
use crate::config::{ColumnsOf, Config};
use clap::Args;
use clap::builder::FalseyValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Push a file to a server
///
/// A CSV or a workbook has a column `id`, optionally `status` (without it everybody is active), and a column for each field, called
/// as the profile calls it; or a CSV is one of LMS Collaborator's. It is read once, and need not fit into memory.
#[derive(Args)]
pub struct Push {
    /// A StartExam body (.json), a CSV (.csv) or a workbook (.xlsx), plain or compressed (.gz, .zst); - is the standard input
    file: PathBuf,
    /// The server, like http://127.0.0.1:8080
    #[arg(long, env = "ROLLCALL_URL")]
    url: Option<String>,
    /// The account to push for
    #[arg(long, env = "ROLLCALL_ACCOUNT", value_name = "ID")]
    account: Option<i64>,
    /// The profile to check a CSV or a workbook by; a StartExam body names its own
    #[arg(long, env = "ROLLCALL_PROFILE", value_name = "GUID")]
    profile: Option<String>,
    /// The environment variable that holds the account's secret [default: ROLLCALL_SECRET]
    #[arg(long, env = "ROLLCALL_SECRET_ENV", value_name = "VARIABLE")]
    secret_env: Option<String>,
    /// A column with another heading, like 'Emp No=id'; may be given several times
    #[arg(long, env = "ROLLCALL_MAP", value_name = "HEADING=NAME", value_parser = mapping)]
    map: Vec<(String, String)>,
    /// Whose columns a CSV has, if its headings do not show it: LMS Collaborator's are known by their position
    #[arg(long, env = "ROLLCALL_COLUMNS", value_enum)]
    columns: Option<ColumnsOf>,
    /// The sheet of a workbook to push [default: all]
    #[arg(long, env = "ROLLCALL_SHEET", value_name = "NAME")]
    sheet: Option<String>,
    /// Print the answer as the server sent it
    #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let (heading, name) = text.rsplit_once('=').ok_or("it must read HEADING=NAME, like 'Emp No=id'")?;
    Ok((heading.to_owned(), name.to_owned()))
}

impl Push {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let (columns_max, row_bytes_max) = (config.limits.columns_max, config.limits.employee_bytes_max);
        let needed = |what: &str| Failed::Usage(format!("{what} is missing; see rollcall push --help"));
        let config = config.push;
        let url = self.url.or(config.url).ok_or_else(|| needed("--url"))?;
        let account = self.account.or(config.account).ok_or_else(|| needed("--account"))?;
        let variable = setting(self.secret_env, config.secret_env, || "ROLLCALL_SECRET".into());
        let secret = std::env::var(&variable).ok().filter(|secret| !secret.is_empty());
        let secret = secret.ok_or_else(|| {
            Failed::Usage(format!("the account's secret is missing; put it into the environment variable {variable}"))
        })?;
        let target = Target::new(&url, account, &secret).map_err(|error| Failed::Usage(error.to_string()))?;
        let mut map: BTreeMap<String, String> = config.map;
        map.extend(self.map);
        let collaborator = self.columns.or(config.columns) == Some(ColumnsOf::Collaborator);
        let sheet = self.sheet.or(config.sheet);
        let columns = self.profile.or(config.profile).map(|profile| {
            let (target, named) = (target.clone(), profile.clone());
            let fields = Box::new(move || client::profile_fields(&target, &named));
            Columns { profile, map, collaborator, sheet, columns_max, row_bytes_max, fields }
        });

        let reading = ProgressBar::new_spinner().with_style(style("{spinner} reading: {human_pos} rows"));
        let body = Body::read(&self.file, columns.as_ref(), |rows| reading.set_position(rows))
            .map_err(|error| Failed::Refused(format!("{}: {error}; nothing was sent", self.file.display())))?;
        reading.finish_and_clear();
        if let Some(note) = &body.note {
            eprintln!("rollcall: {}: {note}", self.file.display());
        }
        let started = Instant::now();
        let answer = send(&target, &body)?;
        let json = self.json || config.json == Some(true);
        if json {
            println!("{}", answer.text);
        }
        match serde_json::from_str::<AnswerCounts>(&answer.text) {
            Ok(counts) if answer.ok => {
                if !json {
                    print_counts(&counts, started.elapsed());
                }
                if counts == AnswerCounts::default() {
                    eprintln!("rollcall: the file has no employees");
                }
                Ok(())
            }
            _ => Err(refused(&answer, &body)),
        }
    }
}

/// Sends a body with a progress bar.
pub fn send(target: &Target, body: &Body) -> Result<Answer, Failed> {
    let sending = ProgressBar::new(body.length)
        .with_style(style("sending: {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"));
    let answer = client::push(target, body, |bytes| sending.inc(bytes)).map_err(Failed::refused);
    sending.finish_and_clear();
    answer
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is right")
}

fn print_counts(counts: &AnswerCounts, duration: Duration) {
    for (name, count) in [
        ("created", counts.employees_created),
        ("updated", counts.employees_data_updated),
        ("activated", counts.employees_status_changed_to_active),
        ("hidden", counts.employees_status_changed_to_hidden),
        ("unchanged", counts.employees_not_changed),
    ] {
        println!("{name:<9}  {count:>10}");
    }
    println!("{:<9}  {:>10.2} s", "time", duration.as_secs_f64());
}
