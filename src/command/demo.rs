//! `rollcall demo`

use super::push::send;
use super::refused::refused;
use super::serve::{DEFAULT_PORT, bind, open_profiles, runtime, told_to_stop};
use super::{Failed, out, setting};
use crate::client::{Body, Patience, Target};
use crate::config::{Address, Config};
use crate::dialect::Dialect;
use crate::role::Roles;
use crate::sample;
use crate::server::{self, Server};
use crate::store::{Credential, Store};
use crate::token;
use clap::Args;
use clap::builder::FalseyValueParser;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Start a server in a temporary folder, push an invented roster three times, and keep serving
///
/// It pushes as any client does: compressed, signed, over a socket. The folder is erased at the end.
#[derive(Args)]
pub struct Demo {
    /// How many employees to invent [default: 10000]
    #[arg(long, env = "ROLLCALL_EMPLOYEES", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    employees: Option<u64>,
    /// Where to listen: a host name or an address, and a port [default: 127.0.0.1:8080, or any free port with --once]
    #[arg(long, env = "ROLLCALL_LISTEN", value_name = "HOST:PORT")]
    listen: Option<Address>,
    /// Stop after the pushes
    #[arg(long, env = "ROLLCALL_ONCE", value_parser = FalseyValueParser::new())]
    once: bool,
}

const ACCOUNT: i64 = 99;

impl Demo {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let employees = setting(self.employees, config.demo.employees, || 10_000);
        let once = self.once || config.demo.once == Some(true);
        let default = || Address::local(if once { 0 } else { DEFAULT_PORT });
        let listen = setting(self.listen, config.listen, default);

        let folder = tempfile::Builder::new().prefix("rollcall-demo-").tempdir().map_err(Failed::refused)?;
        let profiles = folder.path().join("profiles");
        std::fs::create_dir(&profiles).map_err(Failed::refused)?;
        std::fs::write(profiles.join("employees.toml"), sample::PROFILE_TOML).map_err(Failed::refused)?;
        let secret = token::random().map_err(Failed::refused)?;
        let store = Store::open(&folder.path().join("data"), None)?;
        store.add_account(ACCOUNT, "demo", &secret, None)?;
        let keys = Keys::add(&store)?;
        server::raise_file_limit(&config.limits);
        let (in_force, _) = open_profiles(&store, &profiles)?;
        let server = Arc::new(Server::new(store, in_force, config.limits, Vec::new())?);

        runtime()?.block_on(async {
            let listeners = bind(&listen).await?;
            let url = format!("http://{}", listeners[0].local_addr().map_err(Failed::refused)?);
            let target = Target::new(&url, ACCOUNT, &secret).map_err(Failed::refused)?;
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let serving = tokio::spawn(server::serve(server, listeners, async { drop(stopped.await) }));
            out!("rollcall serves {url} from {}\n", folder.path().display())?;
            let pushed = tokio::task::spawn_blocking(move || push_three_times(&target, employees));
            pushed.await.map_err(Failed::refused)??;
            if !once {
                explain(&url, &secret, &keys, folder.path())?;
                told_to_stop()?.await;
            }
            drop(stop);
            serving.await.map_err(Failed::refused)
        })
    }
}

fn push_three_times(target: &Target, employees: u64) -> Result<(), Failed> {
    out!(
        "{:<24}{:>10}{:>10}{:>10}{:>10}{:>11}{:>10}{:>9}",
        "push",
        "created",
        "updated",
        "activated",
        "hidden",
        "unchanged",
        "MB",
        "seconds"
    )?;
    let unchanged = |number| match number % 1_000 {
        3 => (0, "hidden"),
        _ => (0, "active"),
    };
    push(target, "first load", 0..employees, unchanged)?;
    push(target, "the same again", 0..employees, unchanged)?;
    // In every thousand, one changes department, one leaves, one comes back, and one is new.
    let changed = |number| match number % 1_000 {
        1 => (1, "active"),
        2 => (0, "hidden"),
        _ => (0, "active"),
    };
    push(target, "a few changes", 0..employees + employees.div_ceil(1_000), changed)
}

fn push(
    target: &Target,
    name: &str,
    numbers: std::ops::Range<u64>,
    state: impl Fn(u64) -> (u32, &'static str),
) -> Result<(), Failed> {
    let body = Body::of(|out| sample::write_body(out, numbers, state)).map_err(Failed::refused)?;
    let started = Instant::now();
    let answer = send(target, &body, Patience::default(), false)?;
    let seconds = started.elapsed().as_secs_f64();
    if !answer.ok {
        return Err(refused(&answer, &body));
    }
    let counts = answer.counts().ok_or_else(|| Failed::Refused("the answer has no counts".into()))?;
    out!(
        "{name:<24}{:>10}{:>10}{:>10}{:>10}{:>11}{:>10.1}{seconds:>9.3}",
        counts.employees_created,
        counts.employees_data_updated,
        counts.employees_status_changed_to_active,
        counts.employees_status_changed_to_hidden,
        counts.employees_not_changed,
        body.length as f64 / 1e6,
    )?;
    Ok(())
}

/// The account's keys for the dialects other than StartExam's.
struct Keys {
    springest: String,
    collaborator: String,
    echospan: String,
}

impl Keys {
    fn add(store: &Store) -> Result<Keys, Failed> {
        let add = |dialect, token: Result<String, _>, client_id| {
            let token = token.map_err(Failed::refused)?;
            let credential = Credential::Token { dialect, hash: token::hash(&token), client_id, site: None };
            store.add_key(ACCOUNT, &credential, Roles::of(dialect.facts().roles.iter().copied()), None)?;
            Ok::<_, Failed>(token)
        };
        Ok(Keys {
            springest: add(Dialect::Springest, token::random(), None)?,
            collaborator: add(Dialect::Collaborator, token::random(), None)?,
            echospan: add(Dialect::EchoSpan, token::random_guid(), Some("1234"))?,
        })
    }
}

fn explain(url: &str, secret: &str, keys: &Keys, folder: &Path) -> Result<(), Failed> {
    let Keys { springest, collaborator, echospan } = keys;
    out!(
        "
The server keeps running until Ctrl-C; then its folder is erased. Push to it yourself:

    printf 'id,First Name,Last Name,Email\\n4711,Ada,Lovelace,ada@example.com\\n' > team.csv
    ROLLCALL_SECRET={secret} \\
      rollcall push team.csv --url {url} --account {ACCOUNT} --profile {profile}

In a checkout `rollcall` is `target/release/rollcall`. The profile is {profiles}: break one of
its rules, say with a wrong e-mail address or a birthday before 1900, and read the answer.

Keys of the account for the README's lines about other systems' clients (EchoSpan's client id is 1234):

    export ROLLCALL_URL={url} ROLLCALL_DATA={data}
    export SPRINGEST_KEY={springest}
    export COLLABORATOR_KEY={collaborator}
    export ECHOSPAN_KEY={echospan}",
        profile = sample::PROFILE_ID,
        data = folder.join("data").display(),
        profiles = folder.join("profiles/employees.toml").display(),
    )
}
