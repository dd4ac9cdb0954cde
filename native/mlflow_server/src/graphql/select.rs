//! What of an answer was asked for.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql_parser::types::{Field, Selection, SelectionSet};
use mlflow_store::tracking::Refusal;
use serde_json::{Map, Value, json};

use super::ask;
use crate::app::App;
use crate::message::camel_case;

const LISTS: [&str; 9] = [
    "datasetInputs",
    "files",
    "metrics",
    "modelInputs",
    "modelVersions",
    "params",
    "runs",
    "tags",
    "modelOutputs",
];

/// Values that an answer may have: each can be asked for again and again, under other names.
const MOST_VALUES: usize = 500_000;

/// How many of them there are already.
#[derive(Default)]
pub struct Room(AtomicUsize);

impl Room {
    fn take(&self) -> Result<(), Refusal> {
        if self.0.fetch_add(1, Ordering::Relaxed) < MOST_VALUES {
            return Ok(());
        }
        Err(Refusal::invalid(format!(
            "The answer would have more than {MOST_VALUES} values: ask for less at once."
        )))
    }
}

pub fn select<'a>(
    app: &'a App,
    wanted: &'a SelectionSet,
    given: Value,
    room: &'a Room,
) -> Pin<Box<dyn Future<Output = Result<Value, Refusal>> + Send + 'a>> {
    Box::pin(async move {
        match given {
            Value::Array(items) => {
                let mut selected = Vec::with_capacity(items.len());
                for item in items {
                    selected.push(select(app, wanted, item, room).await?);
                }
                Ok(Value::Array(selected))
            }
            Value::Object(object) => select_fields(app, wanted, object, room)
                .await
                .map(Value::Object),
            value => Ok(scalar(value)),
        }
    })
}

async fn select_fields(
    app: &App,
    wanted: &SelectionSet,
    given: Map<String, Value>,
    room: &Room,
) -> Result<Map<String, Value>, Refusal> {
    let mut selected = Map::new();
    for item in &wanted.items {
        let Selection::Field(field) = &item.node else {
            return Err(no_fragments());
        };
        let field = &field.node;
        room.take()?;
        let value = match linked(app, field, &given).await? {
            Some(value) => value,
            None => find(&given, field.name.node.as_str()),
        };
        let value = select(app, &field.selection_set.node, value, room).await?;
        selected.insert(field.response_key().node.to_string(), value);
    }
    Ok(selected)
}

/// A run has its experiment and its model versions here, which its REST form has not.
async fn linked(
    app: &App,
    field: &Field,
    given: &Map<String, Value>,
) -> Result<Option<Value>, Refusal> {
    let Some(info) = given.get("info") else {
        return Ok(None);
    };
    let found = match field.name.node.as_str() {
        "experiment" => {
            let id = json!({"experiment_id": info["experiment_id"]});
            ask(app, "experiments/get", id).await?["experiment"].take()
        }
        "modelVersions" => {
            let filter = format!("run_id='{}'", info["run_id"].as_str().unwrap_or_default());
            ask(app, "model-versions/search", json!({"filter": filter})).await?["model_versions"]
                .take()
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// A field may be asked for twice, under two names. REST leaves out what is empty.
fn find(given: &Map<String, Value>, wanted: &str) -> Value {
    let found = given.iter().find(|(name, _)| camel_case(name) == wanted);
    match found {
        Some((_, value)) => value.clone(),
        None if LISTS.contains(&wanted) => json!([]),
        None => Value::Null,
    }
}

/// JavaScript has no 64-bit integers, and GraphQL no NaN.
fn scalar(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_f64() => Value::String(number.to_string()),
        Value::String(text) if text == "NaN" => Value::Null,
        value => value,
    }
}

pub fn no_fragments() -> Refusal {
    Refusal::invalid("Fragments are not supported here: write their fields out.")
}
