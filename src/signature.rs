//! SharedKey: how a request is signed, and how its signature is verified.
//!
//! ```text
//! StringToSign = VERB + " " + CanonicalPath + " " + Date + " " + Content-Length
//! Signature    = Base64( HMAC-SHA256( key = the secret's bytes, message = UTF-8(StringToSign) ) )
//! ```
//!
//! A client signs the head of its request, and the server verifies it:
//!
//! ```
//! use rollcall::signature::{Head, check_date, format_date, parse_authorization};
//!
//! let now = jiff::Timestamp::now();
//! let date = format_date(now);
//! let head = Head { verb: "POST", path: "/v1/employees", date: &date, content_length: "744" };
//! let header = format!("SharedKey 99:{}", head.sign(b"secret"));
//!
//! let authorization = parse_authorization(&header)?;
//! assert_eq!(authorization.account, 99);
//! assert!(head.verify(b"secret", &authorization.signature));
//! assert!(!head.verify(b"another", &authorization.signature));
//! check_date(&date, now)?;
//! # Ok::<(), &str>(())
//! ```

pub mod message;
pub mod webhook;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

/// How far the `Date` of a request may be from the server's clock, in either direction, in seconds.
pub const DATE_SECONDS_MAX: i64 = 15 * 60;

/// What a signature covers: the head of a request, never its body.
pub struct Head<'a> {
    /// The method, in upper case.
    pub verb: &'a str,
    /// The path as it was sent, without host and query. Its lower case is signed.
    pub path: &'a str,
    /// The value of the `Date` header, as it was sent.
    pub date: &'a str,
    /// The value of the `Content-Length` header, or `0` for a request without a body.
    pub content_length: &'a str,
}

impl Head<'_> {
    fn mac(&self, secret: &[u8]) -> Hmac<Sha256> {
        let message = format!("{} {} {} {}", self.verb, self.path.to_lowercase(), self.date, self.content_length);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        mac.update(message.as_bytes());
        mac
    }

    /// Returns the signature of this head, in base64.
    pub fn sign(&self, secret: &[u8]) -> String {
        STANDARD.encode(self.mac(secret).finalize().into_bytes())
    }

    /// Returns whether `signature`, decoded from base64, is this head's under `secret`. The time does not depend on how much of it is right.
    pub fn verify(&self, secret: &[u8], signature: &[u8]) -> bool {
        self.mac(secret).verify_slice(signature).is_ok()
    }
}

/// The value of an `Authorization` header, taken apart.
pub struct Authorization {
    /// The account that the request claims to come from.
    pub account: i64,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

/// Parses `SharedKey <AccountId>:<Signature>`. The error says what is wrong with it.
pub fn parse_authorization(value: &str) -> Result<Authorization, &'static str> {
    let (scheme, rest) = value.trim().split_once(' ').ok_or("it must read 'SharedKey <AccountId>:<Signature>'")?;
    if !scheme.eq_ignore_ascii_case("SharedKey") {
        return Err("its scheme must be SharedKey, as in 'SharedKey <AccountId>:<Signature>'");
    }
    let (account, signature) =
        rest.trim().split_once(':').ok_or("a colon must stand between the account id and the signature")?;
    let account = account.parse().map_err(|_| "the account id must be an integer")?;
    let signature = STANDARD.decode(signature).map_err(|_| "the signature must be base64 (RFC 4648, padded)")?;
    Ok(Authorization { account, signature })
}

/// Returns the value of a `Date` header for `now`: RFC 1123, always in GMT.
pub fn format_date(now: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .expect("the years of a clock are within 0 to 9999")
}

/// Returns the time in the value of a `Date` header, or `None` if it is not a date of RFC 1123.
pub fn parse_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()
}

/// Checks that the value of a `Date` header is within [`DATE_SECONDS_MAX`] of `now`. The error says what is wrong.
pub fn check_date(value: &str, now: Timestamp) -> Result<(), &'static str> {
    let date = parse_date(value).ok_or("it must be a date of RFC 1123 in GMT, like 'Sun, 19 Jan 2014 09:55:37 GMT'")?;
    match now.as_second() - date.as_second() {
        age if age > DATE_SECONDS_MAX => Err("it's older than 15 minutes"),
        age if age < -DATE_SECONDS_MAX => Err("it's more than 15 minutes in the future"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_signs_to_the_known_value() {
        let head = Head {
            verb: "POST",
            path: "/v1/Participants",
            date: "Sun, 19 Jan 2014 09:55:37 GMT",
            content_length: "1045",
        };
        assert_eq!(head.sign(b"secret"), "T6tXygbAWDus7vMXC/fw4njY0WyzW1PQbDQmORZROwo=");
    }

    #[test]
    fn a_date_is_good_for_fifteen_minutes_either_way() {
        let now: Timestamp = "2014-01-19T09:55:37Z".parse().unwrap();
        let at = |seconds: i64| format_date(Timestamp::from_second(now.as_second() + seconds).unwrap());
        assert_eq!(at(0), "Sun, 19 Jan 2014 09:55:37 GMT");
        for good in [-900, 0, 900] {
            assert_eq!(check_date(&at(good), now), Ok(()));
        }
        assert_eq!(check_date(&at(-901), now), Err("it's older than 15 minutes"));
        assert_eq!(check_date(&at(901), now), Err("it's more than 15 minutes in the future"));
        assert!(check_date("2014-01-19T09:55:37Z", now).unwrap_err().starts_with("it must be"));
    }
}
