//! What is in a page token, which is JSON in Base64, and in MLflow's words what is wrong with one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::error::{Refusal, Result};
use super::python;

pub fn encode(content: &str) -> String {
    BASE64_STANDARD.encode(content)
}

/// `None` for an empty text, which asks for the first page.
pub fn decode(token: &str) -> Result<Option<Value>> {
    if token.is_empty() {
        return Ok(None);
    }
    let decoded = BASE64_STANDARD
        .decode(significant(token))
        .map_err(|_| Refusal::invalid("Invalid page token, could not base64-decode"))?;
    let parsed = serde_json::from_slice(&decoded).map_err(|_| {
        let shown = python::repr_bytes(&decoded);
        Refusal::invalid(format!("Invalid page token, decoded value={shown}"))
    })?;
    Ok(Some(parsed))
}

/// That a token has something else in it than one of this search's, or of this history's.
pub fn refusal(parsed: &Value) -> Refusal {
    let shown = python::repr_value(parsed);
    Refusal::invalid(format!("Invalid page token, parsed value={shown}"))
}

/// Python skips what is not of the alphabet.
fn significant(token: &str) -> Vec<u8> {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    token.bytes().filter(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MLflow 3.17.2 refuses them.
    #[test]
    fn what_is_no_token_is_refused_in_mlflows_words() {
        let undecodable = "Invalid page token, could not base64-decode";
        for (token, message) in [
            ("a", undecodable),
            ("abc", undecodable),
            ("!!!", "Invalid page token, decoded value=b''"),
            ("YWJj", "Invalid page token, decoded value=b'abc'"),
            ("Y W\nJj", "Invalid page token, decoded value=b'abc'"),
            ("aXQncw==", "Invalid page token, decoded value=b\"it's\""),
            ("w6k=", "Invalid page token, decoded value=b'\\xc3\\xa9'"),
        ] {
            assert_eq!(decode(token), Err(Refusal::invalid(message)), "{token}");
        }
        assert_eq!(decode(""), Ok(None));
        let parsed = decode("eyJhIjpbMSxudWxsLHRydWUsInEnIl0sImYiOjEuMH0=").unwrap();
        assert_eq!(
            refusal(&parsed.unwrap()).message,
            "Invalid page token, parsed value={'a': [1, None, True, \"q'\"], 'f': 1.0}"
        );
    }
}
