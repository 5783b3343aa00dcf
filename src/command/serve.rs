//! `rollcall serve`

use super::{Failed, setting};
use crate::config::{Config, LogFormat};
use crate::profile::Folder;
use crate::server::{self, Server};
use crate::store::Store;
use clap::Args;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serve the endpoint
///
/// SIGTERM and SIGINT stop it gracefully: no new connections, and pushes under way finish within the limit stop_seconds_max.
/// SIGHUP reads the profiles again; where a file is broken, its last good version stays in force.
#[derive(Args)]
pub struct Serve {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, env = "ROLLCALL_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where to serve GET /metrics, for monitoring alone: whoever reaches it learns the accounts' ids [default: nowhere]
    #[arg(long, env = "ROLLCALL_METRICS", value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// The folder of the store; it is made where there is none [default: ./data]
    #[arg(long, env = "ROLLCALL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder of the profiles, a .toml file each [default: ./profiles]
    #[arg(long, env = "ROLLCALL_PROFILES", value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// How the log is written, to the standard error [default: text]
    #[arg(long, env = "ROLLCALL_LOG", value_enum)]
    log: Option<LogFormat>,
}

impl Serve {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let listen = setting(self.listen, config.listen, default_listen);
        let metrics = self.metrics.or(config.metrics);
        let data = setting(self.data, config.data, default_data);
        let profiles = setting(self.profiles, config.profiles, || PathBuf::from("./profiles"));
        start_log(setting(self.log, config.log, || LogFormat::Text));
        server::raise_file_limit(&config.limits);
        let server = Arc::new(Server::new(
            Store::open(&data, config.key_file.as_deref())?,
            open_profiles(&profiles)?,
            config.limits,
            config.trusted_proxies,
        )?);
        let runtime = runtime()?;
        let served = runtime.block_on(async {
            // A signal that comes as soon as it is known that the server listens must not be its end.
            let stop = told_to_stop()?;
            reload_on_hangup(server.clone())?;
            let listener = bind(listen).await?;
            let address = listener.local_addr().map_err(Failed::refused)?;
            tracing::info!(data = %data.display(), profiles = %profiles.display(), "listening on http://{address}");
            if let Some(metrics) = metrics {
                let listener = bind(metrics).await?;
                let address = listener.local_addr().map_err(Failed::refused)?;
                tracing::info!("metrics on http://{address}/metrics");
                tokio::spawn(server::serve_metrics(server.clone(), listener));
            }
            server.log_profiles();
            tokio::spawn(server::warn_of_ends(server.clone()));
            server::serve(server.clone(), listener, stop).await;
            if let Err(error) = server.leave() {
                tracing::error!("the data folder is left as a crash leaves it, which harms nothing: {error}");
            }
            tracing::info!("stopped");
            Ok(())
        });
        // A push that is still being written after the limit is given up, as by a crash: nothing of it is stored.
        runtime.shutdown_background();
        served
    }
}

pub fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

pub fn default_data() -> PathBuf {
    PathBuf::from("./data")
}

pub fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    server::share();
    tokio::runtime::Runtime::new().map_err(Failed::refused)
}

pub async fn bind(listen: SocketAddr) -> Result<TcpListener, Failed> {
    let bound = TcpListener::bind(listen).await;
    bound.map_err(|error| {
        Failed::Refused(format!("cannot listen on {listen}: {error}; choose another with --listen, or --metrics"))
    })
}

/// Opens a folder of profiles; the failure is all that is wrong with them.
pub fn open_profiles(dir: &Path) -> Result<Folder, Failed> {
    Folder::open(dir).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failed::Refused(format!("the profiles are not right:\n{}", errors.join("\n")))
    })
}

fn start_log(format: LogFormat) {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// Done when the process is told to stop.
#[cfg(unix)]
pub fn told_to_stop() -> Result<impl Future<Output = ()>, Failed> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Failed::refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failed::refused)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub fn told_to_stop() -> Result<impl Future<Output = ()>, Failed> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

#[cfg(unix)]
fn reload_on_hangup(server: Arc<Server>) -> Result<(), Failed> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).map_err(Failed::refused)?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            server.reload_profiles();
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn reload_on_hangup(_: Arc<Server>) -> Result<(), Failed> {
    Ok(())
}
