//! LMS Collaborator's `update-photo`: the image of a user who is stored.

use super::upload::{self, Upload};
use crate::dialect::collaborator::{self, PHOTO, Photo};
use crate::dialect::{Dialect, JSON};
use crate::profile::{Picture, Profile};
use crate::roster::{Coverage, Intent, valid_id};
use crate::server::authenticate::Caller;
use crate::server::body::BytesMax;
use crate::server::body::form::boundary;
use crate::server::call::Call;
use crate::server::push::asked::Carries;
use crate::server::push::import::{Carried, Import, Received, Served, receive, run, served, wire_field};
use crate::server::respond::{Answer, Refusal, json_text, note};
use crate::sync::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;

const DIALECT: Dialect = Dialect::Collaborator;

/// How much of the name of a file is answered, in characters.
const NAME_CHARS_MAX: usize = 255;

/// Stores an image.
pub async fn update(call: Call<'_>, caller: Caller) -> Result<Answer, Refusal> {
    let Call { server, head, body, event, .. } = call;
    let account = caller.key.account;
    let max = BytesMax { limit: "employee_bytes_max", bytes: server.limits.employee_bytes_max as u64 };
    let Received { turn, body, conditions, guards } = receive(server, caller, &head, body, max, Carries::One).await?;
    let body_bytes = body.len();
    let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, message);
    let boundary = boundary(&head.headers)
        .ok_or_else(|| bad("an image is sent as multipart/form-data, in the parts uid and file"))?;
    let Upload { file, uid } = upload::read(body, boundary).await?;
    let uid = uid.ok_or_else(|| bad("the body has no part that is called uid; send the user's uid in it"))?;
    let uid = valid_id(&uid).map_err(|fault| bad(&format!("uid: {}", fault.message)))?.to_owned();
    let file = file.ok_or_else(|| bad("the body has no part that is called file; send the image in it"))?;
    let picture = Picture::of(&file.bytes).ok_or_else(|| bad("the file is not a PNG, JPEG or GIF image"))?;

    let Served { profile, .. } = served(server, account, DIALECT).await?;
    let uri = format!("data:{};base64,{}", picture.media_type, STANDARD.encode(&file.bytes));
    let image =
        Intent { id: Some(uid.into()), data: vec![(PHOTO.into(), uri.into())], must_exist: true, ..Intent::default() };
    let import =
        Import { dialect: DIALECT, profile: profile.clone(), coverage: Coverage::Some, body_bytes, conditions, guards };
    let result = run(server, turn, import, Carried::one(|| Ok(image)), event).await?;
    let receipt = result.map_err(|failure| refused(failure, &profile))?;

    let name = file.name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("image.{}", picture.extension));
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let Picture { extension, width, height, .. } = picture;
    let photo = Photo { name: &name, size: file.bytes.len(), extension, width, height };
    let mut answer = json_text(StatusCode::OK, collaborator::photo_answer(&photo));
    note(&mut answer, &receipt);
    Ok(answer)
}

/// Makes the refusal of an image, in the dialect's form: the first thing that is wrong.
fn refused(failure: Failure, profile: &Profile) -> Refusal {
    let refusal = Refusal::from(failure);
    let Some(first) = refusal.rejected.as_ref().and_then(|rejected| rejected.errors.first()) else {
        return refusal;
    };
    let message = collaborator::rejected(wire_field(profile, DIALECT, &first.field), first, None, None);
    let body = collaborator::refused(&message);
    refusal.in_form(JSON, body)
}
