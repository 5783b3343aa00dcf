//! Webhooks: how what is sent to a receiver is signed, by Standard Webhooks 1.0 (standardwebhooks.com).
//!
//! ```text
//! webhook-signature = "v1," + Base64( HMAC-SHA256( key = the secret's bytes, message = webhook-id + "." + webhook-timestamp + "." + body ) )
//! ```
//!
//! A secret is `whsec_` and its bytes in base64. While one is replaced there are two signatures, separated by a space.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use sha2::Sha256;
use std::ops::RangeInclusive;

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret has.
const BYTES: RangeInclusive<usize> = 24..=64;

/// How long the secret that was replaced signs, too.
pub const OLD_SECRET_TIME: SignedDuration = SignedDuration::from_hours(24);

/// Returns a new secret: 256 random bits. It fails if the system has no random bits.
pub fn random_secret() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bits)))
}

/// Returns the value of `webhook-signature` for a message that is sent at a second of Unix time: a signature by each secret, or `None` if one is
/// not a secret.
pub fn sign(secrets: &[String], id: &str, second: i64, body: &str) -> Option<String> {
    let signature = |secret: &String| {
        let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok().filter(|key| BYTES.contains(&key.len()))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{second}.{body}").as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    let signatures: Option<Vec<String>> = secrets.iter().map(signature).collect();
    signatures.map(|signatures| signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = r#"{"test": 2432232314}"#;
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(std::slice::from_ref(&secret), id, 1_614_265_330, body).as_deref(), Some(signature));
        let both = sign(&[random_secret().unwrap(), secret], id, 1_614_265_330, body).unwrap();
        assert!(both.ends_with(&format!(" {signature}")) && both.split(' ').count() == 2, "{both}");
    }

    #[test]
    fn what_is_no_secret_signs_nothing() {
        let short = format!("whsec_{}", STANDARD.encode([0; 23]));
        for secret in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", &short] {
            assert_eq!(sign(&[secret.to_owned()], "msg_1", 1, ""), None, "{secret}");
        }
    }
}
