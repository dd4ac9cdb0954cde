//! `/graphql`: the few queries that MLflow's web interface asks in GraphQL, answered by the REST
//! endpoints of the same names. Their protobuf's fields are selected by their names in camel case;
//! 64-bit integers are texts, and numbers that JSON has none for are null.

mod select;

use async_graphql_parser::types::{Field, OperationDefinition, Selection};
use async_graphql_parser::{Positioned, parse_query};
use async_graphql_value::ConstValue;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use mlflow_store::tracking::Refusal;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::refuse;
use crate::app::App;
use crate::call::Call;
use crate::handlers;
use select::Room;

/// The interface's own queries have two thousand characters.
const LONGEST_QUERY: usize = 64 << 10;
/// So that a small request does not cause a lot of work.
const MOST_FIELDS: usize = 10;

/// What can be asked for, and the endpoint that knows the answer.
const QUERIES: [(&str, &str); 6] = [
    ("mlflowGetExperiment", "experiments/get"),
    ("mlflowGetRun", "runs/get"),
    ("mlflowSearchRuns", "runs/search"),
    ("mlflowListArtifacts", "artifacts/list"),
    ("mlflowSearchModelVersions", "model-versions/search"),
    (
        "mlflowGetMetricHistoryBulkInterval",
        "metrics/get-history-bulk-interval",
    ),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    #[serde(default)]
    operation_name: Option<String>,
}

pub async fn graphql(State(app): State<App>, body: Bytes) -> Response {
    let body = match read(&body) {
        Ok(body) => body,
        Err(refusal) => return refuse(&refusal),
    };
    let room = Room::default();
    let mut data = Map::new();
    let mut errors = Vec::new();
    for field in &body.fields {
        let key = field.response_key().node.to_string();
        let value = answer(&app, field, &body.variables, &room)
            .await
            .unwrap_or_else(|refusal| {
                errors.push(refusal.message);
                Value::Null
            });
        data.insert(key, value);
    }
    let errors = if errors.is_empty() {
        Value::Null
    } else {
        json!(errors)
    };
    Json(json!({"data": data, "errors": errors})).into_response()
}

struct Query {
    fields: Vec<Field>,
    variables: Map<String, Value>,
}

fn read(body: &[u8]) -> Result<Query, Refusal> {
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        Refusal::invalid(format!(
            "The request's body is no GraphQL request ({error})."
        ))
    })?;
    if body.query.len() > LONGEST_QUERY {
        return Err(Refusal::invalid(format!(
            "The query is longer than {LONGEST_QUERY} bytes."
        )));
    }
    let document = parse_query(&body.query).map_err(|error| Refusal::invalid(error.to_string()))?;
    let name = body.operation_name.as_deref();
    let mut operations = document.operations.iter();
    let operation = operations
        .find(|(known, _)| name.is_none() || known.map(|known| known.as_str()) == name)
        .ok_or_else(|| Refusal::invalid("The query has no operation of this name."))?
        .1;
    Ok(Query {
        fields: fields(operation)?,
        variables: body.variables.unwrap_or_default(),
    })
}

fn fields(operation: &Positioned<OperationDefinition>) -> Result<Vec<Field>, Refusal> {
    let items = &operation.node.selection_set.node.items;
    if items.len() > MOST_FIELDS {
        return Err(Refusal::invalid(format!(
            "A query may ask for {MOST_FIELDS} things at most."
        )));
    }
    items
        .iter()
        .map(|item| match &item.node {
            Selection::Field(field) => Ok(field.node.clone()),
            _ => Err(select::no_fragments()),
        })
        .collect()
}

async fn answer(
    app: &App,
    field: &Field,
    variables: &Map<String, Value>,
    room: &Room,
) -> Result<Value, Refusal> {
    let name = field.name.node.as_str();
    let found = QUERIES.iter().find(|(known, _)| *known == name);
    let Some((_, path)) = found else {
        return Err(Refusal::invalid(format!("Cannot query field '{name}'.")));
    };
    let answered = ask(app, path, input(field, variables)?).await?;
    select::select(app, &field.selection_set.node, answered, room).await
}

/// The argument `input`, with its variables filled in.
fn input(field: &Field, variables: &Map<String, Value>) -> Result<Value, Refusal> {
    let Some((_, given)) = field
        .arguments
        .iter()
        .find(|(name, _)| name.node == "input")
    else {
        return Ok(json!({}));
    };
    let filled = given.node.clone().into_const_with(|name| {
        let value = variables.get(name.as_str()).cloned().unwrap_or(Value::Null);
        ConstValue::from_json(value)
    });
    let input = filled
        .and_then(|value| value.into_json())
        .map_err(|error| Refusal::invalid(error.to_string()))?;
    let Value::Object(input) = input else {
        return Err(Refusal::invalid("The argument `input` must be an object."));
    };
    let renamed = input
        .into_iter()
        .map(|(name, value)| (snake_case(&name), value));
    Ok(Value::Object(renamed.collect()))
}

/// As the REST endpoints call their fields.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// Asks an endpoint of the REST API.
pub(crate) async fn ask(app: &App, path: &str, input: Value) -> Result<Value, Refusal> {
    let answer = handlers::call(path, app.clone(), Call::of_json(&input)).await?;
    serde_json::from_slice(&answer.into_bytes())
        .map_err(|error| Refusal::invalid(error.to_string()))
}
