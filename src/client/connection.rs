//! How the client connects: its limits of time, the environment's proxy, and what a broken connection means.

use std::fmt;
use std::io;
use std::time::Duration;
use ureq::http::Uri;
use ureq::{Agent, Error, Proxy, Timeout};

/// The time limit for finding the server's address, and again for connecting to it, TLS and proxy included, in seconds.
const CONNECT_SECONDS_MAX: u64 = 30;

/// The longest pause in which the server accepts no byte of a body, in seconds. Because the system's own buffers still accept some, it
/// can take three times as long until a server that has stopped is noticed.
const SEND_PAUSE_SECONDS_MAX: u64 = 30;

/// The environment variables that name a proxy. The first that is set wins.
const PROXY_VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Returns an HTTP client that waits at most `answer` for the answer once a request has been sent.
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

/// How much of a body was sent before the connection broke, which decides whether the push may have been applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// None of it.
    Nothing,
    /// Some of it. A server applies nothing of an incomplete body.
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
    /// How much of the body was sent.
    pub sent: Sent,
    /// Whether another attempt may succeed although nobody changes anything.
    pub transient: bool,
    /// How many attempts there were.
    pub tries: u32,
    what: String,
}

/// Returns the number of attempts for the end of a message, as in ` (tried 3 times)`, or nothing if there was one.
pub fn tried(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}

impl Broken {
    /// Explains `error`, which ended a request to `url` after `sent` of it; `answer` is the time limit for the answer.
    pub fn new(url: &str, error: &Error, sent: Sent, answer: Duration) -> Broken {
        let (what, transient) = explain(url, error, answer);
        let proxy = proxy(url).map(|proxy| format!(" (through {proxy})")).unwrap_or_default();
        Broken { url: url.to_owned(), sent, transient, tries: 1, what: what + &proxy }
    }
}

/// Returns what happened, and whether it may be different the next time.
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

/// Returns the proxy that requests to `url` pass through and the variable that names it, without user name and password, or `None` if
/// there is no proxy or `NO_PROXY` exempts the host.
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
