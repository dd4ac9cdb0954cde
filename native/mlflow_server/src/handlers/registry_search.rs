//! `registered-models/search`, `model-versions/search` and `logged-models/search`

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::search::{
    self, DatasetFilter, LoggedModelSearch, ModelOrder, PageToken, RegistrySearch,
};
use serde_json::Value;

use super::search::{answer, experiment_ids, order_by};
use super::{Endpoint, get, post};
use crate::answer::Answered;
use crate::app::App;
use crate::call::Call;
use crate::grammar;
use crate::message::{Field, Kind, Message, Rule, Schema};

const MOST_MODELS: i64 = 1_000;
const MODELS_BY_DEFAULT: i64 = 100;
/// Also what is found unless the request says otherwise.
const MOST_VERSIONS: i64 = 200_000;
const LOGGED_MODELS_BY_DEFAULT: i64 = 50;
/// Where the request asks for 0 of them.
const LOGGED_MODELS_OF_NONE: i64 = 100;
const MOST_LOGGED_MODELS: i64 = 50_000;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("registered-models/search", registered_models),
        get("model-versions/search", model_versions),
        post("logged-models/search", logged_models),
    ]
}

const FIELDS: &[Field] = &[
    Field::text("filter"),
    Field::int("max_results"),
    Field::many("order_by", Kind::Text),
    Field::text("page_token"),
];

async fn registered_models(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: FIELDS,
        rules: &[
            ("filter", &[Rule::Text]),
            (
                "max_results",
                &[Rule::Int, Rule::Check(|given| at_most(MOST_MODELS, given))],
            ),
            ("order_by", &[Rule::Array, Rule::Texts]),
            ("page_token", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let asked = grammar::registered_models(message.text("filter"), &order_by(&message))?;
    let most = message.some_int("max_results").unwrap_or(MODELS_BY_DEFAULT);
    let search = of_registry(&message, asked, most)?;
    let page = app
        .read(move |conn| search::registered_models(conn, &search))
        .await?;
    answer("registered_models", page)
}

async fn model_versions(app: App, call: Call) -> Answered {
    const SCHEMA: Schema = Schema {
        fields: FIELDS,
        rules: &[
            ("filter", &[Rule::Text]),
            (
                "max_results",
                &[
                    Rule::Int,
                    Rule::Check(|given| at_most(MOST_VERSIONS, given)),
                ],
            ),
            ("order_by", &[Rule::Array, Rule::Texts]),
            ("page_token", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let most = message.some_int("max_results").unwrap_or(MOST_VERSIONS);
    if most < 1 {
        return Err(Refusal::invalid(format!(
            "Invalid value for max_results. It must be a positive integer, but got {most}"
        )));
    }
    let asked = grammar::model_versions(message.text("filter"), &order_by(&message))?;
    let search = of_registry(&message, asked, most)?;
    let page = app
        .read(move |conn| search::model_versions(conn, &search))
        .await?;
    answer("model_versions", page)
}

async fn logged_models(app: App, call: Call) -> Answered {
    const DATASET: &[Field] = &[Field::text("dataset_name"), Field::text("dataset_digest")];
    const ORDER: &[Field] = &[
        Field::text("field_name"),
        Field::one("ascending", Kind::Bool),
        Field::text("dataset_name"),
        Field::text("dataset_digest"),
    ];
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::many("experiment_ids", Kind::Text),
            Field::text("filter"),
            Field::many("datasets", Kind::Message(DATASET)),
            Field::int("max_results"),
            Field::many("order_by", Kind::Message(ORDER)),
            Field::text("page_token"),
        ],
        rules: &[
            (
                "experiment_ids",
                &[Rule::Array, Rule::Texts, Rule::Required],
            ),
            ("filter", &[Rule::Text]),
            ("datasets", &[Rule::Array]),
            ("max_results", &[Rule::Int]),
            ("order_by", &[Rule::Array]),
            ("page_token", &[Rule::Text]),
        ],
    };
    let message = call.message(&SCHEMA)?;
    let datasets: Vec<_> = message.messages("datasets").map(dataset).collect();
    if datasets.iter().any(|dataset| dataset.name.is_empty()) {
        return Err(Refusal::invalid(
            "`dataset_name` in the `datasets` clause must be specified.",
        ));
    }
    let search = LoggedModelSearch {
        filter: grammar::logged_models(message.text("filter"))?,
        experiment_ids: experiment_ids(&message)?,
        datasets,
        order_by: message.messages("order_by").map(model_order).collect(),
        max_results: most_logged_models(&message)?,
        page_token: PageToken::read(message.text("page_token"))?,
    };
    let page = app
        .read(move |conn| search::logged_models(conn, &search))
        .await?;
    answer("models", page)
}

fn of_registry(
    message: &Message,
    asked: grammar::Search,
    most: i64,
) -> Result<RegistrySearch, Refusal> {
    Ok(RegistrySearch {
        filter: asked.filter,
        order_by: asked.order_by,
        max_results: usize::try_from(most).unwrap_or_default(),
        page_token: PageToken::read(message.text("page_token"))?,
    })
}

fn dataset(message: &Message) -> DatasetFilter {
    DatasetFilter {
        name: message.text("dataset_name").to_owned(),
        digest: message.text("dataset_digest").to_owned(),
    }
}

fn model_order(message: &Message) -> ModelOrder {
    ModelOrder {
        field_name: message.text("field_name").to_owned(),
        ascending: !message.has("ascending") || message.bool("ascending"),
        dataset_name: message.text("dataset_name").to_owned(),
        dataset_digest: message.text("dataset_digest").to_owned(),
    }
}

fn most_logged_models(message: &Message) -> Result<usize, Refusal> {
    let given = message
        .some_int("max_results")
        .unwrap_or(LOGGED_MODELS_BY_DEFAULT);
    match given {
        0 => Ok(LOGGED_MODELS_OF_NONE as usize),
        1.. => Ok(given.min(MOST_LOGGED_MODELS) as usize),
        _ => Err(Refusal::invalid(format!(
            "Invalid value {given} for parameter 'max_results' supplied. It must be a positive \
             integer"
        ))),
    }
}

fn at_most(most: i64, given: &Value) -> Result<(), Option<String>> {
    let number = match given {
        Value::String(text) => text.trim().parse().ok(),
        given => given.as_f64(),
    };
    match number {
        Some(number) if number > most as f64 => Err(None),
        _ => Ok(()),
    }
}
