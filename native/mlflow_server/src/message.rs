//! Requests, read and checked as MLflow's server does it: first as the protobuf that the endpoint
//! takes (protobuf's JSON mapping: numbers may be texts, unknown fields are ignored), then by the
//! endpoint's own rules.

mod read;
mod rules;

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::entities::KeyValue;
use serde_json::{Map, Value};

pub use read::camel_case;
pub use rules::{Rule, is_missing};

/// What an endpoint takes.
pub struct Schema {
    pub fields: &'static [Field],
    /// In the order in which they are checked.
    pub rules: &'static [(&'static str, &'static [Rule])],
}

pub struct Field {
    name: &'static str,
    kind: Kind,
    repeated: bool,
}

pub enum Kind {
    Text,
    Int,
    Double,
    Bool,
    /// One of these names, or its number.
    Enum(&'static [(&'static str, i64)]),
    Message(&'static [Field]),
}

impl Field {
    pub const fn one(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            repeated: false,
        }
    }

    pub const fn many(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            repeated: true,
        }
    }

    pub const fn text(name: &'static str) -> Self {
        Self::one(name, Kind::Text)
    }

    pub const fn int(name: &'static str) -> Self {
        Self::one(name, Kind::Int)
    }
}

/// Tags and params.
pub const KEY_VALUE: &[Field] = &[Field::text("key"), Field::text("value")];

#[derive(Debug, PartialEq)]
enum Read {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Enum(&'static str),
    Message(Message),
    Many(Vec<Read>),
}

/// The fields that were given. What was not reads as protobuf's default: empty, 0 or false.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    fields: Vec<(&'static str, Read)>,
}

impl Message {
    pub fn from_json(schema: &'static Schema, body: Value) -> Result<Self, Refusal> {
        let Value::Object(body) = body else {
            return Err(Refusal::invalid(
                "The request's body must be a JSON object, such as {\"run_id\": \"...\"}.",
            ));
        };
        Self::checked(schema, &body)
    }

    pub fn from_query(
        schema: &'static Schema,
        query: &[(String, String)],
    ) -> Result<Self, Refusal> {
        let mut body = Map::new();
        for field in schema.fields {
            let mut given = query
                .iter()
                .filter(|(name, _)| name == field.name)
                .peekable();
            if given.peek().is_none() {
                continue;
            }
            let values = given.map(|(_, value)| field.query_value(value));
            let value = if field.repeated {
                Value::Array(values.collect::<Result<_, _>>()?)
            } else {
                values.take(1).collect::<Result<Vec<_>, _>>()?.remove(0)
            };
            body.insert(field.name.to_owned(), value);
        }
        Self::checked(schema, &body)
    }

    fn checked(schema: &'static Schema, body: &Map<String, Value>) -> Result<Self, Refusal> {
        let read = read::message(schema.fields, body);
        rules::check(schema.rules, body, read.is_ok())?;
        read.map_err(|mistake| rules::invalid_value(mistake.field, mistake.value))
    }

    /// Whether it was given, be it as the default.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Read::Text(text)) => text,
            Some(Read::Enum(text)) => text,
            _ => "",
        }
    }

    /// A text that says something.
    pub fn some_text(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    pub fn int(&self, name: &str) -> i64 {
        self.some_int(name).unwrap_or_default()
    }

    pub fn some_int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Read::Int(number)) => Some(*number),
            _ => None,
        }
    }

    pub fn double(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Read::Double(number)) => *number,
            _ => 0.0,
        }
    }

    pub fn bool(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Read::Bool(true)))
    }

    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.many(name).iter().filter_map(|item| match item {
            Read::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub fn message(&self, name: &str) -> Option<&Message> {
        match self.get(name) {
            Some(Read::Message(message)) => Some(message),
            _ => None,
        }
    }

    pub fn messages(&self, name: &str) -> impl Iterator<Item = &Message> {
        self.many(name).iter().filter_map(|item| match item {
            Read::Message(message) => Some(message),
            _ => None,
        })
    }

    /// Tags or params.
    pub fn pairs(&self, name: &str) -> Vec<KeyValue> {
        let pair = |message: &Message| KeyValue {
            key: message.text("key").to_owned(),
            value: message.text("value").to_owned(),
        };
        self.messages(name).map(pair).collect()
    }

    fn get(&self, name: &str) -> Option<&Read> {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    fn many(&self, name: &str) -> &[Read] {
        match self.get(name) {
            Some(Read::Many(items)) => items,
            _ => &[],
        }
    }
}

impl Field {
    /// Everything in a query is text, but protobuf takes no text for a boolean.
    fn query_value(&self, value: &str) -> Result<Value, Refusal> {
        match (&self.kind, value.to_lowercase().as_str()) {
            (Kind::Bool, "true") => Ok(Value::Bool(true)),
            (Kind::Bool, "false") => Ok(Value::Bool(false)),
            (Kind::Bool, _) => Err(Refusal::invalid(format!(
                "Invalid boolean value: {value}, must be 'true' or 'false'."
            ))),
            _ => Ok(Value::String(value.to_owned())),
        }
    }
}
