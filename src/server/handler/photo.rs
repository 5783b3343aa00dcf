//! LMS Collaborator's `update-photo`: the image of a user who is stored.

use crate::dialect::Dialect;
use crate::dialect::collaborator::{self, PHOTO, Photo};
use crate::profile::{Picture, Profile};
use crate::roster::{Absent, Intent, valid_id};
use crate::server::Server;
use crate::server::body::Body;
use crate::server::handler::collaborator::{Form, authenticate, boundary, form};
use crate::server::handler::read::looked_up;
use crate::server::observe::log::Event;
use crate::server::push::import::{self, Carried, Import, wire_field};
use crate::server::respond::{Answer, JSON, Refusal, json_text, note};
use crate::sync::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::{Request, StatusCode};
use std::sync::Arc;

const DIALECT: Dialect = Dialect::Collaborator;

/// How much of the name of a file is answered, in characters.
const NAME_CHARS_MAX: usize = 255;

/// Answers a request to store an image.
pub async fn update(server: &Arc<Server>, request: Request<Body>, event: &mut Event) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let (key, head) = looked_up(server, move |server| Ok((authenticate(server, &head.headers)?, head))).await?;
    event.account = Some(key.account);
    let mut turn = server.turns.take(key.account, body.pace()).await?;
    let limit = ("employee_bytes_max", server.limits.employee_bytes_max);
    let body = import::body(server, &head.headers, body, limit, turn.reserving(&server.collected)).await?;
    let body_bytes = body.len();
    let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, message);
    let boundary = boundary(&head.headers)
        .ok_or_else(|| bad("an image is sent as multipart/form-data, in the parts uid and file"))?;
    let Form { file, uid } = form(body, boundary).await?;
    let uid = uid.ok_or_else(|| bad("the body has no part that is called uid; send the user's uid in it"))?;
    let uid = valid_id(&uid).map_err(|fault| bad(&format!("uid: {}", fault.message)))?.to_owned();
    let file = file.ok_or_else(|| bad("the body has no part that is called file; send the image in it"))?;
    let picture = Picture::of(&file.bytes).ok_or_else(|| bad("the file is not a PNG, JPEG or GIF image"))?;

    let profile = import::profile(server, key.account, DIALECT).await?;
    let uri = format!("data:{};base64,{}", picture.media_type, STANDARD.encode(&file.bytes));
    let patch =
        Intent { id: Some(uid.into()), data: vec![(PHOTO.into(), uri.into())], must_exist: true, ..Intent::default() };
    let import = Import { dialect: DIALECT, profile: profile.clone(), absent: Absent::Stay, find_by: None, body_bytes };
    let carried = Carried::Intents(Box::new(|| Ok(Box::new(std::iter::once(Ok(patch))))));
    let result = import::run(server, (key, turn), import, carried, event).await?;
    let receipt = result.map_err(|failure| refused(failure, &profile))?;

    let name = file.name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("image.{}", picture.extension));
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let Picture { extension, width, height, .. } = picture;
    let photo = Photo { name: &name, size: file.bytes.len(), extension, width, height };
    let mut answer = json_text(StatusCode::OK, collaborator::photo_answer(&photo));
    note(&mut answer, &receipt);
    Ok(answer)
}

/// A refused image, in the dialect's form: the first thing that is wrong.
fn refused(failure: Failure, profile: &Profile) -> Refusal {
    let refusal = Refusal::from(failure);
    let Some(first) = refusal.rejected.as_ref().and_then(|rejected| rejected.errors.first()) else {
        return refusal;
    };
    let message = collaborator::rejected(wire_field(profile, DIALECT, "uid", &first.field), first, None, None);
    let body = collaborator::refused(&message);
    refusal.in_form(JSON, body)
}
