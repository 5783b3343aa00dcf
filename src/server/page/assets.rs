//! The files that a screen needs. They are in the program, and their URLs change with their content, so browsers keep them.

use crate::server::call::Call;
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, Refusal};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use std::sync::LazyLock;
use xxhash_rust::xxh3::xxh3_64;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

static ASSETS: [Asset; 2] = [
    Asset { name: "page.css", media_type: "text/css; charset=utf-8", bytes: include_bytes!("assets/page.css") },
    Asset { name: "icon.svg", media_type: "image/svg+xml", bytes: include_bytes!("assets/icon.svg") },
];

static URLS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let url = |Asset { name, bytes, .. }: &Asset| format!("/page/{name}?{:016x}", xxh3_64(bytes));
    ASSETS.iter().map(url).collect()
});

/// Returns the URL of a file that there is.
pub fn url(name: &str) -> &'static str {
    let place = ASSETS.iter().position(|asset| asset.name == name).expect("the page names files that there are");
    &URLS[place]
}

/// `GET /page/{file}`: a file that a screen needs.
pub async fn asset(call: Call<'_>) -> Result<Answer, Refusal> {
    let name = call.part("file")?;
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let asset = asset.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "the page has no such file"))?;
    let mut answer = Response::new(Content::whole(asset.bytes));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(answer)
}
