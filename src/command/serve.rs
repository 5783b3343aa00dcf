//! `rollcall serve`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, setting};
use crate::config::{Address, Config, LogFormat};
use crate::server::{self, Server};
use crate::store::{OpenError, Profiles, Reading, Store};
use clap::Args;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};

/// Run the server
///
/// SIGTERM and SIGINT stop it gracefully: it accepts no new connections, and pushes under way finish within the limit
/// stop_seconds_max. SIGHUP makes it read the profiles again; if a file is broken, its last good version stays in force.
#[derive(Args)]
pub struct Serve {
    /// Where to listen: a host name or an address, and a port; all addresses of a name are listened on [default: 127.0.0.1:8080]
    #[arg(long, env = "ROLLCALL_LISTEN", value_name = "HOST:PORT")]
    listen: Option<Address>,
    /// Where to serve GET /metrics, for monitoring only: whoever reaches it learns the accounts' ids [default: nowhere]
    #[arg(long, env = "ROLLCALL_METRICS", value_name = "HOST:PORT")]
    metrics: Option<Address>,
    #[command(flatten)]
    store: StoreFolder,
    /// The folder of the profiles, one .toml file each [default: ./profiles]
    #[arg(long, env = "ROLLCALL_PROFILES", value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// The folder where a push waits that names its profile only at its end [default: the data folder]
    #[arg(long, env = "ROLLCALL_SPOOL", value_name = "DIR")]
    spool: Option<PathBuf>,
    /// The form of the log, which goes to the standard error [default: text]
    #[arg(long, env = "ROLLCALL_LOG", value_enum)]
    log: Option<LogFormat>,
}

impl Serve {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let listen = setting(self.listen, config.listen.clone(), || Address::local(DEFAULT_PORT));
        let metrics = self.metrics.or(config.metrics.clone());
        let profiles = setting(self.profiles, config.profiles.clone(), || PathBuf::from("./profiles"));
        start_log(setting(self.log, config.log, || LogFormat::Text));
        server::raise_file_limit(&config.limits);
        let store = self.store.open(&config, IfMissing::Make)?;
        let data = store.dir().to_owned();
        let spool = setting(self.spool, config.spool, || data.clone());
        tempfile::tempfile_in(&spool).map_err(|error| Failed::refused(format!("{}: {error}", spool.display())))?;
        let (in_force, reading) = open_profiles(&store, &profiles)?;
        let server = Server::new(store, in_force, config.limits, config.trusted_proxies)?;
        let server = Arc::new(server.spooling_to(spool).telling_also(config.webhooks.allow));
        let runtime = runtime()?;
        let served = runtime.block_on(async {
            // Before it is logged that the server listens, since a signal may come right after that.
            let stop = told_to_stop()?;
            reload_on_hangup(&server)?;
            let listeners = bind(&listen).await?;
            let address = listeners[0].local_addr().map_err(Failed::refused)?;
            tracing::info!(data = %data.display(), profiles = %profiles.display(), "listening on http://{address}");
            for address in listeners.iter().skip(1).filter_map(|listener| listener.local_addr().ok()) {
                tracing::info!("listening on http://{address} too");
            }
            if let Some(metrics) = metrics {
                for listener in bind(&metrics).await? {
                    let address = listener.local_addr().map_err(Failed::refused)?;
                    tracing::info!("metrics on http://{address}/metrics");
                    tokio::spawn(server::serve_metrics(server.clone(), listener));
                }
            }
            server.log_profiles(&reading);
            tokio::spawn(server::warn_of_ends(server.clone()));
            server::serve(server.clone(), listeners, stop).await;
            if let Err(error) = server.leave() {
                tracing::error!("the data folder is left as a crash leaves it, which harms nothing: {error}");
            }
            tracing::info!("stopped");
            Ok(())
        });
        // A push that is still being written after the limit is abandoned as in a crash: nothing of it is stored.
        runtime.shutdown_background();
        served
    }
}

/// The port of a server if no other is named.
pub const DEFAULT_PORT: u16 = 8080;

pub fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    server::share_arenas();
    tokio::runtime::Runtime::new().map_err(Failed::refused)
}

/// How many connections may wait to be accepted. The client of one more tries again after a second. The system may allow fewer.
const WAITING_MAX: u32 = 4_096;

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// Listens on every address of `listen`, of which there must be at least one. With port 0 all listen on the same free port.
pub async fn bind(listen: &Address) -> Result<Vec<TcpListener>, Failed> {
    let failed = |error: io::Error| {
        Failed::Refused(format!("cannot listen on {listen}: {error}; choose another place with --listen, or --metrics"))
    };
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host(listen.as_str()).await.map_err(failed)?.collect();
    // So that 127.0.0.1 comes before ::1, as readers of the log expect. A hosts file may name an address twice.
    addresses.sort();
    addresses.dedup();
    let (mut listeners, mut unusable) = (Vec::<TcpListener>::new(), None);
    for mut address in addresses {
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr().map_err(failed)?.port());
        }
        match listen_on(address) {
            Ok(listener) => listeners.push(listener),
            // A name often has an IPv6 address although the machine has no IPv6.
            Err(error) if matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported) => {
                unusable = Some(error);
            }
            Err(error) => return Err(failed(error)),
        }
    }
    if listeners.is_empty() {
        return Err(failed(unusable.unwrap_or_else(|| io::Error::other("the name has no address"))));
    }
    Ok(listeners)
}

/// Takes what the files of a folder define into the store. The failure lists everything that is wrong with them.
pub fn open_profiles(store: &Store, dir: &Path) -> Result<(Profiles, Reading), Failed> {
    Profiles::open(store, dir).map_err(not_right)
}

/// Loads the profiles in force; the files of the folder are read only if no server has run on the store yet.
pub fn profiles_in_force(store: &Store, dir: &Path) -> Result<Profiles, Failed> {
    Profiles::of_store(store, dir).map_err(not_right)
}

/// Says why profiles could not be opened.
fn not_right(error: OpenError) -> Failed {
    match error {
        OpenError::Profiles(_) => Failed::Refused(format!("the profiles are not right:\n{error}")),
        OpenError::Store(error) => error.into(),
    }
}

/// Starts the log. `NO_COLOR`, set to anything, keeps colours out of it (no-color.org).
fn start_log(format: LogFormat) {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal() && !plain).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// Returns a future that is done when the process is told to stop.
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
fn reload_on_hangup(server: &Arc<Server>) -> Result<(), Failed> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).map_err(Failed::refused)?;
    // Weak, so that a server whose start fails is dropped together with its lock.
    let server = Arc::downgrade(server);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(server) = server.upgrade() {
                server.reload_profiles();
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn reload_on_hangup(_: &Arc<Server>) -> Result<(), Failed> {
    Ok(())
}
