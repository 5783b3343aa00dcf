//! Forms: bodies that are multipart/form-data or form-encoded.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use multer::{Field, Multipart};
use percent_encoding::percent_decode;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// How much of a multipart body is parsed at a time, in bytes.
const PARSED_BYTES: usize = 1 << 16;

/// What to do about a multipart body that cannot be read. What the parser says may quote the body, and this is logged.
const NOT_WHOLE: &str =
    "the body is not whole multipart/form-data: it ends before its last boundary, or the head of a part is wrong";

/// One field of a form, as it was sent.
pub struct FormField {
    /// Its name.
    pub name: String,
    /// Its value, in UTF-8 or in the charset.
    pub value: Vec<u8>,
    /// The charset that the request names, if it does.
    pub charset: Option<String>,
}

/// Reads a small form of either kind. The error says what is wrong with it.
pub async fn fields(headers: &HeaderMap, body: Vec<u8>) -> Result<Vec<FormField>, &'static str> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|of| of.to_str().ok()).unwrap_or_default();
    let mut fields = Vec::new();
    let Some(boundary) = boundary(headers) else {
        for field in body.split(|byte| *byte == b'&').filter(|field| !field.is_empty()) {
            let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
            let name = String::from_utf8_lossy(&decoded(&field[..at])).into_owned();
            let value = decoded(field.get(at + 1..).unwrap_or_default());
            fields.push(FormField { name, value, charset: charset(content_type) });
        }
        return Ok(fields);
    };
    let mut parts = Parts::new(body, boundary);
    while let Some(part) = parts.next().await? {
        let name = part.name().unwrap_or_default().to_owned();
        let charset = part.headers().get(CONTENT_TYPE).and_then(|of| charset(of.to_str().ok()?));
        let value = part.bytes().await.map_err(|_| NOT_WHOLE)?.to_vec();
        fields.push(FormField { name, value, charset });
    }
    Ok(fields)
}

/// Decodes a name or a value of a form-encoded body.
fn decoded(encoded: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

fn charset(content_type: &str) -> Option<String> {
    content_type.split_once("charset=").map(|(_, charset)| charset.trim_matches([' ', '"', '\'']).to_owned())
}

/// Returns the boundary between the parts of a body, if it is multipart/form-data.
pub fn boundary(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(headers.get(CONTENT_TYPE)?.to_str().ok()?).ok()
}

/// A multipart body, part by part.
///
/// One part can be kept: it is written over what the parser has taken, so a large body is in memory once. It cannot get ahead of the
/// parser: the head of a part comes before what is in it.
pub struct Parts {
    parts: Multipart<'static>,
    body: Arc<Mutex<Vec<u8>>>,
    kept_bytes: usize,
}

impl Parts {
    /// The parts of a body between these boundaries.
    pub fn new(body: Vec<u8>, boundary: String) -> Parts {
        let body = Arc::new(Mutex::new(body));
        let (source, mut taken, mut pauses) = (body.clone(), 0, false);
        let pieces = futures_util::stream::poll_fn(move |context| {
            // The parser takes all that there is before it looks at any, so there is nothing behind each piece for a moment.
            pauses = !pauses;
            if !pauses {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let body = source.lock().expect("no holder of the lock panics");
            let piece = Bytes::copy_from_slice(&body[taken..body.len().min(taken + PARSED_BYTES)]);
            taken += piece.len();
            Poll::Ready((!piece.is_empty()).then_some(Ok::<_, Infallible>(piece)))
        });
        Parts { parts: Multipart::new(pieces, boundary), body, kept_bytes: 0 }
    }

    /// Returns the next part, or `None` at the end. What was not read of the part before is passed over.
    pub async fn next(&mut self) -> Result<Option<Field<'static>>, &'static str> {
        self.parts.next_field().await.map_err(|_| NOT_WHOLE)
    }

    /// Keeps what is in a part, instead of another that was kept before.
    pub async fn keep(&mut self, mut part: Field<'static>) -> Result<(), &'static str> {
        self.kept_bytes = 0;
        while let Some(piece) = part.chunk().await.map_err(|_| NOT_WHOLE)? {
            let mut body = self.body.lock().expect("no holder of the lock panics");
            body[self.kept_bytes..self.kept_bytes + piece.len()].copy_from_slice(&piece);
            self.kept_bytes += piece.len();
        }
        Ok(())
    }

    /// Returns what was kept.
    pub fn into_kept(self) -> Vec<u8> {
        drop(self.parts);
        let mut body = std::mem::take(&mut *self.body.lock().expect("no holder of the lock panics"));
        body.truncate(self.kept_bytes);
        body
    }
}

/// Reads what is in a part as text.
pub async fn text(part: Field<'static>) -> Result<String, &'static str> {
    part.text().await.map_err(|_| NOT_WHOLE)
}
