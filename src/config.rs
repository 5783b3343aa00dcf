//! The configuration file: TOML. Every option of the program has a place in it, and a key that is not known is an error.

use crate::limits::Limits;
use ipnet::IpNet;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What the file says; what is typed and what the environment says goes before it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub listen: Option<SocketAddr>,
    /// Where the metrics are served.
    pub metrics: Option<SocketAddr>,
    /// The folder of the store.
    pub data: Option<PathBuf>,
    /// The file of the server key.
    pub key_file: Option<PathBuf>,
    /// The folder of the profiles.
    pub profiles: Option<PathBuf>,
    /// The proxies whose `X-Forwarded-For` is believed: addresses, or networks like `10.0.0.0/8`.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// How log lines are written.
    pub log: Option<LogFormat>,
    /// The limits of the server.
    #[serde(default)]
    pub limits: Limits,
    /// What `rollcall push` does.
    #[serde(default)]
    pub push: PushConfig,
    /// What `rollcall demo` does.
    #[serde(default)]
    pub demo: DemoConfig,
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
    /// Columns that have another heading in the file: heading = name.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// Whose columns a CSV has.
    pub columns: Option<ColumnsOf>,
    /// The sheet of a workbook to push.
    pub sheet: Option<String>,
    /// Whether the answer is printed as the server sent it.
    pub json: Option<bool>,
}

/// Whose columns a CSV has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ColumnsOf {
    /// LMS Collaborator's: known by their position, or by name in a header that begins with uid.
    Collaborator,
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
    /// A JSON object a line.
    Json,
}

/// Reads the file; the error names the file and the line.
pub fn read(file: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let config: Config = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    match config.limits.zero() {
        Some(limit) => Err(format!("{}: [limits] {limit} must be at least 1", file.display())),
        None => Ok(config),
    }
}
