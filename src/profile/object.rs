//! JSON objects in base64.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use serde::de::IgnoredAny;
use std::collections::HashMap;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the value in padded base64 (RFC 4648) without line breaks, or `None` if it is not base64 of a JSON object.
pub fn canonical(value: &str) -> Option<String> {
    let unbroken: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let json = LENIENT.decode(unbroken).ok()?;
    let object: Result<HashMap<String, IgnoredAny>, _> = serde_json::from_slice(&json);
    object.is_ok().then(|| STANDARD.encode(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_must_be_an_object() {
        let of = |json: &str| canonical(&STANDARD.encode(json));
        assert_eq!(of(r#"{"projects":["mtr-1"],"vacation_days":21}"#).unwrap().len(), 56);
        assert_eq!(canonical("e30").as_deref(), Some("e30="));
        assert_eq!(canonical("e3\n0=").as_deref(), Some("e30="));
        for wrong in ["[]", "1", "", "{", "{}x"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(canonical("{}"), None);
    }
}
