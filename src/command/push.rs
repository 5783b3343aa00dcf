//! `rollcall push`

use super::refused::{print, refused};
use super::{Failed, complain, out, push_plan, setting};
use crate::client::{
    self, Answer, AnswerCounts, AnswerRejected, Body, Columns, InputError, Patience, Progress, PushError, RemotePlan,
    Signing, Target,
};
use crate::config::{AbsentAre, ColumnsOf, Config, PushConfig, Sign};
use crate::roster::Absent;
use crate::signature::parse_date;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Push a file to a server
///
/// A CSV or a workbook has a column `id`, optionally a column `status` (without it everybody is active), and a column for each
/// field, named as in the profile; a CSV may also be one of LMS Collaborator's. The file is read once and need not fit into memory.
///
/// The push is sent compressed, and says how many employees it carries and which digest its body has. If another push is under way, the
/// server is busy or the connection breaks, it is sent again: the server applies it once. Messages say whether nothing was sent, or whether the push may have been applied.
///
/// ALL_PROXY, HTTPS_PROXY or HTTP_PROXY names a proxy; NO_PROXY exempts hosts from it.
///
/// Exit codes: 0 if the push was applied, or its plan shown; 1 if the server or the data refused it, there is no answer, or the counts could not be
/// written; 2 if the command line or the configuration is wrong; 3 if a guard stopped the push, so that somebody has to look at it; 4 if the push
/// left out employees because of --lenient.
#[derive(Args)]
pub struct Push {
    /// A StartExam body (.json), a CSV (.csv) or an Excel workbook (.xlsx), plain or compressed (.gz, .zst); - is the standard input
    file: PathBuf,
    /// The server, like http://127.0.0.1:8080
    #[arg(long, env = "ROLLCALL_URL")]
    url: Option<String>,
    /// The account to push for
    #[arg(long, env = "ROLLCALL_ACCOUNT", value_name = "ID")]
    account: Option<i64>,
    /// The profile that the employees of a CSV or a workbook are checked by; a StartExam body names its own, which must be the same
    #[arg(long, env = "ROLLCALL_PROFILE", value_name = "GUID")]
    profile: Option<String>,
    /// The environment variable that holds the account's secret [default: ROLLCALL_SECRET]
    #[arg(long, env = "ROLLCALL_SECRET_ENV", value_name = "VARIABLE")]
    secret_env: Option<String>,
    /// What a column with another heading means, like 'Emp No=id'; can be given several times
    #[arg(long, env = "ROLLCALL_MAP", value_name = "HEADING=NAME", value_parser = mapping)]
    map: Vec<(String, String)>,
    /// Whose columns a CSV has, if its headings do not show that; LMS Collaborator's are known by their position
    #[arg(long, env = "ROLLCALL_COLUMNS", value_enum)]
    columns: Option<ColumnsOf>,
    /// Empty the fields of the profile that LMS Collaborator's CSV has no column for; otherwise such a CSV is refused
    #[arg(long, env = "ROLLCALL_EMPTY_MISSING", value_parser = FalseyValueParser::new())]
    empty_missing: bool,
    /// The sheet of a workbook to push [default: all visible ones]
    #[arg(long, env = "ROLLCALL_SHEET", value_name = "NAME")]
    sheet: Option<String>,
    /// When the list was made, like 2026-01-31T06:00:00Z. A list that is older than the last one applied is refused
    #[arg(long, env = "ROLLCALL_AS_OF", value_name = "TIME", value_parser = time)]
    as_of: Option<Timestamp>,
    /// What becomes of employees whom the file does not have: they are hidden, or stay as they are stored [default: what the profile says,
    /// else keep]
    #[arg(long, env = "ROLLCALL_ABSENT", value_name = "WHAT", value_enum)]
    absent: Option<AbsentAre>,
    /// Let a file without employees hide everybody, if it hides the absent; otherwise it hides nobody
    #[arg(long, env = "ROLLCALL_EMPTY", value_name = "WHAT", value_enum)]
    empty: Option<Empty>,
    /// Apply the push without the employees that the server rejects; they stay as they are stored
    #[arg(long, env = "ROLLCALL_LENIENT", value_parser = FalseyValueParser::new())]
    lenient: bool,
    /// Where to write the rejected employees, as the input is written (a workbook as CSV) and with what is wrong with each, to be corrected
    /// and pushed again. The file is replaced by each push that is applied
    #[arg(long, env = "ROLLCALL_REJECTS", value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// How requests are signed [default: shared-key]
    #[arg(long, env = "ROLLCALL_SIGN", value_name = "HOW", value_enum)]
    sign: Option<Sign>,
    /// How long to wait for the answer once the push has been sent, from 1 to 86400 [default: 300]
    #[arg(long, env = "ROLLCALL_TIMEOUT", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(TIMEOUT_SECONDS))]
    timeout: Option<u32>,
    /// How often to send the push again after 502, 503, 504, a broken connection, or 409 because of another push, from 0 to 100. Each time it waits as long
    /// as the server asks for, else 1, 4, 16 and then 60 seconds [default: 3]
    #[arg(long, env = "ROLLCALL_RETRY", value_name = "TIMES", value_parser = clap::value_parser!(u32).range(RETRIES))]
    retry: Option<u32>,
    /// Show what the push would change (+ created, ~ updated, ! hidden, and each field before and after), ask, and apply exactly that.
    /// Without a terminal nothing is applied: the plan waits on the server, for a day. With --json it is shown as JSON, and nobody is asked
    #[arg(long, env = "ROLLCALL_PLAN", value_parser = FalseyValueParser::new())]
    plan: bool,
    /// Print the answer as the server sent it
    #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    /// Print errors only: no progress, no retries, no counts. With --json the answer is still printed
    #[arg(long, short, env = "ROLLCALL_QUIET", value_parser = FalseyValueParser::new())]
    quiet: bool,
}

/// What a file without employees may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Empty {
    /// It may hide everybody.
    Allow,
}

/// What `--timeout` may be.
const TIMEOUT_SECONDS: RangeInclusive<i64> = 1..=86_400;
/// What `--retry` may be.
const RETRIES: RangeInclusive<i64> = 0..=100;

fn time(text: &str) -> Result<Timestamp, String> {
    let time = text.parse().ok().or_else(|| parse_date(text));
    time.ok_or_else(|| "it must be a time with its zone, like 2026-01-31T06:00:00Z".into())
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let (heading, name) = text.rsplit_once('=').ok_or("it must read HEADING=NAME, like 'Emp No=id'")?;
    Ok((heading.to_owned(), name.to_owned()))
}

impl Push {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let (columns_max, row_bytes_max) = (config.limits.columns_max, config.limits.employee_bytes_max);
        let config = config.push;
        let patience = patience(self.timeout, self.retry, &config)?;
        let quiet = self.quiet || config.quiet == Some(true);
        let (mut target, variable) = self.target(&config)?;
        let is_lenient = self.lenient || config.lenient == Some(true);
        let rejects = self.rejects(config.rejects, is_lenient)?;
        let mut map: BTreeMap<String, String> = config.map;
        map.extend(self.map);
        let collaborator = self.columns.or(config.columns) == Some(ColumnsOf::Collaborator);
        let empty_missing = self.empty_missing || config.empty_missing == Some(true);
        let sheet = self.sheet.or(config.sheet);
        let columns = self.profile.or(config.profile).map(|profile| {
            let (target, named) = (target.clone(), profile.clone());
            let fields = move || client::profile_fields(&target, &named, patience.answer);
            let fields = Box::new(move || client::ask(patience, &fields));
            Columns { profile, map, collaborator, empty_missing, sheet, columns_max, row_bytes_max, fields }
        });

        let reading = bar(ProgressBar::new_spinner(), quiet, "{spinner} reading: {human_pos} rows");
        let mut body = Body::read(&self.file, columns.as_ref(), |rows| reading.set_position(rows))
            .map_err(|error| unreadable(&self.file, &error, &target, &variable))?;
        reading.finish_and_clear();
        if let Some(note) = body.note.as_ref().filter(|_| !quiet) {
            complain!("rollcall: {}: {note}", self.file.display());
        }
        body.as_of = self.as_of;
        body.is_lenient = is_lenient;
        body.absent = self.absent.or(config.absent).map(Absent::from);
        body.may_be_empty = self.empty == Some(Empty::Allow);
        target.dry_run = self.plan;
        let started = Instant::now();
        let mut answer = send(&target, &body, patience, quiet)?;
        let json = self.json || config.json == Some(true);
        let rejected = answer.rejected();
        if let Some(plan) = RemotePlan::of(&answer, &target, patience.answer).filter(|_| self.plan) {
            if json {
                push_plan::print_json(&plan)?;
                return report(rejected, &body, rejects.as_deref());
            }
            let changes = push_plan::print(&plan)?;
            if let Some(counts) = answer.counts().filter(|_| !quiet) {
                print_counts(&counts, started.elapsed())?;
            }
            match push_plan::ask(&plan, changes)? {
                Some(applied) => answer = applied,
                None => return report(rejected, &body, rejects.as_deref()),
            }
        } else if self.plan && answer.ok {
            complain!("rollcall: the server is of a version without plans, and has applied the push");
        }
        let counts = answer.counts();
        if json {
            let printed = out!("{}", answer.text);
            printed
                .map_err(|failed| if counts.is_some() { failed.after("the push was applied, but") } else { failed })?;
        }
        let Some(counts) = counts else {
            return Err(explained(&answer, &body, &target, &variable));
        };
        if !json && !quiet {
            print_counts(&counts, started.elapsed()).map_err(|failed| failed.after("the push was applied, but"))?;
        }
        if !quiet {
            note_earlier_attempts(&answer);
        }
        if counts == AnswerCounts::default() && rejected.is_none() {
            complain!("rollcall: the file has no employees");
        }
        report(rejected, &body, rejects.as_deref())
    }

    /// Returns where rejected employees are written, which only a lenient push has.
    fn rejects(&self, configured: Option<PathBuf>, is_lenient: bool) -> Result<Option<PathBuf>, Failed> {
        if self.rejects.is_some() && !is_lenient {
            let message = "--rejects is for --lenient: without it a push with a rejected employee is refused";
            return Err(Failed::Usage(message.into()));
        }
        Ok(self.rejects.clone().or(configured).filter(|_| is_lenient))
    }

    /// Returns where to push, and the environment variable that has the secret.
    fn target(&self, config: &PushConfig) -> Result<(Target, String), Failed> {
        let needed = |what: &str| Failed::Usage(format!("{what} is missing; see rollcall push --help"));
        let url = self.url.clone().or(config.url.clone()).ok_or_else(|| needed("--url"))?;
        let account = self.account.or(config.account).ok_or_else(|| needed("--account"))?;
        let variable = setting(self.secret_env.clone(), config.secret_env.clone(), || "ROLLCALL_SECRET".into());
        let secret = std::env::var(&variable).ok().filter(|secret| !secret.is_empty());
        let secret = secret.ok_or_else(|| {
            Failed::Usage(format!("the account's secret is missing; put it into the environment variable {variable}"))
        })?;
        if secret.trim() != secret {
            return Err(Failed::Usage(format!(
                "the secret in {variable} begins or ends with white space or a line end; remove it from the variable"
            )));
        }
        let mut target = Target::new(&url, account, &secret).map_err(|error| Failed::Usage(error.to_string()))?;
        target.signing = match self.sign.or(config.sign) {
            None | Some(Sign::SharedKey) => Signing::SharedKey,
            Some(Sign::Rfc9421) => Signing::Rfc9421,
        };
        Ok((target, variable))
    }
}

/// Reports the employees that a push leaves out, and writes them to a file.
fn report(rejected: Option<AnswerRejected>, body: &Body, rejects: Option<&Path>) -> Result<(), Failed> {
    let some = rejected.unwrap_or_default();
    print(&some.errors, &some.causes, body);
    let mut written = String::new();
    if let Some(file) = rejects {
        let write = || client::write_rejects(body, &some, BufWriter::new(File::create(file)?));
        let employees = write().map_err(|error| {
            Failed::Refused(format!(
                "the push was carried out, but the rejected employees cannot be written to {}: {error}",
                file.display()
            ))
        })?;
        written = match some.employees - employees.min(some.employees) {
            0 => format!("; {} has them", file.display()),
            more => format!(
                "; {employees} of them are in {}, and the server does not list the other {more}: correct these and push the whole list again",
                file.display()
            ),
        };
    }
    match some.employees {
        0 => Ok(()),
        1 => Err(Failed::Rejected(format!("the push leaves out 1 employee, see above{written}"))),
        many => Err(Failed::Rejected(format!("the push leaves out {many} employees, see above{written}"))),
    }
}

/// Explains why a file cannot be pushed.
fn unreadable(file: &Path, error: &InputError, target: &Target, variable: &str) -> Failed {
    let message = match error {
        // These errors say themselves that nothing was sent.
        InputError::Server(error) => match &**error {
            PushError::NoProfile { url, message, answer } => match client::advice(answer, target, variable) {
                Some(advice) if client::is_replaced(answer) => {
                    format!("{url}: the server answered {}; {advice}; nothing was sent", answer.status)
                }
                Some(advice) => {
                    format!("{url}: the server answered {}: {message}; {advice}; nothing was sent", answer.status)
                }
                None => error.to_string(),
            },
            error => error.to_string(),
        },
        _ => format!("{error}; nothing was sent"),
    };
    Failed::Refused(format!("{}: {message}", file.display()))
}

/// Returns what was typed, or else what the configuration says, or else the default.
fn patience(timeout: Option<u32>, retry: Option<u32>, config: &PushConfig) -> Result<Patience, Failed> {
    for (name, value, range) in
        [("timeout_seconds", config.timeout_seconds, TIMEOUT_SECONDS), ("retry", config.retry, RETRIES)]
    {
        if let Some(value) = value.filter(|value| !range.contains(&i64::from(*value))) {
            let (least, most) = (range.start(), range.end());
            return Err(Failed::Usage(format!(
                "[push] {name} is {value} in the configuration; it must be from {least} to {most}"
            )));
        }
    }
    let default = Patience::default();
    let seconds = timeout.or(config.timeout_seconds).map(|seconds| Duration::from_secs(seconds.into()));
    let retries = retry.or(config.retry).unwrap_or(default.retries);
    Ok(Patience { answer: seconds.unwrap_or(default.answer), retries })
}

/// Sends a body with a progress bar. `quiet` hides the bar and the messages about retries.
pub fn send(target: &Target, body: &Body, patience: Patience, quiet: bool) -> Result<Answer, Failed> {
    let template = "sending: {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let sending = bar(ProgressBar::new(0), quiet, template);
    let answer = client::push(target, body, patience, |progress| match progress {
        Progress::Sent { bytes, length } => {
            sending.set_length(length);
            sending.set_position(bytes);
        }
        Progress::Retry { why, wait, retry } if !quiet => sending.suspend(|| {
            let (seconds, retries) = (wait.as_secs(), patience.retries);
            complain!("rollcall: {why}; trying again in {seconds} s ({retry} of {retries})");
        }),
        Progress::Retry { .. } => {}
    });
    sending.finish_and_clear();
    let answer = answer.map_err(Failed::refused)?;
    // A plan lists its suspects itself.
    if !quiet && !target.dry_run {
        print_suspects(&answer, target.account());
    }
    Ok(answer)
}

fn bar(bar: ProgressBar, quiet: bool, template: &str) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    bar.with_style(ProgressStyle::with_template(template).expect("the template is right"))
}

fn print_counts(counts: &AnswerCounts, duration: Duration) -> Result<(), Failed> {
    for (name, count) in [
        ("created", counts.employees_created),
        ("updated", counts.employees_data_updated),
        ("activated", counts.employees_status_changed_to_active),
        ("hidden", counts.employees_status_changed_to_hidden),
        ("unchanged", counts.employees_not_changed),
    ] {
        out!("{name:<9}  {count:>10}")?;
    }
    out!("{:<9}  {:>10.2} s", "time", duration.as_secs_f64())
}

/// Says how many suspects of each kind a push has that was applied or held, and where they are listed.
fn print_suspects(answer: &Answer, account: i64) {
    for (kind, count) in &answer.suspects {
        let what = match &**kind {
            "same-person" => "somebody who is missing and somebody new may be one person",
            "flapping" => "somebody's status changes often",
            "empty-share" => "a field is empty more or less often",
            "moved-value" => "a unique value went to somebody else",
            _ => continue,
        };
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        complain!("suspect: {kind}, {times}: {what}");
    }
    let listed = match (answer.plan(), answer.revision) {
        (Some(plan), _) => format!("GET /v1/plans/{plan} or `rollcall plan show {account} {plan}`"),
        (None, Some(revision)) => format!("GET /v1/syncs/{revision} or `rollcall show {account} {revision}`"),
        (None, None) => return,
    };
    if !answer.suspects.is_empty() {
        complain!("suspects are listed by {listed}");
    }
}

/// Says what the counts are of if the push was sent more than once.
fn note_earlier_attempts(answer: &Answer) {
    if answer.is_repeated {
        complain!("rollcall: an earlier attempt was applied; the counts are its counts");
    } else if answer.sent_before {
        complain!("rollcall: an earlier attempt may have been applied; the counts are those of the last one");
    }
}

/// Explains why a push was refused, with what the client knows about it and the server does not.
fn explained(answer: &Answer, body: &Body, target: &Target, variable: &str) -> Failed {
    let message = match refused(answer, body) {
        _ if client::is_replaced(answer) => format!("the server answered {}", answer.status),
        Failed::Held(message) => return Failed::Held(format!("{message}{}", client::tried(answer.tries))),
        Failed::Usage(message) | Failed::Refused(message) | Failed::Rejected(message) => message,
        Failed::Unread => return Failed::Unread,
    };
    let advice = client::advice(answer, target, variable).map(|advice| format!("; {advice}")).unwrap_or_default();
    Failed::Refused(format!("{message}{advice}{}", client::tried(answer.tries)))
}
