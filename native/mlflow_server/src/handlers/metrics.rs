//! `metrics/*`: histories.

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::metrics::{Point, history};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Endpoint, get};
use crate::answer::{Answer, Answered};
use crate::app::App;
use crate::call::Call;
use crate::handlers::runs::run_id;
use crate::message::{Field, Kind, Message, Rule, Schema};
use crate::page_token;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("metrics/get-history", get_history),
        get("metrics/get-history-bulk", get_history_bulk),
        get("metrics/get-history-bulk-interval", get_interval),
    ]
}

const MOST_RUNS: usize = 100;
const MOST_IN_BULK: i64 = 25_000;
const MOST_SAMPLED: i64 = 2_500;

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    #[serde(serialize_with = "number")]
    value: f64,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn new(key: &'a str, run_id: Option<&'a str>, point: &Point) -> Self {
        Self {
            key,
            value: point.logged(),
            timestamp: point.timestamp,
            step: point.step,
            run_id,
        }
    }
}

#[derive(Serialize)]
struct History<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    mlflow_store::tracking::entities::number(value, serializer)
}

async fn get_history(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::text("run_id"),
            Field::text("run_uuid"),
            Field::text("metric_key"),
            Field::text("page_token"),
            Field::int("max_results"),
        ],
        rules: &[
            ("run_id", &[Rule::Text, Rule::Required]),
            ("metric_key", &[Rule::Text, Rule::Required]),
            ("page_token", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let limit = message.some_int("max_results");
    if let Some(limit) = limit.filter(|limit| *limit <= 0) {
        return Err(Refusal::invalid(format!(
            "Invalid value {limit} for parameter 'max_results' supplied. It must be a positive \
             integer."
        )));
    }
    let offset = page_token::offset(message.text("page_token"))?;
    let run_id = run_id(&message);
    let key = message.text("metric_key").to_owned();
    app.read(move |conn| {
        // One more tells whether there is another page.
        let more = limit.map(|limit| limit.saturating_add(1));
        let mut points = history::page(conn, &run_id, &key, offset, more)?;
        let full = limit.filter(|limit| points.len() as i64 > *limit);
        if let Some(limit) = full {
            points.truncate(limit as usize);
        }
        let points = points.iter();
        Answer::json(&History {
            metrics: points.map(|point| Shown::new(&key, None, point)).collect(),
            next_page_token: full.map(|limit| page_token::at(offset.saturating_add(limit))),
        })
    })
    .await
}

async fn get_history_bulk(app: App, call: Call) -> Answered {
    let mut run_ids: Vec<_> = call.query_all("run_id").map(str::to_owned).collect();
    if run_ids.is_empty() {
        return Err(Refusal::invalid(
            "GetMetricHistoryBulk request must specify at least one run_id.",
        ));
    }
    if run_ids.len() > MOST_RUNS {
        return Err(Refusal::invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {MOST_RUNS} run_ids. Received \
             {} run_ids.",
            run_ids.len()
        )));
    }
    let Some(key) = call.query("metric_key").map(str::to_owned) else {
        return Err(Refusal::invalid(
            "GetMetricHistoryBulk request must specify a metric_key.",
        ));
    };
    let limit = bulk_limit(call.query("max_results"))?;
    run_ids.sort_unstable();
    run_ids.dedup();
    app.read(move |conn| {
        let mut found = Vec::new();
        let mut left = limit;
        for run_id in &run_ids {
            let points = history::page(conn, run_id, &key, 0, Some(left))?;
            left -= points.len() as i64;
            found.push((run_id.as_str(), points));
        }
        bulk(&key, &found)
    })
    .await
}

fn bulk_limit(given: Option<&str>) -> Result<i64, Refusal> {
    let Some(text) = given else {
        return Ok(MOST_IN_BULK);
    };
    match text.parse::<i64>() {
        Ok(limit) => Ok(limit.clamp(0, MOST_IN_BULK)),
        Err(_) => Err(Refusal::invalid(format!(
            "Invalid value {text} for parameter 'max_results' supplied. It must be an integer."
        ))),
    }
}

/// Here, an empty list is shown.
fn bulk(key: &str, found: &[(&str, Vec<Point>)]) -> Answered {
    let metrics: Vec<_> = found
        .iter()
        .flat_map(|(run_id, points)| {
            let points = points.iter();
            points.map(|point| Shown::new(key, Some(run_id), point))
        })
        .collect();
    Answer::named("metrics", &metrics)
}

async fn get_interval(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::many("run_ids", Kind::Text),
            Field::text("metric_key"),
            Field::int("start_step"),
            Field::int("end_step"),
            Field::int("max_results"),
        ],
        rules: &[
            (
                "run_ids",
                &[
                    Rule::Required,
                    Rule::Array,
                    Rule::Texts,
                    Rule::Check(few_runs),
                ],
            ),
            ("metric_key", &[Rule::Required, Rule::Text]),
            ("start_step", &[Rule::Int]),
            ("end_step", &[Rule::Int]),
            ("max_results", &[Rule::Int, Rule::Check(few_points)]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let run_ids: Vec<_> = message.texts("run_ids").map(str::to_owned).collect();
    let key = message.text("metric_key").to_owned();
    // What is said as `maxResults` is read, but not checked, as MLflow has it.
    let limit = message.some_int("max_results").unwrap_or(MOST_SAMPLED);
    let limit = limit.clamp(1, MOST_SAMPLED) as usize;
    let steps = steps(&message)?;
    app.read(move |conn| {
        let mut found = Vec::new();
        for run_id in &run_ids {
            let points = history::sample(conn, run_id, &key, limit, steps)?;
            found.push((run_id.as_str(), points));
        }
        if found.iter().all(|(_, points)| points.is_empty()) {
            return Ok(Answer::empty());
        }
        bulk(&key, &found)
    })
    .await
}

fn steps(message: &Message) -> Result<Option<(i64, i64)>, Refusal> {
    match (message.some_int("start_step"), message.some_int("end_step")) {
        (None, None) => Ok(None),
        (Some(start), Some(end)) if start > end => Err(Refusal::invalid(format!(
            "end_step must be greater than start_step. Found start_step={start} and \
             end_step={end}."
        ))),
        (Some(start), Some(end)) => Ok(Some((start, end))),
        _ => Err(Refusal::invalid(
            "If either start step or end step are specified, both must be specified.",
        )),
    }
}

fn few_runs(run_ids: &Value) -> Result<(), Option<String>> {
    let count = run_ids.as_array().map_or(0, Vec::len);
    if count <= MOST_RUNS {
        return Ok(());
    }
    Err(Some(format!(
        "GetMetricHistoryBulkInterval request must specify at most {MOST_RUNS} run_ids. Received \
         {count} run_ids."
    )))
}

fn few_points(limit: &Value) -> Result<(), Option<String>> {
    let limit = match limit {
        Value::String(text) => text.trim().parse().ok(),
        limit => limit.as_i64(),
    };
    if limit.is_none_or(|limit: i64| (1..=MOST_SAMPLED).contains(&limit)) {
        return Ok(());
    }
    Err(Some(format!(
        "max_results must be between 1 and {MOST_SAMPLED}."
    )))
}
