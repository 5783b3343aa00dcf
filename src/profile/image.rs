//! Images as data URIs (RFC 2397).

use super::Broken;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the data URI with padded base64 and the media type that the first bytes of the image show. The error says what is wrong; an
/// image may have at most `max_bytes`.
pub fn canonical(value: &str, max_bytes: Option<u64>) -> Result<String, Broken> {
    let broken = |message: &str| Broken { rule: "image", message: message.into() };
    let (_, encoded) = value
        .get(..5)
        .filter(|scheme| scheme.eq_ignore_ascii_case("data:"))
        .and_then(|_| value[5..].split_once(','))
        .filter(|(kind, _)| kind.to_ascii_lowercase().ends_with(";base64"))
        .ok_or_else(|| {
            broken("send the image itself as a data URI: data:image/png;base64,… (base64, not URL-encoded)")
        })?;
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

/// Returns the media type and the bytes of an image in canonical form, or `None` if it is not in that form.
pub fn decode(canonical: &str) -> Option<(&'static str, Vec<u8>)> {
    let (_, encoded) = canonical.strip_prefix("data:")?.split_once(";base64,")?;
    let bytes = STANDARD.decode(encoded).ok()?;
    Some((media_type(&bytes)?, bytes))
}

/// What the first bytes of a PNG, JPEG or GIF say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// The media type.
    pub media_type: &'static str,
    /// The usual ending of such a file's name.
    pub extension: &'static str,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
}

impl Picture {
    /// Reads the header of an image file, or returns `None` if it is not a PNG, JPEG or GIF or has no size.
    pub fn of(bytes: &[u8]) -> Option<Picture> {
        let media_type = media_type(bytes)?;
        let big = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let little = |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
        let (extension, width, height) = match media_type {
            "image/png" if bytes.get(12..16)? == b"IHDR" => ("png", big(16)?, big(20)?),
            "image/gif" => ("gif", little(6)?, little(8)?),
            "image/jpeg" => {
                let (width, height) = jpeg_size(bytes)?;
                ("jpg", width, height)
            }
            _ => return None,
        };
        (width > 0 && height > 0).then_some(Picture { media_type, extension, width, height })
    }
}

/// Returns the width and height of a JPEG, which are in the first segment that begins a frame.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        match *bytes.get(at + 1)? {
            // Any number of 0xff may come before a marker.
            0xff => at += 1,
            // These markers have no segment.
            0x01 | 0xd0..=0xd8 => at += 2,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some((u32::from(word(at + 7)?), u32::from(word(at + 5)?)));
            }
            // The image ends, or its data begins, before any frame.
            0xd9 | 0xda => return None,
            _ => at += 2 + usize::from(word(at + 2)?.max(2)),
        }
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
            ("/v1/employees/1/image/Photo".into(), None, "image"),
            ("dätä:".into(), None, "image"),
        ] {
            assert_eq!(canonical(&value, max).unwrap_err().rule, rule, "{value}");
        }
    }

    #[test]
    fn the_header_has_the_size() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\xb4\0\0\x01\0\x08";
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x11\x08\0\xb4\x01\x02\x03";
        let gif = b"GIF89a\x02\x01\xb4\0....";
        for (bytes, extension, width, height) in
            [(&png[..], "png", 180, 256), (jpeg, "jpg", 258, 180), (gif, "gif", 258, 180)]
        {
            let picture = Picture::of(bytes).unwrap();
            assert_eq!((picture.extension, picture.width, picture.height), (extension, width, height));
            // Cut anywhere before its size it is not an image, and nothing panics.
            assert!((0..10).all(|length| Picture::of(&bytes[..length]).is_none()));
            let uri = format!("data:{};base64,{}", picture.media_type, STANDARD.encode(bytes));
            assert_eq!(decode(&canonical(&uri, None).unwrap()), Some((picture.media_type, bytes.to_vec())));
        }
        for wrong in [
            &b"RIFF....WEBPVP8 "[..],
            b"\xff\xd8\xff\xd9\xff\xc0\0\x11\x08\0\x01\0\x01",
            b"GIF89a\0\0\0\0",
            b"<svg/>",
            b"",
        ] {
            assert_eq!(Picture::of(wrong), None);
        }
    }
}
