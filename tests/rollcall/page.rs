//! The page, as a browser asks for it: signing in, what it shows, what its forms do, and what it refuses.

use super::world::{Answer, PEOPLE, Request, World, employee, rollcall};
use serde_json::json;
use std::cell::RefCell;

const PASSWORD: &str = "correct horse battery";

/// The profile of the other tests, with unique addresses, and a guard that stops a push that hides more than one.
fn people() -> String {
    let guarded = PEOPLE.replace("hide = \"off\"", "hide = { people = 1, percent = 0 }");
    guarded.replace("type = \"email\"", "type = \"email\"\n    unique = true")
}

/// Runs `rollcall user`, which must succeed, and returns what it prints.
#[track_caller]
fn user(world: &World, args: &[&str]) -> String {
    let mut command = rollcall();
    command.arg("user").args(args).args(["--data", &world.path("data")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Adds a user, and returns the path of the link.
fn invite(world: &World, name: &str, account: &str, role: &str) -> String {
    let printed = user(world, &["add", name, "--account", account, "--role", role, "--url", "http://localhost"]);
    printed.lines().next().unwrap().strip_prefix("http://localhost").unwrap().to_owned()
}

/// A browser: it keeps a cookie, and says where a form comes from.
struct Browser<'a> {
    world: &'a World,
    cookie: RefCell<Option<String>>,
}

impl<'a> Browser<'a> {
    fn new(world: &'a World) -> Browser<'a> {
        Browser { world, cookie: RefCell::new(None) }
    }

    /// Somebody who has just chosen a password.
    fn of(world: &'a World, name: &str, account: &str, role: &str) -> Browser<'a> {
        let browser = Browser::new(world);
        let joined = browser.post(&invite(world, name, account, role), &[("password", PASSWORD), ("again", PASSWORD)]);
        assert_eq!((joined.status, joined.header("location").as_deref()), (303, Some("/")), "{}", joined.text);
        browser
    }

    fn request(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Request {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = vec![("Host".to_owned(), "localhost".to_owned())];
        if method == "POST" {
            headers.push(("Origin".into(), "http://localhost".into()));
            headers.push(("Sec-Fetch-Site".into(), "same-origin".into()));
            headers.push(("Content-Length".into(), body.len().to_string()));
        }
        headers.extend(self.cookie.borrow().iter().map(|cookie| ("Cookie".to_owned(), cookie.clone())));
        Request { method: method.into(), path: path.into(), headers, body: body.into_bytes() }
    }

    fn send(&self, request: &Request) -> Answer {
        let answer = request.send(self.world);
        if let Some(cookie) = answer.header("set-cookie") {
            *self.cookie.borrow_mut() = Some(cookie.split(';').next().unwrap().to_owned());
        }
        answer
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&self.request("GET", path, &[]))
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(&self.request("POST", path, form))
    }

    /// Sends a form that must lead to another screen, and returns its URL.
    #[track_caller]
    fn submit(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.post(path, form);
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.header("location").unwrap()
    }

    /// Asks for a screen that must be there.
    #[track_caller]
    fn screen(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    }
}

fn three(world: &World, status: &str) -> Answer {
    world.push_employees(json!([
        employee("1", status, &[("First Name", "Ada"), ("Email", "ada@example.com")]),
        employee("2", status, &[("First Name", "Bob"), ("Email", "bob@example.com")]),
        employee("3", "active", &[("First Name", "Cy"), ("Email", "cy@example.com")]),
    ]))
}

/// A world in which a push is held that would hide two of three, and the id of its plan.
fn held() -> (World, String) {
    let world = World::with(&people(), "");
    assert_eq!(three(&world, "active").counts(), [3, 0, 0, 0, 0]);
    let held = three(&world, "hidden");
    assert_eq!(held.status, 409, "{}", held.text);
    let plan = held.header("location").unwrap().strip_prefix("/v1/plans/").unwrap().to_owned();
    (world, plan)
}

#[test]
fn a_link_is_good_for_one_password() {
    let world = World::new();
    let link = invite(&world, "ada@example.com", "99", "read");
    let browser = Browser::new(&world);
    assert!(browser.screen(&link).contains("You sign in as <strong>ada@example.com</strong>"));
    for (password, again, says) in [
        ("short", "short", "12 characters or more"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "too easy to guess"),
        ("ada@example.com123", "ada@example.com123", "too easy to guess"),
        (PASSWORD, "correct horse battery!", "not the same"),
    ] {
        let answer = browser.post(&link, &[("password", password), ("again", again)]);
        assert!(answer.status == 400 && answer.text.contains(says), "{says}: {}", answer.text);
    }
    let joined = browser.post(&link, &[("password", PASSWORD), ("again", PASSWORD)]);
    assert_eq!(joined.status, 303, "{}", joined.text);
    let cookie = joined.header("set-cookie").unwrap();
    for attribute in ["__Host-rollcall=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(browser.get("/").header("location").as_deref(), Some("/accounts/99"));
    assert_eq!(Browser::new(&world).get(&link).status, 404);
    let again = Browser::new(&world).post(&link, &[("password", PASSWORD), ("again", PASSWORD)]);
    assert!(again.status == 404 && again.text.contains("This link was used already"), "{}", again.text);
    // Neither the link nor the password is in the log.
    let log = world.log();
    assert!(!log.contains(link.strip_prefix("/join/").unwrap()) && !log.contains("horse"), "{log}");
}

#[test]
fn sessions_begin_and_end() {
    let world = World::new();
    let first = Browser::of(&world, "ada", "99", "read");
    let stale = first.cookie.borrow().clone();

    let browser = Browser::new(&world);
    let asked = browser.get("/accounts/99");
    assert_eq!((asked.status, asked.header("location").as_deref()), (303, Some("/sign-in?next=%2Faccounts%2F99")));
    let wrong = browser.post("/sign-in", &[("name", "ada"), ("password", "not this one, surely")]);
    assert!(wrong.status == 403 && wrong.text.contains("No user has this name and password"), "{}", wrong.text);
    let nobody = browser.post("/sign-in", &[("name", "bob"), ("password", PASSWORD)]);
    assert_eq!(nobody.text.replace("bob", "ada"), wrong.text, "names of users are not given away");

    // A cookie that somebody has planted is not the session's afterwards.
    *browser.cookie.borrow_mut() = Some("__Host-rollcall=planted".into());
    let form = [("name", "ADA"), ("password", PASSWORD), ("next", "/accounts/99")];
    assert_eq!(browser.submit("/sign-in", &form), "/accounts/99");
    assert_ne!(browser.cookie.borrow().as_deref(), Some("__Host-rollcall=planted"));
    browser.screen("/accounts/99");

    assert_eq!(browser.submit("/sign-out", &[]), "/sign-in");
    *browser.cookie.borrow_mut() = stale.clone();
    browser.screen("/accounts/99");
    assert_eq!(user(&world, &["sign-out", "ada"]), "1 sessions of ada ended\n");
    assert_eq!(browser.get("/accounts/99").status, 303);

    let again = Browser::new(&world);
    again.submit("/sign-in", &form);
    user(&world, &["remove", "ada"]);
    assert_eq!(again.get("/accounts/99").status, 303);
    assert!(user(&world, &["list"]).lines().count() == 1);
}

#[test]
fn passwords_cannot_be_guessed() {
    let world = World::new();
    Browser::of(&world, "ada", "99", "read");
    let browser = Browser::new(&world);
    let guess = |password: &str| browser.post("/sign-in", &[("name", "ada"), ("password", password)]);
    for _ in 0..10 {
        assert_eq!(guess("a guess of somebody").status, 403);
    }
    let too_many = guess(PASSWORD);
    assert!(too_many.status == 429 && too_many.header("retry-after").is_some(), "{}", too_many.text);
    assert!(too_many.text.contains("Too many attempts") || too_many.text.contains("too many attempts"));
}

#[test]
fn signing_in_leads_nowhere_else() {
    let world = World::new();
    Browser::of(&world, "ada", "99", "read");
    for next in ["//example.com", "https://example.com", "/\\example.com", "javascript:alert(1)", "/a b"] {
        let form = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        assert_eq!(Browser::new(&world).submit("/sign-in", &form), "/", "{next}");
    }
}

#[test]
fn forms_come_from_the_page_itself() {
    let (world, plan) = held();
    let browser = Browser::of(&world, "ada", "99", "administrator");
    let path = format!("/accounts/99/plans/{plan}/apply");
    let request = || browser.request("POST", &path, &[]);
    for (what, forged) in [
        ("another origin", request().header("Origin", "http://example.com")),
        ("no origin", request().without("Origin").without("Sec-Fetch-Site")),
        ("an opaque origin", request().header("Origin", "null")),
        ("another site", request().header("Sec-Fetch-Site", "cross-site")),
        ("another subdomain", request().header("Sec-Fetch-Site", "same-site")),
    ] {
        let answer = browser.send(&forged);
        assert!(answer.status == 403 && answer.text.contains("was not sent by a screen"), "{what}: {}", answer.text);
    }
    let joining = browser.request("POST", "/sign-in", &[]).header("Origin", "http://example.com");
    assert_eq!(browser.send(&joining).status, 403);
    assert_eq!(world.get("/v1/employees?status=active").json()["employees"].as_array().unwrap().len(), 3);
}

#[test]
fn a_held_push_is_understood_released_and_undone() {
    let (world, plan) = held();
    let browser = Browser::of(&world, "ada", "99", "release");
    let account = browser.screen("/accounts/99");
    assert!(account.contains("it would hide 2 of 3 active employees, and the guard hide lets 1 pass"), "{account}");
    let url = format!("/accounts/99/plans/{plan}");
    assert!(account.contains(&format!("href=\"{url}\"")), "{account}");

    let shown = browser.screen(&url);
    for part in [
        "A push that is held",
        "Yes, release: 2 hidden",
        "<td class=\"before\">active</td><td class=\"after\">hidden</td>",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(browser.submit(&format!("{url}/apply"), &[]), "/accounts/99/syncs/2");
    let sync = browser.screen("/accounts/99/syncs/2");
    assert!(sync.contains(&format!("ada applied plan {plan}")), "{sync}");
    assert_eq!(world.get("/v1/employees?status=active").json()["employees"].as_array().unwrap().len(), 1);
    assert!(browser.screen(&url).contains("It was applied as"));
    assert_eq!(browser.post(&format!("{url}/apply"), &[]).status, 410, "once");

    // Ada is found by her address, and the page says who let her go.
    let ada = browser.submit("/accounts/99/find", &[("sought", " ADA@example.com ")]);
    let ada = browser.screen(&ada);
    assert!(ada.contains("Employee 1") && ada.contains("(by plan)"), "{ada}");

    let undo = browser.submit("/accounts/99/syncs/2/undo", &[]);
    assert!(browser.screen(&undo).contains("Yes, apply: 2 activated"));
    assert_eq!(browser.submit(&format!("{undo}/apply"), &[]), "/accounts/99/syncs/3");
    assert_eq!(world.get("/v1/employees?status=active").json()["employees"].as_array().unwrap().len(), 3);
    assert!(browser.screen("/accounts/99").contains("ada made the plan"));
}

#[test]
fn an_undo_shows_who_was_changed_since() {
    let world = World::with(&people(), "");
    let named = |name: &str| json!([employee("1", "active", &[("First Name", name)])]);
    for name in ["Ada", "Augusta", "Adele"] {
        assert_eq!(world.push_employees(named(name)).status, 200);
    }
    let browser = Browser::of(&world, "ada", "99", "release");
    let answer = browser.post("/accounts/99/syncs/2/undo", &[]);
    assert!(answer.status == 200 && answer.text.contains("changed again by revision 3"), "{}", answer.text);
    let plan = browser.submit("/accounts/99/syncs/2/undo", &[("anyway", "1")]);
    let changed = "<td class=\"before\">Adele</td><td class=\"after\">Ada</td>";
    assert!(browser.screen(&plan).contains(changed), "{}", browser.screen(&plan));
    assert_eq!(browser.submit(&format!("{plan}/discard"), &[]), "/accounts/99");
    assert!(browser.screen(&plan).contains("It was discarded"));
}

#[test]
fn nobody_sees_or_does_what_is_not_theirs() {
    let (world, plan) = held();
    world.add_account(7, "another secret of another account");
    let other = Browser::of(&world, "bob", "7", "administrator");
    for path in [
        "/accounts/99".into(),
        "/accounts/99/syncs/1".into(),
        "/accounts/99/people/1".into(),
        format!("/accounts/99/plans/{plan}"),
    ] {
        assert_eq!(other.get(&path).status, 404, "{path}");
        assert_eq!(
            other.get(&path.replace("99", "12345")).text,
            other.get(&path).text,
            "the account's existence is not told"
        );
        assert_eq!(other.get(&path.replace("/99", "/7")).status == 200, path == "/accounts/99", "{path}");
    }
    assert_eq!(other.post(&format!("/accounts/99/plans/{plan}/apply"), &[]).status, 404);
    assert_eq!(other.post(&format!("/accounts/7/plans/{plan}/apply"), &[]).status, 404);
    assert_eq!(other.get("/accounts/99/syncs/1/changes.csv").status, 404);

    let reader = Browser::of(&world, "cy", "99", "read");
    let shown = reader.screen(&format!("/accounts/99/plans/{plan}"));
    assert!(!shown.contains("Yes, release"), "{shown}");
    for action in ["apply", "discard"] {
        let answer = reader.post(&format!("/accounts/99/plans/{plan}/{action}"), &[]);
        assert!(answer.status == 403 && answer.text.contains("you have the role read"), "{}", answer.text);
    }
    assert_eq!(reader.post("/accounts/99/syncs/1/undo", &[]).status, 403);
    assert!(reader.get("/accounts/99/syncs/1/changes.csv").text.contains("ada@example.com"));

    let operator = Browser::of(&world, "op", "all", "read");
    let accounts = operator.screen("/");
    assert!(accounts.contains("/accounts/7") && accounts.contains("1 held"), "{accounts}");
    assert!(!operator.screen("/?find=99").contains("/accounts/7"));
    operator.screen("/accounts/7");
}

#[test]
fn what_people_are_called_is_text() {
    let evil = "<script>alert(1)</script>\"'&";
    let profile = people().replace("Last Name", "Last <script>Name");
    let world = World::with(&profile, "");
    let all = [("First Name", evil), ("Last <script>Name", evil)];
    assert_eq!(world.push_employees(json!([employee(evil, "active", &all)])).counts(), [1, 0, 0, 0, 0]);
    let browser = Browser::of(&world, evil, "99", "administrator");
    let found = browser.submit("/accounts/99/find", &[("sought", evil)]);
    assert_eq!(found, "/accounts/99/people/1", "no URL has a value of a person");
    let nobody = browser.post("/accounts/99/find", &[("sought", "<b>nobody")]);
    assert_eq!(nobody.status, 404);
    for screen in [
        browser.screen("/accounts/99"),
        browser.screen("/accounts/99/syncs/1"),
        browser.screen(&found),
        browser.get("/accounts/99/nothing").text,
        browser.get("/sign-in?next=%22%3E%3Cscript%3E").text,
        nobody.text,
    ] {
        assert!(!screen.contains("<script") && !screen.contains("<b>"), "{screen}");
        assert!(!screen.contains(" style=") && !screen.contains(" onclick="), "{screen}");
    }
}

#[test]
fn every_screen_keeps_browsers_to_itself() {
    let (world, plan) = held();
    let browser = Browser::of(&world, "ada", "99", "administrator");
    let plan = format!("/accounts/99/plans/{plan}");
    let mut bytes = 0;
    for path in [
        "/sign-in",
        "/accounts/99",
        "/accounts/99/syncs/1",
        "/accounts/99/people/1",
        &plan,
        "/accounts/7",
        "/page/none",
    ] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-frame-options").as_deref(), Some("DENY"), "{path}");
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"), "{path}");
        bytes = bytes.max(answer.bytes.len());
    }
    // What the first screen loads, all in all.
    let screen = browser.screen("/accounts/99");
    let links = screen.split("=\"/page/").skip(1).map(|link| format!("/page/{}", link.split('"').next().unwrap()));
    for link in links {
        let asset = browser.get(&link);
        assert_eq!((asset.status, asset.header("cache-control").unwrap().contains("immutable")), (200, true), "{link}");
        bytes += asset.bytes.len();
    }
    assert!(bytes < 100_000, "{bytes}");
}
