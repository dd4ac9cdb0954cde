//! The rules that MLflow's handlers check their requests by, and the messages where they are broken.

use mlflow_store::tracking::{Refusal, python};
use serde_json::{Map, Value};

pub enum Rule {
    Required,
    /// Types are checked only where the request could not be read as its protobuf.
    Text,
    Int,
    Float,
    Bool,
    Array,
    Texts,
    /// A check of the endpoint's own, and what it says where it fails: `None` says that the value is
    /// invalid.
    Check(fn(&Value) -> Result<(), Option<String>>),
}

pub fn check(
    rules: &[(&'static str, &'static [Rule])],
    body: &Map<String, Value>,
    read: bool,
) -> Result<(), Refusal> {
    for (name, rules) in rules {
        let required = rules.iter().any(|rule| matches!(rule, Rule::Required));
        if !body.contains_key(*name) && !required {
            continue;
        }
        let value = value(body, name);
        for rule in *rules {
            rule.check(name, value, read)?;
        }
    }
    Ok(())
}

/// Old clients say `run_uuid`.
fn value<'a>(body: &'a Map<String, Value>, name: &str) -> &'a Value {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    given(name)
        .or_else(|| given("run_uuid").filter(|_| name == "run_id"))
        .unwrap_or(&Value::Null)
}

impl Rule {
    fn check(&self, name: &str, value: &Value, read: bool) -> Result<(), Refusal> {
        let holds = match self {
            Self::Required if is_missing(value) => return Err(missing_value(name)),
            Self::Required => true,
            Self::Check(check) => match check(value) {
                Err(Some(message)) => return Err(broken(&message)),
                outcome => outcome.is_ok(),
            },
            _ => read || self.fits(value),
        };
        if holds {
            Ok(())
        } else {
            Err(invalid_value(name, value))
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Int => match value {
                Value::String(text) => text.trim().parse::<i64>().is_ok(),
                value => value.is_number() || value.is_boolean(),
            },
            Self::Float => match value {
                Value::String(text) => text.trim().parse::<f64>().is_ok(),
                value => value.is_number() || value.is_boolean(),
            },
            Self::Bool => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Texts => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Required | Self::Check(_) => true,
        }
    }
}

/// Protobuf cannot tell an absent text from an empty one.
pub fn is_missing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

pub fn invalid_value(name: &str, value: &Value) -> Refusal {
    broken(&format!(
        "Invalid value {} for parameter '{name}' supplied:  Hint: Value was of type '{}'.",
        python::dumps(value),
        python::type_name(value)
    ))
}

fn missing_value(name: &str) -> Refusal {
    broken(&format!("Missing value for required parameter '{name}'."))
}

fn broken(message: &str) -> Refusal {
    Refusal::invalid(format!(
        "{message} See the API docs for more information about request parameters."
    ))
}
