//! MLflow's page tokens of histories: how many results came before.

use mlflow_store::tracking::{Refusal, page_token};
use serde_json::Value;

pub fn at(offset: i64) -> String {
    page_token::encode(&format!("{{\"offset\": {offset}}}"))
}

/// Without a token, the first page.
pub fn offset(token: &str) -> Result<i64, Refusal> {
    let Some(parsed) = page_token::decode(token)? else {
        return Ok(0);
    };
    let offset = parsed.get("offset").and_then(Value::as_i64);
    // The first page has no token.
    offset
        .filter(|offset| *offset > 0)
        .ok_or_else(|| page_token::refusal(&parsed))
}
