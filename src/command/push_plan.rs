//! `rollcall push --plan`: shows what a push would change, asks, and applies exactly that.

use super::changes::{self, Document};
use super::output::{Decision, decide};
use super::{Failed, complain, out};
use crate::client::{Answer, PushError, RemotePlan};
use serde_json::Value;

/// How many changes are shown to people. Machines get all.
const SHOWN_MAX: u64 = 1_000;

impl From<PushError> for Failed {
    fn from(error: PushError) -> Failed {
        Failed::refused(error)
    }
}

/// Shows a plan as JSON: the plan, and all its changes.
pub fn print_json(plan: &RemotePlan) -> Result<(), Failed> {
    let about = good(plan.read()?)?;
    let about: Value = serde_json::from_str(&about.text).unwrap_or_default();
    let mut document = Document::begin(&about)?;
    refuse(plan.changes(|change| document.change(change))?)?;
    document.end()
}

/// Shows what a plan changes, and which guards would stop the push. Returns how many changes there are.
pub fn print(plan: &RemotePlan) -> Result<u64, Failed> {
    let about = good(plan.read()?)?;
    let about: Value = serde_json::from_str(&about.text).unwrap_or_default();
    let mut shown = 0;
    refuse(plan.changes(|change| {
        shown += 1;
        if shown <= SHOWN_MAX { changes::print(change) } else { Ok(()) }
    })?)?;
    if shown > SHOWN_MAX {
        out!("… and {} more, which --json shows", shown - SHOWN_MAX)?;
    }
    changes::print_guards(&about)?;
    changes::print_suspects(plan.account(), &about)?;
    Ok(shown)
}

/// Asks whether a plan with so many changes is to be applied, and does what is answered. Nobody can be asked without a terminal; then the plan
/// waits. Returns the answer of the server if it was applied.
pub fn ask(plan: &RemotePlan, changes: u64) -> Result<Option<Answer>, Failed> {
    let id = plan.id();
    if changes == 0 {
        // A plan that cannot be discarded expires.
        plan.discard()?;
        complain!("rollcall: the push would change nobody");
        return Ok(None);
    }
    match decide(false)? {
        Decision::NobodyAsked => complain!(
            "rollcall: nothing was applied; plan {id} waits: `rollcall plan apply` or POST /v1/plans/{id}/apply applies it"
        ),
        Decision::Refuse => discard(plan)?,
        Decision::Apply => {
            let applied = plan.apply()?;
            return match refused(&applied) {
                _ if applied.ok => Ok(Some(applied)),
                Failed::Refused(message) if is_forbidden(&applied) => {
                    Err(Failed::Refused(format!("{message}; nothing was applied, and plan {id} waits")))
                }
                failed => Err(failed),
            };
        }
    }
    Ok(None)
}

/// Discards a plan, if the key may.
fn discard(plan: &RemotePlan) -> Result<(), Failed> {
    let discarded = plan.discard()?;
    if is_forbidden(&discarded) {
        let id = plan.id();
        complain!("rollcall: nothing was applied; plan {id} waits, because this key may not discard it");
    } else {
        good(discarded)?;
        complain!("rollcall: nothing was applied; the plan was discarded");
    }
    Ok(())
}

/// Whether the key lacks the role for a request about a plan.
fn is_forbidden(answer: &Answer) -> bool {
    answer.status == 403
}

fn good(answer: Answer) -> Result<Answer, Failed> {
    if answer.ok { Ok(answer) } else { Err(refused(&answer)) }
}

fn refuse(answer: Option<Answer>) -> Result<(), Failed> {
    answer.map_or(Ok(()), |answer| Err(refused(&answer)))
}

fn refused(answer: &Answer) -> Failed {
    let message = answer.refusal().map(|refusal| format!(": {}", refusal.message)).unwrap_or_default();
    Failed::Refused(format!("the server answered {}{message}", answer.status))
}
