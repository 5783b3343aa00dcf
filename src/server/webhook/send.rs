//! Send: one attempt to deliver something. The answer's body is not read, no redirect is followed, and no proxy is used.

use crate::server::Server;
use crate::server::tell::address;
use crate::signature::webhook::sign;
use crate::store::{Attempt, DueDelivery};
use ipnet::IpNet;
use jiff::Timestamp;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// How long an attempt may take, from finding the address to the head of the answer.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// What receivers know the program by.
const USER_AGENT: &str = concat!("rollcall/", env!("CARGO_PKG_VERSION"));

/// Sends deliveries.
pub struct Sender {
    agent: Agent,
}

/// Finds the addresses of a host, and leaves out those that nothing may be sent to.
#[derive(Debug)]
struct CheckedResolver {
    inner: DefaultResolver,
    allow: Vec<IpNet>,
}

impl Sender {
    /// Makes a sender that may send to these networks, too, besides the internet.
    pub fn new(allow: Vec<IpNet>) -> Sender {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(USER_AGENT)
            .timeout_global(Some(ATTEMPT))
            .max_response_header_size(HEAD_BYTES_MAX)
            // Each attempt finds the address anew, and checks it.
            .max_idle_connections(0)
            .build();
        let resolver = CheckedResolver { inner: DefaultResolver::default(), allow };
        Sender { agent: Agent::with_parts(config, DefaultConnector::new(), resolver) }
    }

    /// Makes an attempt to deliver something.
    pub fn attempt(&self, server: &Server, due: &DueDelivery) -> Attempt {
        let began = Instant::now();
        let (status, failure) = match self.send(server, due) {
            Ok(status @ 200..300) => (Some(status), None),
            Ok(status @ 300..400) => (Some(status), Some("the receiver redirects, which is not followed".to_owned())),
            Ok(status) => (Some(status), Some(format!("the receiver answered {status}"))),
            Err(failure) => (None, Some(failure)),
        };
        Attempt { delivery: due.number, webhook: due.webhook, status, failure, took: began.elapsed() }
    }

    fn send(&self, server: &Server, due: &DueDelivery) -> Result<u16, String> {
        let now = Timestamp::now();
        let secrets = server.store.webhook_secrets(due.webhook, now).map_err(|error| {
            tracing::error!(account = due.account, webhook = due.webhook, "webhooks cannot be served: {error}");
            "the secret cannot be read; the log says why"
        })?;
        let signature = sign(&secrets, &due.message, now.as_second(), &due.payload);
        let signature = signature.filter(|signature| !signature.is_empty()).ok_or("the webhook has no secret")?;
        let request = self
            .agent
            .post(&due.url)
            .header("content-type", "application/json")
            .header("webhook-id", &due.message)
            .header("webhook-timestamp", now.as_second().to_string())
            .header("webhook-signature", signature);
        match request.send(due.payload.as_str()) {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) => Err(explain(&error)),
        }
    }
}

/// Returns what happened, without the URL, which may have a secret in it.
fn explain(error: &Error) -> String {
    match error {
        Error::Timeout(_) => format!("there was no answer within {} seconds", ATTEMPT.as_secs()),
        Error::HostNotFound => "there is no host of this name".into(),
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => "the connection was refused".into(),
        Error::Io(error) => error.to_string(),
        Error::Other(error) => error.to_string(),
        Error::Tls(what) => format!("TLS failed: {what}"),
        Error::Rustls(error) => format!("TLS failed: {error}"),
        Error::Protocol(_) | Error::Http(_) => "what answers does not speak HTTP".into(),
        Error::LargeResponseHeader(..) => format!("the head of the answer is longer than {HEAD_BYTES_MAX} bytes"),
        _ => "it could not be sent".into(),
    }
}

/// An address that nothing may be sent to.
#[derive(Debug)]
struct Forbidden(&'static str);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Forbidden {}

impl Resolver for CheckedResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let is_https = uri.scheme_str() == Some("https");
        let (mut good, mut forbidden) = (self.empty(), None);
        for found in &found {
            match address::check(found.ip(), is_https, &self.allow) {
                Ok(()) => good.push(*found),
                Err(what) => forbidden = Some(what),
            }
        }
        match forbidden {
            Some(what) if good.is_empty() => Err(Error::Other(Box::new(Forbidden(what)))),
            _ => Ok(good),
        }
    }
}
