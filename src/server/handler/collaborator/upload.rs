//! The multipart bodies of Collaborator's clients: a file, and whose it is.

use crate::server::body::form::{self, Parts};
use crate::server::respond::Refusal;
use hyper::StatusCode;
use tokio::runtime::Handle;

/// What such a body carries.
#[derive(Default)]
pub struct Upload {
    /// The part `file`.
    pub file: Option<File>,
    /// The part `uid`.
    pub uid: Option<String>,
}

/// A file in such a body.
pub struct File {
    /// Its name, if it was sent with one.
    pub name: Option<String>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Reads a multipart body. The error says what is wrong with it.
pub async fn read(body: Vec<u8>, boundary: String) -> Result<Upload, Refusal> {
    // It waits for nothing, but a large one takes its time: too long for a thread that serves connections.
    let runtime = Handle::current();
    let read = tokio::task::spawn_blocking(move || runtime.block_on(upload(body, boundary)));
    let upload = read.await.map_err(|_| Refusal::internal("a thread that reads a form panicked"))?;
    upload.map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))
}

async fn upload(body: Vec<u8>, boundary: String) -> Result<Upload, &'static str> {
    let mut parts = Parts::new(body, boundary);
    let mut upload = Upload::default();
    while let Some(part) = parts.next().await? {
        match part.name() {
            Some("file") if upload.file.is_some() => {
                return Err("the part file appears twice in the body; send one file");
            }
            Some("file") => {
                upload.file = Some(File { name: part.file_name().map(str::to_owned), bytes: Vec::new() });
                parts.keep(part).await?;
            }
            Some("uid") => upload.uid = Some(form::text(part).await?),
            _ => {}
        }
    }
    if let Some(file) = &mut upload.file {
        file.bytes = parts.into_kept();
    }
    Ok(upload)
}
