//! `rollcall profile try`

use crate::command::{Failed, out};
use crate::profile::{Profile, parse, read};
use crate::store::{Error, Store};
use crate::sync::{Break, Few, Lacking, Trial, Tried, try_on};
use serde_json::{Value, json};
use std::path::Path;

/// How many values that a choice lacks are shown.
const VALUES_SHOWN_MAX: usize = 20;

/// Tries a file on the employees of an account, or of all accounts that may use the profile.
pub fn run(store: &Store, file: &Path, account: Option<i64>, as_json: bool) -> Result<(), Failed> {
    let new = read(file).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failed::Refused(format!("the profile is not right, and was not tried:\n{}", errors.join("\n")))
    })?;
    let old = store.stored_profile(new.id)?.and_then(|stored| parse(&stored.text).ok());
    let trial = Trial { new: &new, old: old.as_ref() };
    let mut all = Vec::new();
    for account in accounts(store, &new, account)? {
        let key = store.key(account)?.ok_or(Error::NoAccount(account))?;
        // Nothing stops a trial of the command but a signal.
        if let Some(tried) = try_on(&store.history_reader(&key)?, trial, |_| true)? {
            if !as_json {
                print(account, &tried)?;
            }
            all.push((account, tried));
        }
    }
    if as_json {
        out!("{:#}", Value::from_iter(all.iter().map(|(account, tried)| in_json(*account, tried))))?;
    }
    match all.iter().filter(|(_, tried)| !tried.breaks.is_empty()).count() {
        0 => Ok(()),
        1 => Err(Failed::Refused("the profile would reject employees of 1 account".into())),
        accounts => Err(Failed::Refused(format!("the profile would reject employees of {accounts} accounts"))),
    }
}

fn accounts(store: &Store, profile: &Profile, account: Option<i64>) -> Result<Vec<i64>, Failed> {
    match account {
        Some(account) if !profile.belongs_to(account) => Err(Failed::Usage(format!(
            "the profile has accounts = {:?}, and {account} is none of them",
            profile.accounts.as_deref().unwrap_or_default()
        ))),
        Some(account) => Ok(vec![account]),
        None => {
            let accounts = store.accounts()?.into_iter().map(|account| account.id);
            Ok(accounts.filter(|account| profile.belongs_to(*account)).collect())
        }
    }
}

fn print(account: i64, tried: &Tried) -> Result<(), Failed> {
    let Tried { employees, rejected, reformed, breaks, forms, lacking } = tried;
    out!(
        "account {account}: {employees} employees tried: {rejected} would be rejected, {reformed} stored in another form"
    )?;
    for ((field, rule), Break { who, already, message }) in breaks {
        let already =
            if *already > 0 { format!(", {already} of them by what is in force as well") } else { String::new() };
        out!("    {field} [{rule}]: {}{already}: {message}", counted(who))?;
        out!("        {}", ids(who))?;
        if let Some(lacking) = lacking.get(field).filter(|_| *rule == "options") {
            out!("        values that the choice lacks: {}", values(lacking))?;
        }
    }
    for (field, few) in forms {
        out!("    {field}: stored in another form: {}", counted(few))?;
        out!("        {}", ids(few))?;
    }
    Ok(())
}

fn counted(Few { employees, active, .. }: &Few) -> String {
    format!("{employees} employees ({active} active)")
}

fn ids(Few { employees, ids, .. }: &Few) -> String {
    let more = if *employees > ids.len() as u64 { ", …" } else { "" };
    format!("{}{more}", ids.join(", "))
}

fn values(lacking: &Lacking) -> String {
    let values = lacking.by_frequency();
    let shown = values.iter().take(VALUES_SHOWN_MAX).map(|(value, count)| format!("{value:?} {count}"));
    let rest: u64 = values.iter().skip(VALUES_SHOWN_MAX).map(|(_, count)| count).sum();
    let others = rest + lacking.others;
    let more = (others > 0).then(|| format!("others {others}"));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

fn in_json(account: i64, tried: &Tried) -> Value {
    let few = |Few { employees, active, ids }: &Few| json!({ "employees": employees, "active": active, "ids": ids });
    let breaks = tried.breaks.iter().map(|((field, rule), broken)| {
        let mut shown = few(&broken.who);
        shown["field"] = field.as_str().into();
        shown["rule"] = (*rule).into();
        shown["message"] = broken.message.as_str().into();
        shown["already"] = broken.already.into();
        if let Some(lacking) = tried.lacking.get(field).filter(|_| *rule == "options") {
            let values = lacking.by_frequency().into_iter();
            let values = values.map(|(value, employees)| json!({ "value": value, "employees": employees }));
            shown["lacking"] = Value::from_iter(values);
            shown["others"] = lacking.others.into();
        }
        shown
    });
    let forms = tried.forms.iter().map(|(field, who)| {
        let mut shown = few(who);
        shown["field"] = field.as_str().into();
        shown
    });
    json!({
        "account": account,
        "employees": tried.employees,
        "rejected": tried.rejected,
        "reformed": tried.reformed,
        "breaks": Value::from_iter(breaks),
        "forms": Value::from_iter(forms),
    })
}
