//! Every route, as one table. The matching of a path, the answers to an unknown path and to another method, the label in the log, and
//! the list of routes in the README come from it.

use super::Server;
use super::authenticate::{Shown, signed};
use super::call::{Handler, KeyHandler, PageHandler, parts_of};
use super::handler::collaborator::{self, Kind, photo};
use super::handler::{
    account, echospan, erase, export, feed, health, plans, profiles, read, rename, springest, startexam, syncs, undo,
    webhooks,
};
use super::page;
use super::respond::Refusal;
use crate::dialect::Dialect;
use crate::export::Form;
use crate::role::Role;
use Verb::{Delete, Post, Push, Put, Read, Release};
use Who::{Anybody, KeyInBody, KeyInHead, OnPage, SignedIn};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

/// The routes. Two rows may have the same path and different verbs.
#[rustfmt::skip]
static ROUTES: [Route; 64] = [
    Route::new(Read, "/v1/employees", KeyInHead(signed, |call, caller| Box::pin(read::employees(call, caller.key))))
        .listed("/v1/employees (also .csv, .xlsx and .ndjson)"),
    Route::new(Push(Dialect::StartExam), "/v1/employees", KeyInHead(signed, |call, caller| Box::pin(startexam::push(call, caller)))),
    Route::new(Read, "/v1/employees.csv", KeyInHead(signed, |call, caller| Box::pin(export::export(call, caller.key, Form::Csv)))),
    Route::new(Read, "/v1/employees.xlsx", KeyInHead(signed, |call, caller| Box::pin(export::export(call, caller.key, Form::Xlsx)))),
    Route::new(Read, "/v1/employees.ndjson", KeyInHead(signed, |call, caller| Box::pin(export::export(call, caller.key, Form::Ndjson)))),
    Route::new(Read, "/v1/employees/{id}", KeyInHead(signed, |call, caller| Box::pin(read::employee(call, caller.key)))),
    Route::new(Delete, "/v1/employees/{id}", KeyInHead(signed, |call, caller| Box::pin(erase::employee(call, caller.key)))),
    Route::new(Read, "/v1/employees/{id}/image/{field}", KeyInHead(signed, |call, caller| Box::pin(read::image(call, caller.key)))),
    Route::new(Read, "/v1/employees/{id}/history", KeyInHead(signed, |call, caller| Box::pin(syncs::life(call, caller.key)))),
    Route::new(Release, "/v1/employees/{id}/rename", KeyInHead(signed, |call, caller| Box::pin(rename::rename(call, caller)))),
    Route::new(Read, "/v1/employees/{id}/export", KeyInHead(signed, |call, caller| Box::pin(export::person(call, caller.key)))),
    Route::new(Read, "/v1/profiles", KeyInHead(signed, |call, caller| Box::pin(read::profiles(call, caller.key))))
        .of_any_role().listed("/v1/profiles"),
    Route::new(Read, "/v1/profiles/{id}", KeyInHead(signed, |call, caller| Box::pin(read::profile(call, caller.key)))).of_any_role(),
    Route::new(Put, "/v1/profiles/{id}", KeyInHead(signed, |call, caller| Box::pin(profiles::publish(call, caller)))),
    Route::new(Read, "/v1/profiles/{id}/versions", KeyInHead(signed, |call, caller| Box::pin(profiles::versions(call, caller.key))))
        .of_role(Role::Administer),
    Route::new(Read, "/v1/profiles/{id}/versions/{number}", KeyInHead(signed, |call, caller| Box::pin(profiles::version(call, caller.key))))
        .of_role(Role::Administer),
    Route::new(Read, "/v1/plans", KeyInHead(signed, |call, caller| Box::pin(plans::plans(call, caller.key))))
        .listed("/v1/plans"),
    Route::new(Read, "/v1/plans/{id}", KeyInHead(signed, |call, caller| Box::pin(plans::plan(call, caller.key)))),
    Route::new(Delete, "/v1/plans/{id}", KeyInHead(signed, |call, caller| Box::pin(plans::discard(call, caller.key)))),
    Route::new(Read, "/v1/plans/{id}/changes", KeyInHead(signed, |call, caller| Box::pin(plans::changes(call, caller.key)))),
    Route::new(Release, "/v1/plans/{id}/apply", KeyInHead(signed, |call, caller| Box::pin(plans::apply(call, caller.key)))),

    Route::new(Read, "/v1/syncs", KeyInHead(signed, |call, caller| Box::pin(syncs::syncs(call, caller.key))))
        .listed("/v1/syncs"),
    Route::new(Read, "/v1/syncs/{revision}", KeyInHead(signed, |call, caller| Box::pin(syncs::sync(call, caller.key)))),
    Route::new(Read, "/v1/syncs/{revision}/changes", KeyInHead(signed, |call, caller| Box::pin(syncs::changes(call, caller.key)))),
    Route::new(Read, "/v1/syncs/{revision}/changes.csv", KeyInHead(signed, |call, caller| Box::pin(export::changes(call, caller.key, Form::Csv)))),
    Route::new(Read, "/v1/syncs/{revision}/changes.xlsx", KeyInHead(signed, |call, caller| Box::pin(export::changes(call, caller.key, Form::Xlsx)))),
    Route::new(Read, "/v1/syncs/{revision}/changes.ndjson", KeyInHead(signed, |call, caller| Box::pin(export::changes(call, caller.key, Form::Ndjson)))),
    Route::new(Release, "/v1/syncs/{revision}/revert", KeyInHead(signed, |call, caller| Box::pin(undo::revert(call, caller.key)))),

    Route::new(Read, "/v1/changes", KeyInHead(signed, |call, caller| Box::pin(feed::follow(call, caller))))
        .of_role(Role::Follow).listed("/v1/changes"),

    Route::new(Read, "/v1/account", KeyInHead(signed, |call, caller| Box::pin(account::account(call, caller.key))))
        .listed("/v1/account"),
    Route::new(Read, "/v1/webhooks", KeyInHead(signed, |call, caller| Box::pin(webhooks::list(call, caller.key))))
        .of_role(Role::Release).listed("/v1/webhooks"),
    Route::new(Release, "/v1/webhooks", KeyInHead(signed, |call, caller| Box::pin(webhooks::add(call, caller.key)))),
    Route::new(Delete, "/v1/webhooks/{id}", KeyInHead(signed, |call, caller| Box::pin(webhooks::remove(call, caller.key)))),
    Route::new(Release, "/v1/webhooks/{id}/rotate", KeyInHead(signed, |call, caller| Box::pin(webhooks::rotate(call, caller.key)))),
    Route::new(Release, "/v1/webhooks/{id}/test", KeyInHead(signed, |call, caller| Box::pin(webhooks::test(call, caller.key)))),
    Route::new(Read, "/v1/webhooks/{id}/deliveries", KeyInHead(signed, |call, caller| Box::pin(webhooks::deliveries(call, caller.key))))
        .of_role(Role::Release),
    Route::new(Release, "/v1/webhooks/{id}/deliveries/{delivery}/resend",
        KeyInHead(signed, |call, caller| Box::pin(webhooks::resend(call, caller.key)))),

    Route::new(Read, "/health", Anybody(|call| Box::pin(health::health(call)))).listed("/health"),
    Route::new(Read, "/health/ready", Anybody(|call| Box::pin(health::ready(call)))).listed("/health/ready"),

    Route::new(Read, "/users.json", KeyInHead(springest::key, |call, caller| Box::pin(springest::user(call, caller.key))))
        .listed("/users.json"),
    Route::new(Push(Dialect::Springest), "/users.json", KeyInHead(springest::key, |call, caller| Box::pin(springest::push(call, caller)))),

    Route::new(Push(Dialect::Collaborator), "/api/v2/users-import/single",
        KeyInHead(collaborator::key, |call, caller| Box::pin(collaborator::import(call, caller, Kind::Single))))
        .listed("/api/v2/users-import/{single,batch,csv,update-photo}"),
    Route::new(Push(Dialect::Collaborator), "/api/v2/users-import/batch",
        KeyInHead(collaborator::key, |call, caller| Box::pin(collaborator::import(call, caller, Kind::Batch)))),
    Route::new(Push(Dialect::Collaborator), "/api/v2/users-import/csv",
        KeyInHead(collaborator::key, |call, caller| Box::pin(collaborator::import(call, caller, Kind::Csv)))),
    Route::new(Push(Dialect::Collaborator), "/api/v2/users-import/update-photo",
        KeyInHead(collaborator::key, |call, caller| Box::pin(photo::update(call, caller)))),
    Route::new(Push(Dialect::Collaborator), "/api/rest.php/imports-user",
        KeyInHead(collaborator::key, |call, caller| Box::pin(collaborator::older_import(call, caller)))),
    Route::new(Post, "/api/rest.php/auth/session", Anybody(|call| Box::pin(collaborator::log_in(call)))),

    Route::new(Push(Dialect::EchoSpan), "/echotools7/api/api_import_emps.asp", KeyInBody(|call| Box::pin(echospan::command(call))))
        .listed("/echotools7/api/api_import_emps.asp"),

    Route::new(Read, "/", SignedIn(|call, visitor| Box::pin(page::accounts(call, visitor)))).listed("/ (the page)"),
    Route::new(Read, "/accounts/{account}", SignedIn(|call, visitor| Box::pin(page::account(call, visitor)))),
    Route::new(Post, "/accounts/{account}/find", SignedIn(|call, visitor| Box::pin(page::find(call, visitor)))).of_role(Role::Read),
    Route::new(Read, "/accounts/{account}/people/{number}", SignedIn(|call, visitor| Box::pin(page::person(call, visitor)))),
    Route::new(Read, "/accounts/{account}/syncs/{revision}", SignedIn(|call, visitor| Box::pin(page::sync(call, visitor)))),
    Route::new(Read, "/accounts/{account}/syncs/{revision}/{file}", SignedIn(|call, visitor| Box::pin(page::download(call, visitor)))),
    Route::new(Release, "/accounts/{account}/syncs/{revision}/undo", SignedIn(|call, visitor| Box::pin(page::undo(call, visitor)))),
    Route::new(Read, "/accounts/{account}/plans/{id}", SignedIn(|call, visitor| Box::pin(page::plan(call, visitor)))),
    Route::new(Release, "/accounts/{account}/plans/{id}/apply", SignedIn(|call, visitor| Box::pin(page::apply(call, visitor)))),
    Route::new(Release, "/accounts/{account}/plans/{id}/discard", SignedIn(|call, visitor| Box::pin(page::discard(call, visitor)))),
    Route::new(Read, "/sign-in", OnPage(|call| Box::pin(page::sign_in_form(call)))),
    Route::new(Post, "/sign-in", OnPage(|call| Box::pin(page::sign_in(call)))),
    Route::new(Post, "/sign-out", SignedIn(|call, visitor| Box::pin(page::sign_out(call, visitor)))),
    Route::new(Read, "/join/{token}", OnPage(|call| Box::pin(page::invitation(call)))),
    Route::new(Post, "/join/{token}", OnPage(|call| Box::pin(page::accept(call)))),
    Route::new(Read, "/page/{file}", OnPage(|call| Box::pin(page::asset(call)))),
];

/// What a row of the table says.
pub struct Route {
    verb: Verb,
    /// The path: its parts are compared in any case, and one in braces is any.
    pub path: &'static str,
    /// Who may send a request, and what answers it.
    pub who: Who,
    /// The role that a key needs. Reads need [`Role::Read`], pushes [`Role::Push`], decisions [`Role::Release`], and publishing [`Role::Administer`], unless the row says otherwise.
    pub role: Option<Role>,
    /// What the answer to an unknown path lists. `None` if another row's entry includes this one, or only older clients know the path.
    listed: Option<&'static str>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    /// GET or HEAD.
    Read,
    /// POST, though it is no push.
    Post,
    /// POST: a push of the dialect.
    Push(Dialect),
    /// POST: a decision, such as applying a push that was held back, or taking one back.
    Release,
    /// PUT: publishes a profile.
    Put,
    /// DELETE: discards a push that was held back, or erases an employee.
    Delete,
}

/// Who may send a request, and what answers it.
pub enum Who {
    /// Anybody: no key is needed.
    Anybody(Handler),
    /// Anybody with a browser: a screen that needs no session.
    OnPage(Handler),
    /// Who has signed in to the page.
    SignedIn(PageHandler),
    /// Who shows a key in the head, which the function finds.
    KeyInHead(fn(&Server, &Parts) -> Result<Shown, Refusal>, KeyHandler),
    /// Who shows a key in the body, which the handler reads.
    KeyInBody(Handler),
}

/// What the table has for a request.
pub enum Found {
    /// A route.
    Route(&'static Route),
    /// Routes at this path, but none for this method.
    OtherMethods(&'static Route),
    /// Nothing at this path.
    Nothing,
}

impl Route {
    const fn new(verb: Verb, path: &'static str, who: Who) -> Route {
        let role = match verb {
            Read => Some(Role::Read),
            Push(_) => Some(Role::Push),
            Release | Delete => Some(Role::Release),
            Put => Some(Role::Administer),
            Post => None,
        };
        Route { verb, path, who, role, listed: None }
    }

    /// Any key will do: the fields and their rules are no secret from who pushes, and tell nothing of people.
    const fn of_any_role(self) -> Route {
        Route { role: None, ..self }
    }

    const fn of_role(self, role: Role) -> Route {
        Route { role: Some(role), ..self }
    }

    const fn listed(self, listed: &'static str) -> Route {
        Route { listed: Some(listed), ..self }
    }

    fn is_at(&self, path: &str) -> bool {
        let (mut own, mut parts) = (parts_of(self.path), parts_of(path));
        loop {
            match (own.next(), parts.next()) {
                (Some(own), Some(part)) if own.starts_with('{') || own.eq_ignore_ascii_case(part) => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }

    /// The methods that are allowed at its path, as the header `Allow` lists them.
    fn methods(&self) -> String {
        let verbs = ROUTES.iter().filter(|other| other.path == self.path).map(|other| other.verb.methods());
        verbs.collect::<Vec<_>>().join(", ")
    }
}

impl Verb {
    fn methods(self) -> &'static str {
        match self {
            Verb::Read => "GET, HEAD",
            Verb::Post | Verb::Push(_) | Verb::Release => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }
}

impl Found {
    /// Finds the route of a request.
    pub fn of(method: &Method, path: &str) -> Found {
        let at_path = || ROUTES.iter().filter(|route| path.starts_with('/') && route.is_at(path));
        let is_for = |route: &&Route| route.verb.methods().split(", ").any(|allowed| allowed == method.as_str());
        match (at_path().find(is_for), at_path().next()) {
            (Some(route), _) => Found::Route(route),
            (None, Some(other)) => Found::OtherMethods(other),
            (None, None) => Found::Nothing,
        }
    }

    /// Returns the route, or says what there is.
    pub fn route(&self) -> Result<&'static Route, Refusal> {
        match self {
            Found::Route(route) => Ok(route),
            Found::OtherMethods(route) => Err(Refusal::allow(&route.methods())),
            Found::Nothing => Err(Refusal::new(StatusCode::NOT_FOUND, nothing_here())),
        }
    }

    /// The path of the table, for the log.
    pub fn path(&self) -> &'static str {
        match self {
            Found::Route(route) | Found::OtherMethods(route) => route.path,
            Found::Nothing => "none",
        }
    }

    /// Whether it is a screen of the page.
    pub fn is_of_page(&self) -> bool {
        match self {
            Found::Route(route) | Found::OtherMethods(route) => matches!(route.who, OnPage(_) | SignedIn(_)),
            Found::Nothing => false,
        }
    }

    /// The dialect of a push, or `None` if the request is no push.
    pub fn push(&self) -> Option<Dialect> {
        match self {
            Found::Route(Route { verb: Verb::Push(dialect), .. }) => Some(*dialect),
            _ => None,
        }
    }
}

/// The message for a path at which there is nothing: what there is.
fn nothing_here() -> String {
    let listed: Vec<&str> = ROUTES.iter().filter_map(|route| route.listed).collect();
    let (last, others) = listed.split_last().expect("some routes are listed");
    format!("there is nothing at this path; there are {} and {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_route() {
        let in_readme: Vec<&str> =
            include_str!("../../README.md").lines().filter(|line| line.starts_with("| `/")).collect();
        let mut paths: Vec<&str> = Vec::new();
        for route in &ROUTES {
            if !paths.contains(&route.path) {
                paths.push(route.path);
                let who = match route.who {
                    Anybody(_) | OnPage(_) => "anybody",
                    SignedIn(_) => "a user",
                    KeyInHead(..) | KeyInBody(_) => Dialect::of_path(route.path).facts().credential,
                };
                let row = format!("| `{}` | {} | {who} |", route.path, route.methods());
                assert!(in_readme.iter().any(|line| line.starts_with(&row)), "the README lacks this row: {row}");
            }
        }
        assert_eq!(in_readme.len(), paths.len(), "the README has a row for a path that is not in the table");
    }

    #[test]
    fn an_unknown_path_is_told_what_there_is() {
        let message = nothing_here();
        for Route { path, .. } in ROUTES.iter().filter(|route| !matches!(route.who, OnPage(_) | SignedIn(_))) {
            let is_listed = path.split(['/', '.']).all(|part| message.contains(part));
            assert!(is_listed || path.contains('{') || path.starts_with("/api/rest.php/"), "{path}: {message}");
        }
    }

    #[test]
    fn fixed_parts_have_any_case_and_others_are_taken_as_they_are() {
        let path = |method: Method, path: &str| Found::of(&method, path).path();
        assert_eq!(path(Method::GET, "/V1/Employees/"), "/v1/employees");
        assert_eq!(path(Method::POST, "/v1/employees.CSV"), "/v1/employees.csv");
        assert_eq!(path(Method::GET, "/v1/employees/%2F/"), "/v1/employees/{id}");
        assert_eq!(path(Method::GET, "/v1/employees//"), "/v1/employees/{id}");
        assert_eq!(path(Method::GET, "/"), "/");
        for nothing in ["", "*", "v1/employees", "/v1", "/v1/employees//image", "/v1/employees.csv.gz"] {
            assert_eq!(path(Method::GET, nothing), "none", "{nothing}");
        }
        assert_eq!(Found::of(&Method::GET, "/v1/employees").push(), None);
        assert_eq!(Found::of(&Method::POST, "/v1/employees").push(), Some(Dialect::StartExam));
        assert_eq!(Found::of(&Method::PUT, "/v1/employees").push(), None);
    }
}
