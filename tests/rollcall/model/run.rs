//! Run: carries out operations on a server and on the model, and compares.

use super::compare::{self, Follower};
use super::operation::{Operation, Sending};
use super::plan::{Applying, Kept};
use super::roster::{Pending, Roster, Undone};
use super::wire::{self, Keys};
use super::{fields, guard, plan};
use crate::golden::add_key;
use crate::world::{Answer, Request, World, run as program};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

/// After how many operations everything is compared that takes long.
const ALL_EVERY: usize = 50;

/// A server, and the model of it.
pub struct Run {
    pub world: World,
    pub roster: Roster,
    keys: Keys,
    follower: Follower,
    operations: usize,
    /// How many operations had each outcome.
    pub outcomes: std::collections::BTreeMap<&'static str, usize>,
}

/// What the model expects of an answer.
#[derive(Debug, Clone)]
pub enum Expected {
    /// A sync, with this kind of answer.
    Applied(Pending),
    /// An application that left out so many.
    AppliedPlan(Pending, usize),
    /// A dry run.
    Planned(usize),
    /// Guards stopped it.
    Held(Pending),
    /// There is no room for a plan of it.
    NoRoom,
    /// Employees are rejected.
    Rejected,
    /// It is refused with this status.
    Refused(u16),
    /// A plan is stale: so many have changed.
    Stale(usize),
    /// It was queued, deleted, or discarded.
    Done,
}

impl Run {
    pub fn new() -> Run {
        let settings = format!("grace = {}\n{}", super::roster::GRACE, guard::settings());
        let world = World::with(&fields::profile(&settings), &format!("plans_max = {}", plan::PLANS_MAX));
        let key = |dialect: &str, more: &[&str]| add_key(&world, dialect, more);
        let (springest, collaborator) = (key("springest", &[]), key("collaborator", &[]));
        let echospan = key("echospan", &["--client-id", "1234"]);
        let keys = Keys { springest, collaborator, echospan };
        let roster = Roster { past: vec![Vec::new()], ..Roster::default() };
        Run { world, roster, keys, follower: Follower::default(), operations: 0, outcomes: Default::default() }
    }

    /// Carries out an operation, and compares. Panics if something is not as expected.
    pub fn carry_out(&mut self, operation: &Operation) {
        match operation {
            Operation::Send(sending) => self.send(sending),
            Operation::Restart => {
                self.world.stop();
                self.world.start();
            }
            Operation::Trim { kept } => self.trim(*kept),
            Operation::Kill { sending, after, again } => self.kill(sending, *after, *again),
        }
        self.operations += 1;
        compare::now(&self.world, &mut self.roster);
        let start = self.roster.start;
        let kept = self.roster.revision() - start;
        compare::at(&self.world, &self.roster, start + self.operations * 7 % (kept + 1));
        self.follower.follow(&self.world, &self.roster, 1 + self.operations % 5);
        if self.operations.is_multiple_of(ALL_EVERY) {
            compare::everything(&self.world, &self.roster);
        }
    }

    /// Compares everything, and audits the account's file.
    pub fn end(&self) {
        compare::everything(&self.world, &self.roster);
        compare::audit(&self.world);
    }

    /// Makes all syncs but so many old, as far as no plan needs their history, and waits until the server has removed their history.
    fn trim(&mut self, kept: usize) {
        let waiting = self.roster.waiting().into_iter().map(|plan| self.roster.plans[plan].pending.base);
        // What a plan that waits is compared with is kept.
        let start = self.roster.revision().saturating_sub(kept).min(waiting.min().unwrap_or(usize::MAX));
        if start <= self.roster.start {
            return;
        }
        self.world.stop();
        let set = ["account", "set", "99", "--history-days", "90", "--data", &self.world.path("data")];
        assert!(program(&set).status.success());
        let database = Connection::open(self.world.path("data/accounts/99.db")).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        let age = "UPDATE sync SET finished_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-100 days', '+' || revision || ' seconds')
            WHERE revision <= ?";
        database.execute(age, [start]).unwrap();
        self.world.start();
        let is_done = "SELECT revision = ?1 AND NOT EXISTS (SELECT 1 FROM version WHERE place < (?1 + 1) << 32) FROM history_start";
        let began = Instant::now();
        while !database.query_row(is_done, [start], |row| row.get::<_, bool>(0)).unwrap() {
            assert!(began.elapsed() < Duration::from_secs(60), "the history is not trimmed");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.roster.trim(start);
        *self.outcomes.entry("trimmed").or_default() += 1;
    }

    fn send(&mut self, sending: &Sending) {
        let Some(request) = self.request(sending) else {
            return;
        };
        let answer = request.send(&self.world);
        let expected = expect(&mut self.roster, sending);
        *self.outcomes.entry(expected.name()).or_default() += 1;
        check(sending, &answer, &expected, &self.roster);
    }

    /// Makes the request; `None` if it is about a plan and none waits.
    fn request(&self, sending: &Sending) -> Option<Request> {
        let waiting = self.roster.waiting();
        let plan = match sending {
            Sending::Apply { plan, .. } | Sending::Discard { plan } => {
                self.roster.plans[*waiting.get(*plan)?].id.clone().expect("a plan that was compared has an id")
            }
            Sending::Undo { back, .. } if *back >= self.roster.revision() => return None,
            // Whoever was removed may be erased as well, by an id that was theirs last.
            Sending::Erase { id } if self.roster.position(id).is_none() && self.roster.knows(id) => return None,
            _ => String::new(),
        };
        Some(wire::request(sending, &self.keys, &plan, self.roster.revision()))
    }

    fn kill(&mut self, sending: &Sending, after: Duration, again: bool) {
        let Some(request) = self.request(sending) else {
            return;
        };
        let is_plain = matches!(
            sending,
            Sending::Whole { dry_run: true, .. }
                | Sending::Apply { .. }
                | Sending::Discard { .. }
                | Sending::Erase { .. }
                | Sending::Undo { .. }
        );
        let key = format!("{}-{}", self.operations, self.roster.revision());
        let request = if is_plain { request } else { request.header("Idempotency-Key", &key) };
        let mut stream = self.world.connect();
        let _ = stream.write_all(&request.head()).and_then(|()| stream.write_all(&request.body));
        std::thread::sleep(after);
        self.world.kill();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        self.world.start();
        let mut done = self.roster.clone();
        let expected = expect(&mut done, sending);
        let is_answered = answer.starts_with(b"HTTP/1.1 2") || answer.starts_with(b"HTTP/1.1 409");
        let is_done = compare::is_as(&self.world, &done);
        assert!(
            is_done || compare::is_as(&self.world, &self.roster),
            "after a kill the roster is neither before nor after"
        );
        assert!(is_done || !is_answered, "what was answered is lost");
        let does_nothing =
            matches!(expected, Expected::Rejected | Expected::Refused(_) | Expected::Stale(_) | Expected::NoRoom);
        let outcome = match is_done {
            true if does_nothing => "killed for nothing",
            true => "killed after",
            false => "killed before",
        };
        *self.outcomes.entry(outcome).or_default() += 1;
        if is_done {
            self.roster = done;
        }
        // What is refused may be sent again; what was applied is answered again.
        if again && !is_plain && matches!(expected, Expected::Applied(_)) {
            let answer = request.send(&self.world);
            assert_eq!(answer.header("idempotent-replayed").is_some(), is_done, "{}", answer.text);
            if !is_done {
                expect(&mut self.roster, sending);
            }
            check(sending, &answer, &expected, &self.roster);
        }
    }
}

impl Expected {
    fn name(&self) -> &'static str {
        match self {
            Expected::Applied(Pending { kind: "rename", .. }) => "renamed",
            Expected::Applied(Pending { kind: "erase", .. }) => "erased",
            Expected::Applied(_) => "applied",
            Expected::AppliedPlan(_, 0) => "plan applied",
            Expected::AppliedPlan(..) => "plan rebased",
            Expected::Planned(_) => "dry run",
            Expected::Held(_) => "held",
            Expected::NoRoom => "no room",
            Expected::Rejected => "rejected",
            Expected::Refused(_) => "refused",
            Expected::Stale(_) => "stale",
            Expected::Done => "done",
        }
    }
}

/// Does what is sent to the model.
fn expect(roster: &mut Roster, sending: &Sending) -> Expected {
    match sending {
        Sending::Queue(command, row) => {
            let Some(record) = wire::of_echospan(*command, row) else {
                return Expected::Rejected;
            };
            roster.queue.push(record);
            return Expected::Done;
        }
        Sending::Delete => {
            roster.queue.clear();
            return Expected::Done;
        }
        Sending::Discard { plan } => {
            let plan = roster.waiting()[*plan];
            roster.plans[plan].is_waiting = false;
            return Expected::Done;
        }
        Sending::Apply { plan, rebase } => {
            let plan = roster.waiting()[*plan];
            return match roster.applying(plan, *rebase) {
                Applying::Ended => unreachable!("it waits"),
                Applying::Stale(moved) => Expected::Stale(moved),
                Applying::Rejected => Expected::Rejected,
                Applying::Applied(pending, moved) => {
                    roster.plans[plan].is_waiting = false;
                    roster.apply((*pending).clone(), Some(plan));
                    Expected::AppliedPlan(*pending, moved)
                }
            };
        }
        Sending::Rename { from, to, merge } => {
            return match roster.renaming(from, to, *merge) {
                Ok(pending) => {
                    roster.apply(pending.clone(), None);
                    Expected::Applied(pending)
                }
                Err(status) => Expected::Refused(status),
            };
        }
        Sending::Erase { id } => {
            let Some(pending) = roster.erasing(id) else {
                return Expected::Refused(404);
            };
            roster.apply(pending.clone(), None);
            return Expected::Applied(pending);
        }
        Sending::Undo { back, several, anyway, erases } => {
            let last = roster.revision() - back;
            let first = (last + 1).saturating_sub(*several).max(1);
            if first <= roster.start {
                return Expected::Refused(404);
            }
            let Some((pending, conflicts)) = roster.undoing(first, last, anyway) else {
                return Expected::Rejected;
            };
            return match roster.keep(
                pending,
                "undo",
                Some(Undone { from: first, to: last, conflicts, erases: *erases }),
            ) {
                Kept::As(plan) => Expected::Planned(plan),
                Kept::NoRoom => Expected::NoRoom,
            };
        }
        _ => {}
    }
    if matches!(sending, Sending::Csv { people, .. } if people.is_empty()) {
        return Expected::Rejected;
    }
    let (push, wanted) = wire::asked(sending, roster).expect("the rest are pushes");
    let Some(pending) = roster.push(push, wanted) else {
        return Expected::Rejected;
    };
    if matches!(sending, Sending::Whole { dry_run: true, .. }) {
        return match roster.keep(pending, "dryRun", None) {
            Kept::As(plan) => Expected::Planned(plan),
            Kept::NoRoom => Expected::NoRoom,
        };
    }
    if !pending.tripped.is_empty() {
        roster.keep(pending.clone(), "guards", None);
        return Expected::Held(pending);
    }
    if matches!(sending, Sending::Process { .. }) {
        roster.queue.clear();
    }
    roster.apply(pending.clone(), None);
    Expected::Applied(pending)
}

/// Compares an answer with what is expected.
fn check(sending: &Sending, answer: &Answer, expected: &Expected, roster: &Roster) {
    let is_echospan = matches!(sending, Sending::Queue(..) | Sending::Process { .. } | Sending::Delete);
    let text = &answer.text;
    let status = match expected {
        Expected::Applied(_) if matches!(sending, Sending::Springest(_)) => 201,
        Expected::Done if matches!(sending, Sending::Discard { .. }) => 204,
        Expected::Applied(_) | Expected::AppliedPlan(..) | Expected::Planned(_) | Expected::Done => 200,
        Expected::Held(_) | Expected::NoRoom if !is_echospan => 409,
        Expected::Rejected if !is_echospan => 400,
        Expected::Stale(_) => 412,
        Expected::Refused(status) => *status,
        Expected::Held(_) | Expected::NoRoom | Expected::Rejected => {
            assert!((451..458).contains(&answer.status), "{} instead of {expected:?}: {text}", answer.status);
            return;
        }
    };
    assert_eq!(answer.status, status, "{expected:?}: {text}");
    let json = || answer.json();
    let revision = answer.header("rollcall-revision").map(|revision| revision.parse::<usize>().unwrap());
    match expected {
        Expected::Applied(pending) => {
            assert_eq!(revision, Some(roster.revision()));
            let rejected = answer.header("rollcall-rejected").map(|rejected| rejected.parse::<u64>().unwrap());
            assert_eq!(rejected, pending.rejected, "{text}");
            counts(sending, answer, pending.counts);
        }
        Expected::AppliedPlan(pending, left_out) => {
            assert_eq!((revision, answer.counts()), (Some(roster.revision()), pending.counts));
            let shown = json()["leftOut"]["count"].as_u64();
            let is_rebase = matches!(sending, Sending::Apply { rebase: true, .. });
            assert_eq!(shown, is_rebase.then_some(*left_out as u64));
        }
        Expected::Planned(plan) if matches!(sending, Sending::Undo { .. }) => {
            let plan = &roster.plans[*plan];
            assert_eq!(answer.counts(), plan.pending.counts, "{text}");
            let conflicts = plan.undo.map(|undo| undo.conflicts as u64);
            assert_eq!(json()["conflicts"]["count"].as_u64(), conflicts, "{text}");
        }
        Expected::Planned(plan) => {
            let pending = &roster.plans[*plan].pending;
            assert_eq!(answer.counts(), pending.counts);
            assert_eq!(guards(&json()["guards"]), pending.tripped.iter().map(compare::guard).collect());
        }
        Expected::Held(pending) if matches!(sending, Sending::Whole { .. }) => {
            assert_eq!(guards(&json()["guards"]), pending.tripped.iter().map(compare::guard).collect());
        }
        Expected::Stale(moved) => assert_eq!(json()["moved"]["count"], *moved as u64),
        _ => {}
    }
}

fn guards(shown: &Value) -> BTreeSet<String> {
    shown.as_array().into_iter().flatten().map(compare::shown_guard).collect()
}

/// Compares the counts of an answer, in the form of its dialect.
fn counts(sending: &Sending, answer: &Answer, counts: [u64; 5]) {
    let [created, updated, activated, hidden, _] = counts;
    match sending {
        Sending::Whole { .. } | Sending::Rename { .. } => assert_eq!(answer.counts(), counts, "{}", answer.text),
        Sending::Single(_) | Sending::Batch { .. } | Sending::Csv { .. } => {
            let json = answer.json();
            let names = ["created_count", "updated_count", "unblocked_count", "blocked_count"];
            let shown = names.map(|name| json[name].as_u64().unwrap());
            assert_eq!(shown, [created, updated, activated, hidden], "{}", answer.text);
        }
        Sending::Erase { .. } => {
            let revision: Option<usize> = answer.header("rollcall-revision").and_then(|revision| revision.parse().ok());
            assert_eq!(answer.json(), json!({ "erased": 1, "revision": revision, "overwritten": true }));
        }
        _ => {}
    }
}
