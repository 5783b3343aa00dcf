//! The screen of all accounts: how each does, and where somebody has to look.

use super::nights::Nights;
use super::session::Visitor;
use super::{Screen, number, see, time};
use crate::server::Server;
use crate::server::call::{Call, parameter};
use crate::server::respond::{Answer, Refusal};
use crate::server::share::disk;
use crate::store::{Account, PlanState, Summary, Why};
use jiff::Timestamp;
use maud::{Markup, html};

/// How many accounts a screen shows.
const ACCOUNTS_MAX: usize = 50;

/// An account, as the screen shows it.
struct Shown {
    account: Account,
    /// `None` if the roster cannot be read, which the log says more about.
    state: Option<State>,
}

struct State {
    summary: Summary,
    nights: Nights,
    held: usize,
}

/// `GET /?find=&after=`: the accounts.
pub async fn accounts(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    if let Some(own) = visitor.user.account {
        return Ok(see(&format!("/accounts/{own}")));
    }
    let find = parameter(&call.head, "find").unwrap_or_default();
    let after = parameter(&call.head, "after").and_then(|after| after.parse().ok()).unwrap_or(i64::MIN);
    let needle = find.trim().to_lowercase();
    let (shown, next) = disk::read(call.server, 0, move |server| {
        let mut accounts = server.store.accounts()?;
        accounts.retain(|account| {
            account.id > after && (account.id.to_string() == needle || account.name.to_lowercase().contains(&needle))
        });
        let next = accounts.get(ACCOUNTS_MAX).map(|_| accounts[ACCOUNTS_MAX - 1].id);
        accounts.truncate(ACCOUNTS_MAX);
        let shown: Vec<Shown> = accounts.into_iter().map(|account| read(server, account)).collect();
        Ok((shown, next))
    })
    .await?;
    let content = html! {
        form .search role="search" method="get" action="/" {
            label for="find" { "Find an account by its name or number" }
            input #find type="search" name="find" value=(find);
            button { "Find" }
        }
        @if shown.is_empty() { p { "There is no such account." } }
        @else { (table(&shown)) }
        @if let Some(next) = next {
            p { a href={ "/?after=" (next) "&find=" (form_urlencoded::byte_serialize(find.as_bytes()).collect::<String>()) } { "More accounts" } }
        }
    };
    let user = Some(&visitor.user);
    Ok(Screen { title: "Accounts".into(), user, trail: Vec::new(), content }.answer())
}

fn read(server: &Server, account: Account) -> Shown {
    let state = || {
        let key = server.store.key(account.id)?.ok_or(crate::store::Error::NoAccount(account.id))?;
        let reader = server.store.history_reader(&key)?;
        let plans = reader.plans()?;
        let waits = |plan: &&crate::store::Plan| plan.state == PlanState::Waiting && matches!(plan.why, Why::Guards(_));
        Ok::<_, crate::store::Error>(State {
            summary: reader.summary()?,
            nights: Nights::read(&reader, Timestamp::now())?,
            held: plans.iter().filter(waits).count(),
        })
    };
    let state = state().map_err(|error| tracing::error!(account = account.id, "{error}")).ok();
    Shown { account, state }
}

fn table(shown: &[Shown]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Account" } th scope="col" { "Last push" } th scope="col" { "Thirty nights" }
                th .number scope="col" { "Active" } th .number scope="col" { "Hidden" } th scope="col" { "To do" }
            } }
            tbody {
                @for Shown { account, state } in shown {
                    tr {
                        th scope="row" { a href={ "/accounts/" (account.id) } { (account.name) " (" (account.id) ")" } }
                        @match state {
                            None => td colspan="5" .wrong { "The roster of the account cannot be read; see the server's log." },
                            Some(State { summary, nights, held }) => {
                                td { @match &summary.last_sync { Some(last) => (time(last)), None => "none yet" } }
                                td { (nights.small_chart()) }
                                td .number { (number(summary.active)) }
                                td .number { (number(summary.hidden)) }
                                td { @if *held > 0 { strong .held { (held) " held" } } }
                            }
                        }
                    }
                }
            }
        }
    }
}
