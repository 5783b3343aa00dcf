//! The screen of a sync: what it did, to whom, and taking it back.

use super::account::name;
use super::changes::Shown as ShownChanges;
use super::facts::{counts, counts_in_words, facts, guards, rules, suspects};
use super::form::Form;
use super::session::Visitor;
use super::{Screen, number, see, time};
use crate::export::Form as FileForm;
use crate::role::Role;
use crate::server::call::Call;
use crate::server::handler::{export, syncs, undo as undoing};
use crate::server::respond::{Answer, Refusal};
use crate::server::share::disk;
use crate::store::{Created, Deed, MomentError, Past, SyncKind};
use crate::sync::{Conflict, ConflictCause, Conflicts};
use hyper::StatusCode;
use maud::{Markup, html};

/// How many changes are read at a time.
const PART: usize = 256;

/// `GET /accounts/{account}/syncs/{revision}?kind=&field=&after=`: a sync.
pub async fn sync(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let (account, revision) = (call.account()?, call.part("revision")?);
    call.event.account = Some(account);
    let shown = ShownChanges::of(&call.head);
    let answer = disk::read(call.server, account, move |server| {
        let key = visitor.key(server, account)?;
        let reader = server.store.history_reader(&key)?;
        let (past, applied) = syncs::found(&reader, &revision)?;
        let (start, _) = reader.history_start()?;
        let names = reader.names()?;
        let url = format!("/accounts/{account}/syncs/{}", applied.revision);
        let has_changes = start == 0 || applied.revision > start;
        let found =
            has_changes.then(|| shown.find(&names, |after| Ok(reader.changes(&applied, after, PART)?))).transpose()?;
        let deed = server.store.deed_of(account, applied.revision)?;
        let content = html! {
            (about(&past, deed.as_ref()))
            (counts(&applied.counts))
            @if visitor.may(Role::Release) && has_changes && !matches!(applied.kind, Some(SyncKind::Restore | SyncKind::Erase)) {
                details .act {
                    summary { "Undo this sync…" }
                    form method="post" action={ (url) "/undo" } {
                        p { "A plan is made first, which changes nothing: it shows what would be taken back (" (counts_in_words(&applied.counts)) "), and who has changed again since." }
                        button .main { "Make the plan" }
                    }
                }
            }
            @if let Some(SyncKind::Plan(plan)) = &applied.kind { @if !plan.tripped.is_empty() { section { h2 { "It was held by guards" } (guards(&plan.tripped)) } } }
            @if let Some(left) = &applied.set_aside {
                section { h2 { "Applied without " (number(left.employees)) " employees who were rejected" } (rules(left.by_rule.iter())) }
            }
            (suspects(&applied.suspects))
            section {
                h2 { "Changes" }
                @match &found {
                    Some(found) => {
                        p .downloads { "Download all: " @for form in ["csv", "xlsx", "ndjson"] { a href={ (url) "/changes." (form) } { (form.to_uppercase()) } " " } }
                        (shown.table(account, &url, found, &names))
                    }
                    None => p { (super::sentence(&MomentError::NotKept { first: start, time: None }.to_string())) },
                }
            }
        };
        let trail = trail(server, account)?;
        let title = format!("Revision {}", applied.revision);
        Ok(Screen { title, user: Some(&visitor.user), trail, content }.answer())
    });
    answer.await
}

/// Returns the screens above those of an account.
pub fn trail(server: &crate::server::Server, account: i64) -> Result<Vec<(String, String)>, Refusal> {
    Ok(vec![(format!("{} ({account})", name(server, account)?), format!("/accounts/{account}"))])
}

fn about(past: &Past, deed: Option<&Deed>) -> Markup {
    let Past { finished_at, dialect, key, peer, bytes, duration_ms, .. } = past;
    let applied = past.applied();
    let kind = applied.and_then(|applied| applied.kind.as_ref());
    let text = |text: &Option<String>| text.as_ref().map(|text| html! { (text) });
    facts([
        ("When", Some(time(finished_at))),
        ("What", kind.map(|kind| html! { (kind.name()) @if let SyncKind::Undo(undo) = kind { " of " (undo.undone) } })),
        ("Who", deed.map(|deed| html! { (deed.user) " " (deed.what) })),
        ("System", text(dialect)),
        ("Key", key.map(|key| html! { (key) })),
        ("From", text(peer)),
        ("Employees", applied.map(|applied| html! { (number(applied.employees)) })),
        ("Bytes", bytes.map(|bytes| html! { (number(bytes)) })),
        ("Took", Some(html! { (number(*duration_ms)) " ms" })),
    ])
}

/// `GET /accounts/{account}/syncs/{revision}/changes.csv`, and the other forms: all changes as a file.
pub async fn download(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let account = call.account()?;
    call.event.account = Some(account);
    let form = match call.part("file")?.as_str() {
        "changes.csv" => FileForm::Csv,
        "changes.xlsx" => FileForm::Xlsx,
        "changes.ndjson" => FileForm::Ndjson,
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "there are changes.csv, changes.xlsx and changes.ndjson")),
    };
    let key = disk::look_up(call.server, move |server| visitor.key(server, account)).await?;
    export::changes(call, key, form).await
}

/// `POST /accounts/{account}/syncs/{revision}/undo`: makes a plan that takes the sync back. If others have changed the same employees since, they
/// are shown first.
pub async fn undo(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let (account, revision) = (call.account()?, call.part("revision")?);
    let no_number = |_| Refusal::new(StatusCode::NOT_FOUND, "the revision in the path must be a number");
    let revision: u32 = revision.parse().map_err(no_number)?;
    let Call { server, head, body, event, .. } = call;
    event.account = Some(account);
    let pace = body.pace().clone();
    let sent = Form::receive(server, &head.headers, body, Some(account)).await?;
    let (key, trail, visitor) =
        disk::look_up(server, move |server| Ok((visitor.key(server, account)?, trail(server, account)?, visitor)))
            .await?;
    let anyway = sent.all("anyway").map(str::to_owned).collect();
    let asked = undoing::Asked { revision: revision.into(), back_to: None, anyway, created: Created::Hide };
    let (planned, conflicts) = undoing::plan(server, key, asked, &pace, event).await?;
    let url = format!("/accounts/{account}/plans/{}", planned.plan.id);
    let user = visitor.user.clone();
    let what = format!("made the plan {} that undoes revision {revision}", planned.plan.id);
    disk::look_up(server, move |server| Ok(server.store.note_deed(&user, Some(account), &what, None)?)).await?;
    if conflicts.count == 0 {
        return Ok(see(&url));
    }
    let content = html! {
        p { "The plan takes back " (counts_in_words(&planned.plan.counts)) ". It leaves " (number(conflicts.count)) " employees as they are, because something is in the way." }
        p { a .button href=(url) { "Look at the plan without them" } }
        (in_the_way(&conflicts, &format!("/accounts/{account}/syncs/{revision}/undo")))
    };
    Ok(Screen { title: format!("Undo of revision {revision}"), user: Some(&visitor.user), trail, content }.answer())
}

fn in_the_way(conflicts: &Conflicts, url: &str) -> Markup {
    let why = |cause: &ConflictCause| match cause {
        ConflictCause::ChangedSince { revision } => format!("changed again by revision {revision}"),
        ConflictCause::Named { by, field } => format!("{by} names this employee in {field}"),
        ConflictCause::IdTaken => "somebody else has the id now".to_owned(),
    };
    html! {
        form method="post" action=(url) {
            table {
                thead { tr { th scope="col" { "Take back anyway" } th scope="col" { "Employee" } th scope="col" { "Why not" } } }
                tbody {
                    @for Conflict { change, cause } in &conflicts.listed {
                        @let change = change.lend().seen();
                        @let id = change.before.or(change.after).map_or("", |version| version.id);
                        tr {
                            td { @if matches!(cause, ConflictCause::ChangedSince { .. }) { input type="checkbox" name="anyway" value=(id) aria-label={ "take back " (id) " anyway" }; } }
                            th scope="row" { (id) }
                            td { (why(cause)) }
                        }
                    }
                    @for rejection in &conflicts.rejected {
                        tr { td {} th scope="row" { (rejection.id.as_deref().unwrap_or_default()) } td { (rejection.field) ": " (rejection.message) } }
                    }
                }
            }
            button { "Make the plan again, with those that are ticked" }
        }
    }
}
