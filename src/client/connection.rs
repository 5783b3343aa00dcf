//! How the client connects: its limits of time, the environment's proxy, and what a broken connection means.

use std::fmt;
use std::io;
use std::time::Duration;
use ureq::http::Uri;
use ureq::{Agent, Error, Proxy, Timeout};

/// How long finding the server's address may take, and then connecting to it, TLS and proxy included, in seconds.
const CONNECT_SECONDS_MAX: u64 = 30;

/// The longest time in which the server takes no byte of a body that is being sent, in seconds. The system's own buffers go on taking
/// a little at first, so that a server which has stopped is noticed after up to three times as long.
const SEND_PAUSE_SECONDS_MAX: u64 = 30;

/// The variables of the environment that name a proxy, the first one that is set winning.
const PROXY_VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// A client that waits at most `answer` for the answer to a request that has been sent.
pub fn agent(answer: Duration) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_resolve(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
        .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
        .timeout_per_write(Some(Duration::from_secs(SEND_PAUSE_SECONDS_MAX)))
        .timeout_recv_response(Some(answer))
        .timeout_recv_body(Some(answer))
        .build()
        .into()
}

/// How much of a body had left when the connection broke, which says whether the push may have been applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// None of it.
    Nothing,
    /// Some of it. A server applies nothing of a body that is cut.
    Part {
        /// How many bytes.
        bytes: u64,
        /// How many there are.
        length: u64,
    },
    /// All of it, in this attempt or in an earlier one.
    All,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sent::Nothing => write!(f, "nothing was sent"),
            Sent::Part { bytes, length } => {
                write!(f, "{bytes} of {length} bytes were sent, so nothing was applied; push the file again")
            }
            Sent::All => write!(
                f,
                "the whole push was sent, so it may have been applied; push the file again: a second time does no harm"
            ),
        }
    }
}

/// Why a request to `url` got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {what}{}; {sent}", tried(*tries))]
pub struct Broken {
    /// The URL.
    pub url: String,
    /// How much of the body had left.
    pub sent: Sent,
    /// Whether the next attempt may succeed without anybody changing anything.
    pub transient: bool,
    /// How many attempts there were.
    pub tries: u32,
    what: String,
}

/// How many attempts there were, for the end of a message; nothing if there was one.
pub fn tried(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}

impl Broken {
    /// What `error` means for a request to `url`, `sent` of which had left, and whose answer was waited for `answer`.
    pub fn new(url: &str, error: &Error, sent: Sent, answer: Duration) -> Broken {
        let (what, transient) = explain(url, error, answer);
        let proxy = proxy(url).map(|proxy| format!(" (through {proxy})")).unwrap_or_default();
        Broken { url: url.to_owned(), sent, transient, tries: 1, what: what + &proxy }
    }
}

/// What happened, and whether it may be different the next time.
fn explain(url: &str, error: &Error, answer: Duration) -> (String, bool) {
    let tls = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    match error {
        Error::Timeout(Timeout::Resolve) => {
            (format!("the address of the host was not found within {CONNECT_SECONDS_MAX} seconds"), true)
        }
        Error::Timeout(Timeout::Connect) => {
            (format!("there was no connection within {CONNECT_SECONDS_MAX} seconds"), true)
        }
        Error::Timeout(Timeout::RecvResponse | Timeout::RecvBody) => {
            (format!("there was no answer within {} seconds (--timeout)", answer.as_secs()), true)
        }
        Error::Timeout(_) => (format!("the server took no bytes for {SEND_PAUSE_SECONDS_MAX} seconds"), true),
        Error::HostNotFound => ("there is no host of this name".into(), true),
        Error::Io(error) if error.to_string().contains("Name or service not known") => {
            ("there is no host of this name".into(), true)
        }
        // This is how rustls reads a plain answer.
        Error::Io(error) if tls && error.to_string().contains("InvalidContentType") => {
            let advice = "the port does not speak TLS; write http:// instead of https://, or the port that speaks TLS";
            (advice.into(), false)
        }
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => (format!("TLS failed: {error}"), false),
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            ("nobody listens there (connection refused); is the server running, and is the port right?".into(), true)
        }
        Error::Io(error) => (format!("the connection broke: {error}"), true),
        Error::Protocol(_) if !tls => {
            let advice =
                "what answers there does not speak HTTP; if it is a port for TLS, write https:// instead of http://";
            (advice.into(), false)
        }
        Error::ConnectProxyFailed(reason) => (format!("the proxy makes no connection: {reason}"), false),
        error => (error.to_string(), false),
    }
}

/// The proxy that requests to `url` pass through, and the variable that names it; `None` if there is none, or if `NO_PROXY`
/// exempts the host. A user name and a password are left out.
pub fn proxy(url: &str) -> Option<String> {
    let proxy = Proxy::try_from_env()?;
    if url.parse::<Uri>().is_ok_and(|uri| proxy.is_no_proxy(&uri)) {
        return None;
    }
    let is_set = |name: &&&str| std::env::var(name).is_ok_and(|value| Proxy::new(&value).is_ok());
    let variable = PROXY_VARIABLES.iter().find(is_set)?;
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    Some(format!("the proxy {scheme}://{}:{} of {variable}; NO_PROXY exempts hosts", proxy.host(), proxy.port()))
}
