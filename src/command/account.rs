//! `rollcall account`

use super::ends::{self, End};
use super::folder::{IfMissing, StoreFolder};
use super::key::dialect;
use super::{Failed, adopt, check, complain, out};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::roster::{Absent, Guard, GuardSetting};
use crate::schedule::Schedule;
use crate::store::{self, AccountSetting, Demand, Replay, Setting, Store, Summary};
use crate::token;
use crate::until::Until;
use clap::builder::{FalseyValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Read as _, Write as _};
use uuid::Uuid;

/// Add, change, list and remove accounts; a running server knows at once
#[derive(Args)]
pub struct Account {
    #[command(flatten)]
    store: StoreFolder,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add an account and print its id and its SharedKey secret, as JSON; the secret is not shown again
    Add {
        /// The id, a positive integer
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        id: i64,
        /// What people call it
        #[arg(long, env = "ROLLCALL_ACCOUNT_NAME", default_value = "")]
        name: String,
        /// With -, read the secret from the standard input. Otherwise it is the value of ROLLCALL_ACCOUNT_SECRET, or 256 random bits.
        /// A secret given here works too, for older scripts, but everybody can see it in the list of processes
        #[arg(long, value_name = "-")]
        secret: Option<String>,
        /// When it ends: a day, which counts until its end in UTC, or a time (2027-01-31T18:00:00Z)
        #[arg(long, env = "ROLLCALL_UNTIL", value_name = "DATE", value_parser = Until::parse)]
        until: Option<Until>,
    },
    /// Change when an account ends, what its pushes must have, when they are expected, how replayed signatures are met, or how long its
    /// history is kept
    Set {
        /// The account
        id: i64,
        /// When it ends: a day, which counts until its end in UTC, a time (2027-01-31T18:00:00Z), or never. From then on its requests
        /// are refused
        #[arg(long, env = "ROLLCALL_UNTIL", value_name = "DATE", value_parser = End::parse)]
        until: Option<End>,
        /// What its requests must have, separated by commas: expected (a push of a whole list says how many employees it carries),
        /// digest (such a push has a Content-Digest), rfc9421 (signatures are by RFC 9421); or nothing
        #[arg(long, env = "ROLLCALL_REQUIRE", value_name = "DEMANDS", value_parser = demands)]
        require: Option<Demands>,
        /// Whether a SharedKey signature that comes again with another body is taken: allow or refuse
        #[arg(long, env = "ROLLCALL_REPLAY", value_name = "WHAT", value_parser = replay())]
        replay: Option<Replay>,
        /// What stops a push: a guard (hide, activate, update, empty, unique, garble, swap, create, value, reject) and off, default, or what passes, like
        /// hide=percent:10,people:50; can be given several times
        #[arg(long = "guard", env = "ROLLCALL_GUARD", value_name = "GUARD=WHAT", value_parser = guard)]
        guards: Vec<SetGuard>,
        /// How many days its history is kept: what employees were, and what was pushed; or default, for history_days of the server's
        /// configuration. A running server removes what is older within the hour
        #[arg(long, env = "ROLLCALL_HISTORY_DAYS", value_name = "DAYS", value_parser = history_days)]
        history_days: Option<HistoryDays>,
        /// When its pushes are expected, like "every 24h grace 2h" or "nightly 02:30 Europe/Berlin grace 3h"; or none. If one is late, a
        /// running server raises an alarm: in the log, the metrics, on the page and to webhooks
        #[arg(long, env = "ROLLCALL_SCHEDULE", value_name = "SCHEDULE", value_parser = schedule)]
        schedule: Option<SetSchedule>,
    },
    /// List the accounts, and which have ended or end within three days
    List {
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    Adopt(adopt::Adopt),
    Check(check::Check),
    /// Say which profile a dialect of an account uses; without, it is the account's only one
    Profile {
        /// The account
        id: i64,
        /// springest, collaborator or echospan; startexam names the profile in each push
        #[arg(value_parser = dialect)]
        dialect: Dialect,
        /// The profile's GUID
        profile: Uuid,
    },
    /// Say what becomes of employees whom a Collaborator CSV does not carry: hide (as a whole list has it) or stay (lists come in parts)
    Absent {
        /// The account
        id: i64,
        /// hide or stay
        #[arg(value_parser = absent())]
        absent: Absent,
    },
    /// Remove an account: its key, its employees, its file
    Remove {
        /// The id
        id: i64,
        /// Do not ask
        #[arg(long, env = "ROLLCALL_YES", value_parser = FalseyValueParser::new())]
        yes: bool,
    },
}

/// What `--require` takes.
#[derive(Debug, Clone)]
struct Demands(BTreeSet<Demand>);

fn demands(text: &str) -> Result<Demands, String> {
    if text == "nothing" {
        return Ok(Demands(BTreeSet::new()));
    }
    let demands = text.split(',').map(|name| Demand::parse(name.trim()));
    let names = || format!("there are {}, and nothing", Demand::ALL.map(Demand::name).join(", "));
    demands.collect::<Option<_>>().map(Demands).ok_or_else(names)
}

/// What `--guard` takes.
#[derive(Debug, Clone, Copy)]
struct SetGuard {
    guard: Guard,
    setting: GuardSetting,
}

fn guard(text: &str) -> Result<SetGuard, String> {
    let names = || format!("write GUARD=WHAT; the guards are {}", Guard::ALL.map(Guard::name).join(", "));
    let (name, what) = text.split_once('=').ok_or_else(names)?;
    let guard = Guard::parse(name.trim()).ok_or_else(names)?;
    Ok(SetGuard { guard, setting: GuardSetting::parse(guard, what.trim())? })
}

/// What `--history-days` takes.
#[derive(Debug, Clone, Copy)]
struct HistoryDays(Option<u32>);

/// The most days that a history is kept, a hundred years.
const HISTORY_DAYS_MAX: u32 = 36_500;

fn history_days(text: &str) -> Result<HistoryDays, String> {
    if text == "default" {
        return Ok(HistoryDays(None));
    }
    let days = text.parse().ok().filter(|days| (1..=HISTORY_DAYS_MAX).contains(days));
    days.map(|days| HistoryDays(Some(days))).ok_or_else(|| format!("a number from 1 to {HISTORY_DAYS_MAX}, or default"))
}

/// What `--schedule` takes.
#[derive(Debug, Clone)]
struct SetSchedule(Option<Schedule>);

fn schedule(text: &str) -> Result<SetSchedule, String> {
    match text {
        "none" => Ok(SetSchedule(None)),
        _ => Schedule::parse(text)
            .map(|schedule| SetSchedule(Some(schedule)))
            .map_err(|error| format!("{error}; or none")),
    }
}

fn replay() -> impl TypedValueParser<Value = Replay> {
    let names = PossibleValuesParser::new(Replay::ALL.map(Replay::name));
    names.map(|name| Replay::parse(&name).expect("clap lets only these names through"))
}

fn absent() -> impl TypedValueParser<Value = Absent> {
    let names = PossibleValuesParser::new(["hide", "keep", "stay"]);
    names.map(|name| Absent::parse(&name).expect("clap lets only these names through"))
}

impl Account {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = || self.store.open(&config, IfMissing::Fail);
        match self.action {
            Action::Add { id, name, secret, until } => {
                let (secret, until) = (new_secret(secret)?, ends::to_come(until)?);
                add(&self.store.open(&config, IfMissing::Make)?, id, &name, &secret, until)
            }
            Action::Set {
                id,
                until: None,
                require: None,
                replay: None,
                guards,
                history_days: None,
                schedule: None,
            } if guards.is_empty() => Err(Failed::Usage(format!(
                "say what to set for account {id}: --until, --require, --replay, --guard, --history-days or --schedule"
            ))),
            Action::Set { id, until, require, replay, guards, history_days, schedule } => {
                let store = store()?;
                until.map_or(Ok(()), |End(until)| set_until(&store, id, until))?;
                require.map_or(Ok(()), |Demands(demands)| set_require(&store, id, demands))?;
                replay.map_or(Ok(()), |replay| set_replay(&store, id, replay))?;
                guards.into_iter().try_for_each(|guard| set_guard(&store, id, guard))?;
                history_days.map_or(Ok(()), |days| set_history_days(&store, id, days))?;
                schedule.map_or(Ok(()), |schedule| set_schedule(&store, id, schedule))
            }
            Action::Profile { id, dialect, profile } => {
                store()?.set(id, dialect, Setting::Profile(profile))?;
                out!("account {id}: {} uses profile {profile}", dialect.name())?;
                Ok(())
            }
            Action::Absent { id, absent } => {
                store()?.set(id, Dialect::Collaborator, Setting::Absent(absent))?;
                out!("account {id}: {} who is absent from a CSV", absent.as_str())?;
                Ok(())
            }
            Action::Adopt(adopt) => adopt.run(&store()?),
            Action::Check(check) => check.run(&store()?),
            Action::List { json } => list(&store()?, json),
            Action::Remove { id, yes } => remove(&store()?, id, yes),
        }
    }
}

/// The most bytes of a secret on the standard input.
const SECRET_BYTES_MAX: u64 = 4_096;

/// Returns the secret of a new account: from the standard input, the environment, or random.
fn new_secret(option: Option<String>) -> Result<String, Failed> {
    let secret = match option {
        Some(option) if option == "-" => {
            let mut secret = String::new();
            std::io::stdin().take(SECRET_BYTES_MAX + 1).read_to_string(&mut secret).map_err(Failed::refused)?;
            if secret.len() as u64 > SECRET_BYTES_MAX {
                return Err(Failed::Usage(format!("the secret must not be longer than {SECRET_BYTES_MAX} bytes")));
            }
            let line = secret.strip_suffix('\n').unwrap_or(&secret);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        }
        Some(typed) => {
            complain!(
                "rollcall: a secret on the command line shows in the list of processes; \
                 use --secret - or the environment variable ROLLCALL_ACCOUNT_SECRET"
            );
            typed
        }
        None => match std::env::var("ROLLCALL_ACCOUNT_SECRET") {
            Ok(secret) => secret,
            Err(std::env::VarError::NotPresent) => token::random().map_err(Failed::refused)?,
            Err(_) => return Err(Failed::Usage("ROLLCALL_ACCOUNT_SECRET is not UTF-8".into())),
        },
    };
    if secret.trim().is_empty() || secret.contains('\n') {
        return Err(Failed::Usage("the secret must be one line, and not empty".into()));
    }
    Ok(secret)
}

fn set_until(store: &Store, id: i64, until: Option<Until>) -> Result<(), Failed> {
    store.set_until(id, until)?;
    match until {
        Some(until) => out!("account {id} is valid until {until} (UTC): {}", ends::state(Some(until))),
        None => out!("account {id} has no end"),
    }
}

fn set_require(store: &Store, id: i64, demands: BTreeSet<Demand>) -> Result<(), Failed> {
    let names = names(&demands);
    store.set_account(id, &AccountSetting::Require(demands))?;
    out!("account {id} requires {}", if names.is_empty() { "nothing".into() } else { names.join(", ") })
}

fn set_replay(store: &Store, id: i64, replay: Replay) -> Result<(), Failed> {
    store.set_account(id, &AccountSetting::Replay(replay))?;
    out!(
        "account {id}: a signature that comes again with another body is {}",
        match replay {
            Replay::Allow => "taken",
            Replay::Refuse => "refused",
        }
    )
}

fn set_guard(store: &Store, id: i64, SetGuard { guard, setting }: SetGuard) -> Result<(), Failed> {
    store.set_account(id, &AccountSetting::Guard(guard, setting))?;
    out!("account {id}: the guard {} is set to {setting}", guard.name())
}

fn set_history_days(store: &Store, id: i64, HistoryDays(days): HistoryDays) -> Result<(), Failed> {
    store.set_account(id, &AccountSetting::HistoryDays(days))?;
    match days {
        Some(1) => out!("account {id}: its history is kept for 1 day"),
        Some(days) => out!("account {id}: its history is kept for {days} days"),
        None => out!("account {id}: its history is kept as long as the server's configuration says (history_days)"),
    }
}

fn set_schedule(store: &Store, id: i64, SetSchedule(schedule): SetSchedule) -> Result<(), Failed> {
    store.set_account(id, &AccountSetting::Schedule(schedule.clone()))?;
    match schedule {
        Some(schedule) => out!("account {id}: its pushes are expected {schedule}"),
        None => out!("account {id}: its pushes are not expected by a schedule"),
    }
}

fn names(demands: &BTreeSet<Demand>) -> Vec<&'static str> {
    demands.iter().map(|demand| demand.name()).collect()
}

fn add(store: &Store, id: i64, name: &str, secret: &str, until: Option<Until>) -> Result<(), Failed> {
    store.add_account(id, name, secret, until)?;
    out!("{}", json!({ "account": id, "secret": secret }))?;
    Ok(())
}

fn list(store: &Store, as_json: bool) -> Result<(), Failed> {
    let accounts = store.accounts()?.into_iter().map(|account| {
        let summary = summary(store, account.id);
        (account, summary)
    });
    let accounts: Vec<_> = accounts.collect();
    if as_json {
        let listed = accounts.iter().map(|(account, summary)| in_json(store, account, summary));
        let listed: Vec<Value> = listed.collect::<Result<_, _>>()?;
        out!("{:#}", json!(listed))?;
    } else {
        let ends = ends::headings();
        out!("{:>10}  {:>10}  {:>10}  {:<20}  {ends}  name", "account", "active", "hidden", "last push")?;
        accounts.iter().try_for_each(|(account, summary)| out!("{}", row(account, summary)))?;
    }
    match accounts.iter().filter(|(_, summary)| summary.is_err()).count() {
        0 => Ok(()),
        unreadable => Err(Failed::Refused(format!("{unreadable} of the accounts cannot be read"))),
    }
}

fn row(account: &store::Account, summary: &Result<Summary, store::Error>) -> String {
    match summary {
        Ok(summary) => format!(
            "{:>10}  {:>10}  {:>10}  {:<20}  {}  {}",
            account.id,
            summary.active,
            summary.hidden,
            summary.last_sync.as_deref().unwrap_or("never"),
            ends::columns(account.until),
            account.name
        ),
        Err(error) => format!("{:>10}  {error}", account.id),
    }
}

fn in_json(
    store: &Store,
    account: &store::Account,
    summary: &Result<Summary, store::Error>,
) -> Result<Value, store::Error> {
    let settings = store.account_settings(account.id)?;
    let mut listed = json!({
        "account": account.id,
        "name": account.name,
        "createdAt": account.created_at,
        "until": account.until.map(Until::moment),
        "state": ends::state(account.until),
        "require": names(&settings.require),
        "replay": settings.replay.name(),
        "historyDays": settings.history_days,
        "schedule": settings.schedule.as_ref().map(ToString::to_string),
        "guards": settings.guards.iter().map(|(guard, setting)| (guard.name(), setting.to_string())).collect::<BTreeMap<_, _>>(),
    });
    match summary {
        Ok(summary) => {
            listed["active"] = summary.active.into();
            listed["hidden"] = summary.hidden.into();
            listed["revision"] = summary.revision.into();
            listed["lastPush"] = summary.last_sync.clone().into();
        }
        Err(error) => listed["error"] = error.to_string().into(),
    }
    Ok(listed)
}

/// Returns what an account has: nothing if its removal was interrupted.
fn summary(store: &Store, id: i64) -> Result<Summary, store::Error> {
    match store.key(id)? {
        Some(key) => store.reader(&key)?.summary(),
        None => Ok(Summary::default()),
    }
}

fn remove(store: &Store, id: i64, yes: bool) -> Result<(), Failed> {
    let employees = match summary(store, id) {
        Ok(summary) => (summary.active + summary.hidden).to_string(),
        Err(_) => "unreadable".into(),
    };
    if !yes {
        if !std::io::stdin().is_terminal() {
            let message =
                format!("account {id} has {employees} employees; to erase them without being asked, add --yes");
            return Err(Failed::Usage(message));
        }
        let question = "There is no way back. Type the account's id:";
        write!(std::io::stderr(), "Erase account {id} with its {employees} employees? {question} ")
            .map_err(Failed::refused)?;
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed).map_err(Failed::refused)?;
        if typed.trim() != id.to_string() {
            return Err(Failed::Refused("nothing was removed".into()));
        }
    }
    store.remove_account(id)?;
    out!("account {id} removed, with {employees} employees")?;
    Ok(())
}
