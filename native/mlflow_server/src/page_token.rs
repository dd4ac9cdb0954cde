//! MLflow's page tokens: how many results came before, as JSON in Base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mlflow_store::tracking::{Refusal, python};
use serde_json::Value;

pub fn at(offset: i64) -> String {
    BASE64_STANDARD.encode(format!("{{\"offset\": {offset}}}"))
}

/// Without a token, the first page.
pub fn offset(token: &str) -> Result<i64, Refusal> {
    if token.is_empty() {
        return Ok(0);
    }
    let decoded = BASE64_STANDARD
        .decode(token)
        .map_err(|_| Refusal::invalid("Invalid page token, could not base64-decode"))?;
    let Ok(parsed) = serde_json::from_slice::<Value>(&decoded) else {
        let shown = python::repr_bytes(&decoded);
        let message = format!("Invalid page token, decoded value={shown}");
        return Err(Refusal::invalid(message));
    };
    let offset = parsed.get("offset").and_then(Value::as_i64);
    // The first page has no token.
    offset.filter(|offset| *offset > 0).ok_or_else(|| {
        let message = format!("Invalid page token, parsed value={parsed}");
        Refusal::invalid(message)
    })
}
