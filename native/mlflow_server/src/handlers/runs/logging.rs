//! What is added to a run one at a time.

use mlflow_store::Connection;
use mlflow_store::tracking::entities::{KeyValue, Metric};
use mlflow_store::tracking::metrics::{self, ModelMetric};
use mlflow_store::tracking::runs::{params, tags};
use mlflow_store::tracking::{Refusal, python, validate};
use serde_json::{Map, Value};

use super::run_id;
use crate::answer::{Answer, Answered};
use crate::app::App;
use crate::call::Call;
use crate::handlers::{Endpoint, post};
use crate::message::{Field, Kind, Message, Rule, Schema};
use crate::observer::ChangeKind;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("runs/log-metric", log_metric),
        post("runs/log-parameter", log_param),
        post("runs/set-tag", set_tag),
        post("runs/delete-tag", delete_tag),
        post("runs/log-model", log_model),
    ]
}

/// Writes to a run, tells the observer, and answers nothing. `work` tells the run's experiment.
pub(super) async fn log(
    app: App,
    run_id: String,
    work: impl FnOnce(&Connection, &str) -> Result<i64, Refusal> + Send + 'static,
) -> Answered {
    let id = run_id.clone();
    app.change(ChangeKind::Logged, &id, move |conn| {
        Ok(((), work(conn, &run_id)?))
    })
    .await?;
    Ok(Answer::empty())
}

async fn log_metric(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::text("run_uuid"),
            Field::text("key"),
            Field::one("value", Kind::Double),
            Field::int("timestamp"),
            Field::int("step"),
            Field::text("model_id"),
            Field::text("dataset_name"),
            Field::text("dataset_digest"),
        ],
        rules: &[
            ("run_id", &[Rule::Required, Rule::Text]),
            ("key", &[Rule::Required, Rule::Text]),
            ("value", &[Rule::Required, Rule::Float]),
            ("timestamp", &[Rule::Int, Rule::Required]),
            ("step", &[Rule::Int]),
            ("model_id", &[Rule::Text]),
            ("dataset_name", &[Rule::Text]),
            ("dataset_digest", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let metric = Metric {
        key: message.text("key").to_owned(),
        value: message.double("value"),
        timestamp: message.int("timestamp"),
        step: message.int("step"),
    };
    let model = of_model(&message, &metric)?;
    log(app, run_id(&message), move |conn, run_id| {
        metrics::log(conn, run_id, &metric, model.as_ref())
    })
    .await
}

fn of_model(message: &Message, metric: &Metric) -> Result<Option<ModelMetric>, Refusal> {
    let dataset_name = message.some_text("dataset_name");
    let dataset_digest = message.some_text("dataset_digest");
    validate::dataset_of_metric(dataset_name, dataset_digest)?;
    Ok(message.some_text("model_id").map(|model_id| ModelMetric {
        metric: metric.clone(),
        model_id: model_id.to_owned(),
        dataset_name: dataset_name.map(str::to_owned),
        dataset_digest: dataset_digest.map(str::to_owned),
    }))
}

const KEY_VALUE_OF_RUN: Schema = Schema {
    fields: &[
        Field::text("run_id"),
        Field::text("run_uuid"),
        Field::text("key"),
        Field::text("value"),
    ],
    rules: &[
        ("run_id", &[Rule::Required, Rule::Text]),
        ("key", &[Rule::Required, Rule::Text]),
        ("value", &[Rule::Text]),
    ],
};

fn key_value(message: &Message) -> KeyValue {
    KeyValue {
        key: message.text("key").to_owned(),
        value: message.text("value").to_owned(),
    }
}

async fn log_param(app: App, call: Call) -> Answered {
    let message = call.message(&KEY_VALUE_OF_RUN)?;
    let mut param = key_value(&message);
    log(app, run_id(&message), move |conn, run_id| {
        params::log(conn, run_id, &mut param)
    })
    .await
}

async fn set_tag(app: App, call: Call) -> Answered {
    let message = call.message(&KEY_VALUE_OF_RUN)?;
    let mut tag = key_value(&message);
    log(app, run_id(&message), move |conn, run_id| {
        tags::set(conn, run_id, &mut tag)
    })
    .await
}

async fn delete_tag(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("run_id"), Field::text("key")],
        rules: &[
            ("run_id", &[Rule::Required, Rule::Text]),
            ("key", &[Rule::Required, Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let key = message.text("key").to_owned();
    log(
        app,
        message.text("run_id").to_owned(),
        move |conn, run_id| tags::delete(conn, run_id, &key),
    )
    .await
}

async fn log_model(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::text("run_id"), Field::text("model_json")],
        rules: &[
            ("run_id", &[Rule::Text, Rule::Required]),
            ("model_json", &[Rule::Text, Rule::Required]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let model = described(message.text("model_json"))?;
    log(
        app,
        message.text("run_id").to_owned(),
        move |conn, run_id| tags::add_model(conn, run_id, &model),
    )
    .await
}

fn described(json: &str) -> Result<Map<String, Value>, Refusal> {
    let Ok(Value::Object(model)) = serde_json::from_str(json) else {
        return Err(Refusal::invalid(format!(
            "Malformed model info. \n {json} \n is not a valid JSON."
        )));
    };
    let needed = ["artifact_path", "flavors", "utc_time_created", "run_id"];
    let missing: Vec<_> = needed
        .into_iter()
        .filter(|field| !model.contains_key(*field))
        .map(python::repr)
        .collect();
    if missing.is_empty() {
        return Ok(model);
    }
    Err(Refusal::invalid(format!(
        "Model json is missing mandatory fields: {{{}}}",
        missing.join(", ")
    )))
}
