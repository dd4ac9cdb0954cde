//! A request as handlers see it: read whole, its path and query taken apart.

use axum::extract::RawPathParams;
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use mlflow_store::tracking::Refusal;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::message::{Message, Schema};

pub struct Call {
    pub method: Method,
    pub body: Bytes,
    content_type: Option<String>,
    query: Vec<(String, String)>,
    path: Vec<(String, String)>,
}

impl Call {
    pub fn new(parts: &Parts, path: &RawPathParams, body: Bytes) -> Self {
        let content_type = parts.headers.get(http::header::CONTENT_TYPE);
        Self {
            method: parts.method.clone(),
            body,
            content_type: content_type.and_then(|value| Some(value.to_str().ok()?.to_owned())),
            query: pairs(parts.uri.query().unwrap_or_default()),
            path: path
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// A request that comes from within, with its fields in `body`.
    pub fn of_json(body: &Value) -> Self {
        Self {
            method: Method::POST,
            body: body.to_string().into(),
            content_type: Some("application/json".to_owned()),
            query: Vec::new(),
            path: Vec::new(),
        }
    }

    /// The request's fields, read and checked as MLflow does it for the protobuf that `schema` tells
    /// of.
    pub fn message(&self, schema: &'static Schema) -> Result<Message, Refusal> {
        if self.method == Method::GET && !self.query.is_empty() {
            Message::from_query(schema, &self.query)
        } else {
            Message::from_json(schema, self.json()?)
        }
    }

    /// A variable part of the path, such as a model's id.
    pub fn path(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The first value of a query's parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.query.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body; an empty one is `{}`.
    pub fn json(&self) -> Result<Value, Refusal> {
        self.check_content_type()?;
        if self.body.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        match serde_json::from_slice(&self.body) {
            // Old clients encode twice.
            Ok(Value::String(inner)) => serde_json::from_str(&inner).map_err(malformed),
            Ok(Value::Null) => Ok(Value::Object(Map::new())),
            parsed => parsed.map_err(malformed),
        }
    }

    /// A page of another origin can send what it likes as a form, but not as JSON; and with another
    /// method than POST it cannot send anything before its browser has asked.
    pub fn check_content_type(&self) -> Result<(), Refusal> {
        if self.method != Method::POST && self.method != Method::PUT {
            return Ok(());
        }
        let Some(content_type) = &self.content_type else {
            return Err(Refusal::invalid(
                "Bad Request. Content-Type header is missing.",
            ));
        };
        let essence = content_type.split(';').next().unwrap_or_default();
        if essence.trim().eq_ignore_ascii_case("application/json") {
            return Ok(());
        }
        Err(Refusal::invalid(
            "Bad Request. Content-Type must be one of ['application/json'].",
        ))
    }
}

fn malformed(error: serde_json::Error) -> Refusal {
    Refusal::invalid(format!("The request's body is not JSON ({error})."))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
