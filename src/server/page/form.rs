//! Forms that the page itself has sent.

use crate::server::Server;
use crate::server::body::collect::collect;
use crate::server::body::{Body, BytesMax};
use crate::server::respond::Refusal;
use hyper::HeaderMap;

/// The longest form, in bytes.
const FORM_BYTES_MAX: BytesMax = BytesMax { limit: "form_bytes_max", bytes: 64 << 10 };

/// The fields of a form, in the order in which they were sent.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Receives a form.
    pub async fn receive(
        server: &Server,
        headers: &HeaderMap,
        body: Body,
        account: Option<i64>,
    ) -> Result<Form, Refusal> {
        let mut reserved = server.collected.nothing(account);
        let sent = collect(server, headers, body, FORM_BYTES_MAX, &mut reserved).await?;
        Ok(Form(form_urlencoded::parse(&sent).into_owned().collect()))
    }

    /// Returns the value of a field; empty if the form has none.
    pub fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
    }

    /// Returns all values of a field.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
