//! The configuration file: TOML. Every option of `serve`, `demo` and `push` has a place in it, and an unknown key is an error.

use crate::limits::Limits;
use crate::roster::Absent;
use crate::spelling;
use ipnet::IpNet;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the file says. Options and environment variables win over it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub listen: Option<Address>,
    /// Where the metrics are served.
    pub metrics: Option<Address>,
    /// The folder of the store.
    pub data: Option<PathBuf>,
    /// The file of the server key.
    pub key_file: Option<PathBuf>,
    /// The folder where a body waits whose profile is not known before its end.
    pub spool: Option<PathBuf>,
    /// The folder of the profiles.
    pub profiles: Option<PathBuf>,
    /// The proxies whose `X-Forwarded-For` is trusted: addresses, or networks like `10.0.0.0/8`.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// How log lines are written.
    pub log: Option<LogFormat>,
    /// The limits of the server.
    #[serde(default)]
    pub limits: Limits,
    /// What holds for webhooks.
    #[serde(default)]
    pub webhooks: WebhooksConfig,
    /// What `rollcall push` does.
    #[serde(default)]
    pub push: PushConfig,
    /// What `rollcall demo` does.
    #[serde(default)]
    pub demo: DemoConfig,
}

/// The `[webhooks]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// The private addresses and networks, like `10.0.0.0/8`, that webhooks may lead to; also by `http://`.
    #[serde(default)]
    pub allow: Vec<IpNet>,
}

/// The `[push]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushConfig {
    /// The server.
    pub url: Option<String>,
    /// The account to push for.
    pub account: Option<i64>,
    /// The profile to check by.
    pub profile: Option<String>,
    /// The environment variable that holds the secret.
    pub secret_env: Option<String>,
    /// What headings of the file mean if not what they say: heading = name.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// Whose columns a CSV has.
    pub columns: Option<ColumnsOf>,
    /// Whether a CSV of LMS Collaborator's may empty the fields that it has no column for.
    pub empty_missing: Option<bool>,
    /// The sheet of a workbook to push.
    pub sheet: Option<String>,
    /// Whether the answer is printed as the server sent it.
    pub json: Option<bool>,
    /// Whether the push is applied without the employees that the server rejects.
    pub lenient: Option<bool>,
    /// Where those are written.
    pub rejects: Option<PathBuf>,
    /// What becomes of employees whom the file does not have.
    pub absent: Option<AbsentAre>,
    /// How requests are signed.
    pub sign: Option<Sign>,
    /// The time limit for the answer once the body has been sent, in seconds.
    pub timeout_seconds: Option<u32>,
    /// How often a push is sent again after a failure that may pass.
    pub retry: Option<u32>,
    /// Whether only errors are printed.
    pub quiet: Option<bool>,
}

/// Whose columns a CSV has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ColumnsOf {
    /// LMS Collaborator's: known by their position, or by name if the header begins with uid.
    Collaborator,
}

/// What becomes of employees whom a list does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AbsentAre {
    /// They are hidden.
    Hide,
    /// They stay as they are stored.
    Keep,
}

impl From<AbsentAre> for Absent {
    fn from(absent: AbsentAre) -> Absent {
        match absent {
            AbsentAre::Hide => Absent::Hide,
            AbsentAre::Keep => Absent::Stay,
        }
    }
}

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// By SharedKey, which covers the head.
    SharedKey,
    /// By RFC 9421, which covers the query and the digest of the body, too.
    Rfc9421,
}

/// The `[demo]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoConfig {
    /// How many employees the demo makes.
    pub employees: Option<u64>,
    /// Whether it stops after its pushes.
    pub once: Option<bool>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// As one JSON object on each line.
    Json,
}

/// Where to listen: a host name or an address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(String);

impl Address {
    /// Returns the address of a port of 127.0.0.1; 0 means any free port.
    pub fn local(port: u16) -> Address {
        Address(SocketAddr::from(([127, 0, 0, 1], port)).to_string())
    }

    /// Returns the address as it was written, `host:port`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let is_host = |host: &str| match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '/', '[', ']', ' ']),
        };
        match text.rsplit_once(':') {
            Some((host, port)) if is_host(host) && port.parse::<u16>().is_ok() => Ok(Address(text.to_owned())),
            _ => Err("it must be a host and a port, like 127.0.0.1:8080, localhost:8080 or [::1]:8080".into()),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Address, String> {
        text.parse()
    }
}

/// Reads a configuration file. The error names the file and the line, and suggests what an unknown key or value was meant to be.
pub fn read(file: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let config: Config = toml::from_str(&text).map_err(|error| {
        let meant = spelling::suggestion(error.message());
        let meant = meant.map(|name| format!("did you mean `{name}`?\n")).unwrap_or_default();
        format!("{}: {error}{meant}", file.display())
    })?;
    match config.limits.zero() {
        Some(limit) => Err(format!("{}: [limits] {limit} must be at least 1", file.display())),
        None => Ok(config),
    }
}
