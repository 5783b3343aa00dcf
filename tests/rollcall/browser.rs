//! The page in a real browser: Chromium without a window, driven by WebDriver. Left out by name if the machine has no `chromedriver`.
//!
//! `ROLLCALL_AXE` names the file `axe.min.js` of the package axe-core, by which every screen is checked for accessibility.

use super::page::{held, invite, user};
use super::world::World;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery";

/// What Chromium is started with: no window, and nothing that asks the network by itself.
const OPTIONS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
];

/// A browser, and the driver that it hangs on.
struct Browser {
    client: Client,
    driver: Child,
    _folder: TempDir,
}

impl Browser {
    /// Starts one; `None` if the machine has none. `dark` is what the person prefers.
    async fn start(dark: bool) -> Option<Browser> {
        let Ok(mut driver) =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
        else {
            eprintln!("left out: chromedriver is not on this machine");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver says its port").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let mut options: Vec<String> = OPTIONS.map(str::to_owned).into();
        options.push(format!("--user-data-dir={}", folder.path().display()));
        options.extend(dark.then(|| "--force-dark-mode".to_owned()));
        let capabilities = json!({ "goog:chromeOptions": { "args": options } });
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let client = builder.connect(&format!("http://127.0.0.1:{port}")).await.unwrap();
        Some(Browser { client, driver, _folder: folder })
    }

    async fn stop(mut self) {
        self.client.clone().close().await.unwrap();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }

    async fn click(&self, css: &str) {
        self.client.wait().for_element(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    async fn write(&self, css: &str, text: &str) {
        self.client.wait().for_element(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Waits until the heading has a text.
    async fn heading(&self, text: &str) {
        let heading = format!("//h1[contains(., \"{text}\")]");
        let found = self.client.wait().for_element(Locator::XPath(&heading)).await;
        assert!(found.is_ok(), "{text}: {}", self.client.source().await.unwrap());
    }

    async fn text(&self) -> String {
        self.client.find(Locator::Css("main")).await.unwrap().text().await.unwrap()
    }

    /// Presses the tabulator until what has the focus has a text, then Enter.
    async fn press(&self, text: &str) {
        for _ in 0..60 {
            self.keys(Key::Tab.into()).await;
            let focused = self.client.active_element().await.unwrap();
            if focused.text().await.unwrap().contains(text) {
                return self.keys(Key::Enter.into()).await;
            }
        }
        panic!("{text} cannot be reached by the keyboard: {}", self.client.source().await.unwrap());
    }

    async fn keys(&self, key: char) {
        self.client.active_element().await.unwrap().send_keys(&key.to_string()).await.unwrap();
    }

    /// Checks the screen for what axe-core finds: nothing.
    async fn check(&self, axe: Option<&str>) {
        let Some(axe) = axe else { return };
        self.client.execute(axe, Vec::new()).await.unwrap();
        let script = "const done = arguments[arguments.length - 1];
            axe.run().then(found => done(found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' '))));";
        let violations = self.client.execute_async(script, Vec::new()).await.unwrap();
        assert_eq!(violations, json!([]), "{}", self.client.current_url().await.unwrap());
    }

    /// Chooses a password by a link, and is signed in.
    async fn join(&self, world: &World, link: &str) {
        self.client.goto(&format!("http://{}{link}", world.address)).await.unwrap();
        self.write("#password", PASSWORD).await;
        self.write("#again", PASSWORD).await;
        self.click("button.main").await;
    }
}

/// Runs a test in a browser, if there is one.
fn in_browser<F: AsyncFnOnce(&Browser)>(dark: bool, test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(browser) = Browser::start(dark).await {
            test(&browser).await;
            browser.stop().await;
        }
    });
}

fn axe() -> Option<String> {
    let file = std::env::var_os("ROLLCALL_AXE").map(PathBuf::from);
    if file.is_none() {
        eprintln!("left out: ROLLCALL_AXE does not name axe.min.js");
    }
    file.map(|file| std::fs::read_to_string(file).unwrap())
}

#[test]
fn a_held_push_is_released_and_undone_by_the_keyboard_alone() {
    let (world, _) = held();
    let link = invite(&world, "ada@example.com", "99", "release");
    in_browser(false, async |browser| {
        browser.client.goto(&format!("http://{}{link}", world.address)).await.unwrap();
        browser.heading("Welcome").await;
        // The first field has the focus.
        for text in [PASSWORD, "\u{e004}", PASSWORD, "\u{e007}"] {
            browser.client.active_element().await.unwrap().send_keys(text).await.unwrap();
        }
        browser.heading("(99)").await;
        browser.press("Look at it").await;
        browser.heading("A push that is held").await;
        assert!(browser.text().await.contains("Guards that stopped it"));
        browser.press("Release…").await;
        browser.press("Yes, release: 2 hidden").await;
        browser.heading("Revision 2").await;
        assert!(browser.text().await.contains("ada@example.com applied plan"));
        browser.press("Undo this sync…").await;
        browser.press("Make the plan").await;
        browser.heading("Undo of revision 2").await;
        browser.press("Apply…").await;
        browser.press("Yes, apply: 2 activated").await;
        browser.heading("Revision 3").await;
    });
    if std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("chromedriver").exists()))
    {
        assert_eq!(world.get("/v1/employees?status=active").json()["employees"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn axe_finds_nothing_on_any_screen() {
    let axe = axe();
    let (world, plan) = held();
    for (dark, name) in [(false, "ada"), (true, "bob")] {
        let link = invite(&world, name, "all", "administrator");
        in_browser(dark, async |browser| {
            for path in ["/sign-in", link.as_str()] {
                browser.client.goto(&format!("http://{}{path}", world.address)).await.unwrap();
                browser.check(axe.as_deref()).await;
            }
            browser.join(&world, &link).await;
            browser.heading("Accounts").await;
            let prefers =
                browser.client.execute("return matchMedia('(prefers-color-scheme: dark)').matches", Vec::new()).await;
            assert_eq!(prefers.unwrap(), Value::Bool(dark));
            for path in screens(&plan) {
                browser.client.goto(&format!("http://{}{path}", world.address)).await.unwrap();
                browser
                    .client
                    .execute("document.querySelectorAll('details').forEach(one => one.open = true)", Vec::new())
                    .await
                    .unwrap();
                browser.check(axe.as_deref()).await;
            }
        });
    }
}

/// Every screen, of an account of which a push is held.
fn screens(plan: &str) -> [String; 6] {
    [
        "/".into(),
        "/accounts/99".into(),
        "/accounts/99/syncs/1".into(),
        format!("/accounts/99/plans/{plan}"),
        "/accounts/99/people/1".into(),
        "/accounts/7".into(),
    ]
}

/// Writes a picture of every screen, light and dark, wide and as narrow as a phone, to `target/screenshots`.
#[test]
#[ignore = "pictures for people to look at"]
fn screenshots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let (world, plan) = held();
    user(&world, &["add", "ada", "--account", "all", "--role", "administrator"]);
    for (dark, width, name) in [(false, 1200, "light"), (true, 1200, "dark"), (false, 390, "narrow")] {
        let link = user(&world, &["invite", "ada", "--url", ""]).lines().next().unwrap().to_owned();
        in_browser(dark, async |browser| {
            browser.join(&world, &link).await;
            browser.heading("Accounts").await;
            for (place, path) in screens(&plan).iter().enumerate() {
                browser.client.set_window_size(width, 900).await.unwrap();
                browser.client.goto(&format!("http://{}{path}", world.address)).await.unwrap();
                let height =
                    browser.client.execute("return document.documentElement.scrollHeight", Vec::new()).await.unwrap();
                browser
                    .client
                    .set_window_size(width, u32::try_from(height.as_u64().unwrap()).unwrap() + 100)
                    .await
                    .unwrap();
                let picture = browser.client.screenshot().await.unwrap();
                std::fs::write(folder.join(format!("{name}-{place}.png")), picture).unwrap();
            }
        });
    }
}
