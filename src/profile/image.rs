//! Images as data URIs (RFC 2397).

use super::Broken;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The data URI with the media type that the image's first bytes say, and padded base64.
pub fn canonical(value: &str, max_bytes: Option<u64>) -> Result<String, Broken> {
    let broken = |message: &str| Broken { rule: "image", message: message.into() };
    let (_, encoded) = value
        .get(..5)
        .filter(|scheme| scheme.eq_ignore_ascii_case("data:"))
        .and_then(|_| value[5..].split_once(','))
        .filter(|(kind, _)| kind.to_ascii_lowercase().ends_with(";base64"))
        .ok_or_else(|| broken("send the image as a data URI: data:image/png;base64,… (base64, not URL-encoded)"))?;
    let bytes = LENIENT.decode(encoded).map_err(|_| broken("what follows the comma of the data URI must be base64"))?;
    let media_type = media_type(&bytes)
        .ok_or_else(|| broken("the image must be a PNG, JPEG, GIF or WebP; its first bytes are of none of them"))?;
    match max_bytes {
        Some(max) if bytes.len() as u64 > max => Err(Broken {
            rule: "max_bytes",
            message: format!("the image has {} bytes, at most {max} are allowed; send a smaller one", bytes.len()),
        }),
        _ => Ok(format!("data:{media_type};base64,{}", STANDARD.encode(&bytes))),
    }
}

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        let uri = |media_type: &str, bytes: &[u8]| format!("data:{media_type};base64,{}", STANDARD.encode(bytes));
        let gif = b"GIF89a....";
        assert_eq!(canonical(&uri("image/png", gif), None).unwrap(), uri("image/gif", gif));
        assert_eq!(canonical(uri("image/gif", gif).trim_end_matches('='), None).unwrap(), uri("image/gif", gif));
        for (value, max, rule) in [
            (uri("image/png", b"<svg/>"), None, "image"),
            (uri("image/gif", gif), Some(9), "max_bytes"),
            ("data:image/png,GIF89a".into(), None, "image"),
            ("data:image/png;base64,GIF 89a".into(), None, "image"),
            ("https://example.com/me.png".into(), None, "image"),
            ("dätä:".into(), None, "image"),
        ] {
            assert_eq!(canonical(&value, max).unwrap_err().rule, rule, "{value}");
        }
    }
}
