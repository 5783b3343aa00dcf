//! HTTP message signatures (RFC 9421) by HMAC-SHA256: unlike SharedKey they cover the query and, by its digest, the body.
//!
//! ```
//! use rollcall::signature::message::{Claim, Message, sign};
//!
//! let now = jiff::Timestamp::now();
//! let header = |name: &str| (name == "date").then(|| "Sat, 31 Jan 2026 06:00:00 GMT".to_owned());
//! let message = Message { method: "GET", path: "/v1/profiles", query: None, header: &header, has_body: false };
//! let signed = sign(&message, 99, now, "c2e1", b"secret");
//!
//! let claim = Claim::parse(&signed.input, &signed.signature)?;
//! assert_eq!((claim.account, claim.nonce.as_str()), (99, "c2e1"));
//! claim.check(now, message.has_body)?;
//! let base = claim.base(&message)?;
//! assert!(claim.verify(&base, b"secret") && !claim.verify(&base, b"another"));
//! # Ok::<(), String>(())
//! ```

use super::DATE_SECONDS_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Item, List, ListEntry, Parser};
use sha2::Sha256;
use std::fmt::Write as _;

/// The longest nonce, in bytes.
pub const NONCE_BYTES_MAX: usize = 255;

/// The most components that a signature may cover.
const COMPONENTS_MAX: usize = 50;

/// The components that a signature must cover.
const REQUIRED: [&str; 4] = ["@method", "@path", "@query", "date"];

/// What it must cover, too, if the request has a body.
const DIGEST: &str = "content-digest";

/// What a signature can cover of a request.
pub struct Message<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path, as it is sent.
    pub path: &'a str,
    /// The query, without its question mark, if there is one.
    pub query: Option<&'a str>,
    /// Returns the value of a header by its name in lower case; several lines of one header are joined by a comma and a space.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Whether it has a body.
    pub has_body: bool,
}

/// The values of the two headers of a signed request.
pub struct Signed {
    /// The value of `Signature-Input`.
    pub input: String,
    /// The value of `Signature`.
    pub signature: String,
}

/// What the two headers of a request claim.
pub struct Claim {
    /// The account that the request claims to come from: `keyid`.
    pub account: i64,
    /// What tells this request from every other.
    pub nonce: String,
    created: i64,
    expires: Option<i64>,
    covered: InnerList,
    signature: Vec<u8>,
}

impl Claim {
    /// Reads the values of `Signature-Input` and `Signature`, which have one signature. The error says what is wrong with them.
    pub fn parse(input: &str, signature: &str) -> Result<Claim, String> {
        let form = "it must read 'sig=(\"@method\" \"@path\" \"@query\" \"date\" \"content-digest\");created=…;keyid=\"…\";nonce=\"…\"'";
        let input: Dictionary = Parser::new(input).parse().map_err(|_| form)?;
        let signatures: Dictionary =
            Parser::new(signature).parse().map_err(|_| "Signature must read 'sig=:…base64…:'")?;
        let mut members = input.into_iter();
        let (Some((label, ListEntry::InnerList(covered))), None) = (members.next(), members.next()) else {
            return Err(form.into());
        };
        let Some(ListEntry::Item(Item { bare_item: BareItem::ByteSequence(signature), .. })) = signatures.get(&label)
        else {
            return Err("Signature must have a signature in base64 between colons, with the same label".into());
        };
        let text = |name: &str| match covered.params.get(name) {
            Some(BareItem::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let time = |name: &str| match covered.params.get(name) {
            Some(BareItem::Integer(seconds)) => Some(i64::from(*seconds)),
            _ => None,
        };
        if covered.params.contains_key("alg") && text("alg") != Some("hmac-sha256") {
            return Err("its alg must be \"hmac-sha256\"".into());
        }
        let account =
            text("keyid").and_then(|id| id.parse().ok()).ok_or("its keyid must be the account's id, in quotes")?;
        let created = time("created").ok_or("it must say when it was created, in seconds of Unix time")?;
        let nonce = text("nonce").filter(|nonce| (1..=NONCE_BYTES_MAX).contains(&nonce.len()));
        let nonce = nonce.ok_or_else(|| format!("it must have a nonce of 1 to {NONCE_BYTES_MAX} bytes"))?.to_owned();
        let expires = time("expires");
        if expires.is_none() && covered.params.contains_key("expires") {
            return Err("it must say when it expires in seconds of Unix time".into());
        }
        Ok(Claim { account, nonce, created, expires, signature: signature.clone(), covered })
    }

    /// Checks that the signature is of now, and covers what it must. The error says what is wrong.
    pub fn check(&self, now: Timestamp, has_body: bool) -> Result<(), String> {
        let covers = |name: &str| self.covered.items.iter().any(|item| component(item) == Some(name));
        let digest = has_body.then_some(DIGEST);
        if let Some(missing) = REQUIRED.into_iter().chain(digest).find(|name| !covers(name)) {
            return Err(format!("it must cover {missing:?}"));
        }
        let age = now.as_second().saturating_sub(self.created);
        match self.expires {
            _ if age > DATE_SECONDS_MAX => Err("it was created more than 15 minutes ago".into()),
            _ if age < -DATE_SECONDS_MAX => Err("it was created more than 15 minutes in the future".into()),
            Some(expires) if expires < now.as_second() => Err("it has expired".into()),
            _ => Ok(()),
        }
    }

    /// Returns the last second of Unix time at which the signature is good.
    pub fn good_until(&self) -> i64 {
        self.created.saturating_add(DATE_SECONDS_MAX)
    }

    /// Returns what the signature is of (RFC 9421, 2.5). The error names what is covered and is not there.
    pub fn base(&self, message: &Message) -> Result<String, String> {
        base(message, &self.covered)
    }

    /// Returns whether the signature is that of a base under `secret`. The time does not depend on how much of it is right.
    pub fn verify(&self, base: &str, secret: &[u8]) -> bool {
        mac(base, secret).verify_slice(&self.signature).is_ok()
    }
}

/// Signs a request for an account. `nonce` must be printable ASCII that no other request has. The message must have the headers `date`
/// and, with a body, `content-digest`.
pub fn sign(message: &Message, account: i64, created: Timestamp, nonce: &str, secret: &[u8]) -> Signed {
    let digest = message.has_body.then_some(DIGEST);
    let names: Vec<String> = REQUIRED.into_iter().chain(digest).map(|name| format!("{name:?}")).collect();
    let created = created.as_second();
    let input = format!(
        "sig=({});created={created};keyid=\"{account}\";alg=\"hmac-sha256\";nonce=\"{nonce}\"",
        names.join(" ")
    );
    let covered = Parser::new(&input).parse::<Dictionary>().ok().and_then(|members| members.into_values().next());
    let Some(ListEntry::InnerList(covered)) = covered else {
        unreachable!("it was written as a list");
    };
    let base = base(message, &covered).expect("a client's own message has what it signs");
    let signature = format!("sig=:{}:", STANDARD.encode(mac(&base, secret).finalize().into_bytes()));
    Signed { input, signature }
}

/// Returns the name of a covered component, or `None` if it has parameters, which are not understood.
fn component(item: &Item) -> Option<&str> {
    match &item.bare_item {
        BareItem::String(name) if item.params.is_empty() => Some(name.as_str()),
        _ => None,
    }
}

fn base(message: &Message, covered: &InnerList) -> Result<String, String> {
    if covered.items.len() > COMPONENTS_MAX {
        return Err(format!("it covers more than {COMPONENTS_MAX} components"));
    }
    let mut base = String::new();
    let mut seen = Vec::new();
    for item in &covered.items {
        let name = component(item).ok_or("it covers a component with parameters, which is not supported")?;
        if seen.contains(&name) {
            return Err("it covers a component twice".into());
        }
        seen.push(name);
        let value = match name {
            "@method" => message.method.to_owned(),
            "@path" => message.path.to_owned(),
            "@query" => format!("?{}", message.query.unwrap_or_default()),
            "@authority" => (message.header)("host").unwrap_or_default().to_ascii_lowercase(),
            _ if name.starts_with('@') => {
                return Err("it covers a derived component other than @method, @path, @query and @authority".into());
            }
            _ => (message.header)(name).ok_or("it covers a header that the request does not have")?,
        };
        writeln!(base, "{name:?}: {value}").expect("a string takes what is written to it");
    }
    let parameters: List = vec![ListEntry::InnerList(covered.clone())];
    let parameters = parameters.serialize().ok_or("it covers nothing")?;
    write!(base, "\"@signature-params\": {parameters}").expect("a string takes what is written to it");
    Ok(base)
}

fn mac(base: &str, secret: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(base.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 9421, B.2.5: HMAC-SHA256 by the shared secret of appendix B.1.5.
        let secret =
            STANDARD.decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==");
        let covered =
            "sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
        let covered = Parser::new(covered).parse::<Dictionary>().unwrap().into_values().next();
        let Some(ListEntry::InnerList(covered)) = covered else { panic!("a list") };
        let header = |name: &str| {
            Some(match name {
                "date" => "Tue, 20 Apr 2021 02:07:55 GMT".to_owned(),
                "host" => "example.com".to_owned(),
                _ => "application/json".to_owned(),
            })
        };
        let message = Message { method: "POST", path: "/foo", query: None, header: &header, has_body: true };
        let mac = mac(&base(&message, &covered).unwrap(), &secret.unwrap()).finalize().into_bytes();
        assert_eq!(STANDARD.encode(mac), "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
    }
}
