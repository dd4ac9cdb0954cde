//! `runs/search`, `experiments/search` and `experiments/search-datasets`

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::query::ViewType;
use mlflow_store::tracking::search::{self, ExperimentSearch, Page, PageToken, RunSearch};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::experiments::parse_id;
use super::{Endpoint, get, post};
use crate::answer::{Answer, Answered};
use crate::app::App;
use crate::call::Call;
use crate::grammar;
use crate::message::{Field, Kind, Message, Rule, Schema};

const MOST_RESULTS: i64 = 50_000;
const RUNS_BY_DEFAULT: i64 = 1_000;
const MOST_EXPERIMENTS_OF_DATASETS: usize = 20;
const VIEW_TYPES: &[(&str, i64)] = &[("ACTIVE_ONLY", 1), ("DELETED_ONLY", 2), ("ALL", 3)];

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("runs/search", runs),
        post("experiments/search", experiments),
        get("experiments/search", experiments),
        post("experiments/search-datasets", datasets),
    ]
}

async fn runs(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::many("experiment_ids", Kind::Text),
            Field::text("filter"),
            Field::one("run_view_type", Kind::Enum(VIEW_TYPES)),
            Field::int("max_results"),
            Field::many("order_by", Kind::Text),
            Field::text("page_token"),
        ],
        rules: &[
            ("experiment_ids", &[Rule::Array]),
            ("filter", &[Rule::Text]),
            ("max_results", &[Rule::Int, Rule::Check(at_most_allowed)]),
            ("order_by", &[Rule::Array, Rule::Texts]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let max_results = message.some_int("max_results").unwrap_or(RUNS_BY_DEFAULT);
    let max_results = checked_max_results(max_results)?;
    let asked = grammar::runs(message.text("filter"), &order_by(&message))?;
    let search = RunSearch {
        filter: asked.filter,
        order_by: asked.order_by,
        page_token: PageToken::read(message.text("page_token"))?,
        experiment_ids: experiment_ids(&message)?,
        view_type: view_type(&message, "run_view_type"),
        max_results,
    };
    let page = app.read(move |conn| search::runs(conn, &search)).await?;
    answer("runs", page)
}

async fn experiments(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::int("max_results"),
            Field::text("page_token"),
            Field::text("filter"),
            Field::many("order_by", Kind::Text),
            Field::one("view_type", Kind::Enum(VIEW_TYPES)),
        ],
        rules: &[
            ("view_type", &[Rule::Int]),
            ("max_results", &[Rule::Int]),
            ("order_by", &[Rule::Array]),
            ("filter", &[Rule::Text]),
            ("page_token", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let max_results = checked_max_results(message.int("max_results"))?;
    let asked = grammar::experiments(message.text("filter"), &order_by(&message))?;
    let search = ExperimentSearch {
        filter: asked.filter,
        order_by: asked.order_by,
        page_token: PageToken::read(message.text("page_token"))?,
        view_type: view_type(&message, "view_type"),
        max_results,
    };
    let page = app
        .read(move |conn| search::experiments(conn, &search))
        .await?;
    answer("experiments", page)
}

async fn datasets(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: &[Field::many("experiment_ids", Kind::Text)],
        rules: &[],
    };
    let message = call.message(&SCHEMA)?;
    let asked = message.texts("experiment_ids").count();
    if asked == 0 {
        return Err(Refusal::invalid(
            "SearchDatasets request must specify at least one experiment_id.",
        ));
    }
    if asked > MOST_EXPERIMENTS_OF_DATASETS {
        return Err(Refusal::invalid(format!(
            "SearchDatasets request cannot specify more than {MOST_EXPERIMENTS_OF_DATASETS} \
             experiment_ids. Received {asked} experiment_ids."
        )));
    }
    let ids = experiment_ids(&message)?;
    let found = app.read(move |conn| search::datasets(conn, &ids)).await?;
    if found.is_empty() {
        return Ok(Answer::empty());
    }
    Answer::named("dataset_summaries", &found)
}

fn at_most_allowed(value: &Value) -> Result<(), Option<String>> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    match number {
        Some(number) if number > MOST_RESULTS as f64 => Err(None),
        _ => Ok(()),
    }
}

fn checked_max_results(given: i64) -> Result<usize, Refusal> {
    let advice = match given {
        ..1 => "a positive integer".to_owned(),
        1..=MOST_RESULTS => return Ok(given as usize),
        _ => format!("at most {MOST_RESULTS}"),
    };
    Err(Refusal::invalid(format!(
        "Invalid value {given} for parameter 'max_results' supplied. It must be {advice}"
    )))
}

pub(super) fn order_by(message: &Message) -> Vec<String> {
    message.texts("order_by").map(str::to_owned).collect()
}

pub(super) fn experiment_ids(message: &Message) -> Result<Vec<i64>, Refusal> {
    message.texts("experiment_ids").map(parse_id).collect()
}

fn view_type(message: &Message, name: &str) -> ViewType {
    match message.text(name) {
        "DELETED_ONLY" => ViewType::DeletedOnly,
        "ALL" => ViewType::All,
        _ => ViewType::ActiveOnly,
    }
}

pub(super) fn answer<T: Serialize>(name: &'static str, page: Page<T>) -> Answered {
    Answer::json(&Listed { name, page })
}

/// A page as it is sent, with what is empty left out.
struct Listed<T> {
    name: &'static str,
    page: Page<T>,
}

impl<T: Serialize> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        if !self.page.items.is_empty() {
            body.serialize_entry(self.name, &self.page.items)?;
        }
        if let Some(token) = &self.page.next_page_token {
            body.serialize_entry("next_page_token", token)?;
        }
        body.end()
    }
}
