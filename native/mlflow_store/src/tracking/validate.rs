//! MLflow's limits, and what it says where they are exceeded. Lengths are in characters.

mod names;

use std::collections::HashSet;

use super::entities::{Dataset, DatasetInput, KeyValue};
use super::error::{Refusal, Result};
use super::python;

pub use names::name;

const EXPERIMENT_NAME: usize = 500;
const KEY: usize = 250;
const EXPERIMENT_TAG_VALUE: usize = 20_000;
const PARAM_VALUE: usize = 6_000;
const TAG_VALUE: usize = 8_000;
const DATASET_NAME: usize = 500;
const DATASET_DIGEST: usize = 36;
const DATASET_SOURCE: usize = 65_535;
const DATASET_SCHEMA: usize = 1_048_575;
const DATASET_PROFILE: usize = 16_777_215;
const INPUT_TAG_KEY: usize = 255;
const INPUT_TAG_VALUE: usize = 500;
const CUSTOM_VIEWS: usize = 50;
const CUSTOM_VIEW: &str = "mlflow.customView.view";

pub const METRICS_PER_BATCH: usize = 1_000;
pub const PARAMS_OR_TAGS_PER_BATCH: usize = 100;
pub const ENTITIES_PER_BATCH: usize = 1_000;

/// How MLflow shows the value of a field that it refuses.
pub fn invalid_value(field: &str, value: &str, why: &str) -> Refusal {
    let shown = python::dumps(&value.into());
    Refusal::invalid(format!(
        "Invalid value {shown} for parameter '{field}' supplied{why}"
    ))
}

pub fn length(field: &str, limit: usize, value: &str) -> Result<()> {
    // No text has more characters than bytes.
    if value.len() <= limit || value.chars().count() <= limit {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "'{field}' exceeds the maximum length of {limit} characters"
    )))
}

pub fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Refusal::invalid("Invalid experiment name: ''"));
    }
    length("name", EXPERIMENT_NAME, name)
}

pub fn experiment_tag(tag: &KeyValue) -> Result<()> {
    name("key", &tag.key)?;
    length("key", KEY, &tag.key)?;
    length("value", EXPERIMENT_TAG_VALUE, &tag.value)
}

/// The web interface keeps its views in tags of the experiment. `held` counts them all.
pub fn custom_views<'a>(
    held: impl Iterator<Item = &'a str>,
    experiment_id: Option<i64>,
) -> Result<()> {
    if held.filter(|key| is_custom_view(key)).count() <= CUSTOM_VIEWS {
        return Ok(());
    }
    let place = experiment_id.map_or_else(String::new, |id| format!(" for experiment {id}"));
    Err(Refusal::invalid(format!(
        "Unable to create another custom view{place}; the maximum number of custom views per \
         experiment is {CUSTOM_VIEWS}. Delete an existing custom view before creating a new one."
    )))
}

pub fn is_custom_view(key: &str) -> bool {
    key.starts_with(CUSTOM_VIEW)
}

/// Where in a request something stands: alone, or as an item of a list.
#[derive(Clone, Copy)]
pub enum Place {
    Alone,
    In(&'static str, usize),
}

impl Place {
    fn field(self, name: &str) -> String {
        match self {
            Self::Alone => name.to_owned(),
            Self::In(list, index) => format!("{list}[{index}].{name}"),
        }
    }
}

/// A value that is too long is cut.
pub fn tag(place: Place, tag: &mut KeyValue) -> Result<()> {
    names::check(&tag.key, || place.field("key"))?;
    if tag.key.len() > KEY {
        length(&place.field("key"), KEY, &tag.key)?;
    }
    truncate(&mut tag.value, TAG_VALUE);
    Ok(())
}

pub fn param(place: Place, param: &mut KeyValue) -> Result<()> {
    names::check(&param.key, || place.field("key"))?;
    length("Param key", KEY, &param.key)?;
    truncate(&mut param.value, PARAM_VALUE);
    Ok(())
}

/// `known` says that the key was found right before.
pub fn metric(place: Place, key: &str, value: f64, timestamp: i64, known: bool) -> Result<()> {
    if !known {
        names::check(key, || place.field("name"))?;
    }
    if timestamp < 0 {
        return Err(negative(place, key, value, timestamp));
    }
    if known {
        return Ok(());
    }
    length("Metric name", KEY, key)
}

fn negative(place: Place, key: &str, value: f64, timestamp: i64) -> Refusal {
    let field = place.field("timestamp");
    let value = python::float(value);
    Refusal::invalid(format!(
        "Invalid value {timestamp} for parameter '{field}' supplied: metric '{key}' \
         (value={value}). Timestamp must be a nonnegative long (64-bit integer) "
    ))
}

pub fn run_id(run_id: &str) -> Result<()> {
    let mut characters = run_id.chars();
    let starts = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric());
    let goes_on = characters.all(|next| next == '-' || names::is_word(next));
    if starts && goes_on && run_id.chars().count() <= 256 {
        return Ok(());
    }
    Err(invalid_value("run_id", run_id, "."))
}

pub fn batch_size(metrics: usize, params: usize, tags: usize) -> Result<()> {
    at_most(METRICS_PER_BATCH, metrics, "metrics")?;
    at_most(PARAMS_OR_TAGS_PER_BATCH, params, "params")?;
    at_most(PARAMS_OR_TAGS_PER_BATCH, tags, "tags")?;
    let all = metrics + params + tags;
    at_most(ENTITIES_PER_BATCH, all, "metrics, params, and tags")
}

pub fn unique_params(params: &[KeyValue]) -> Result<()> {
    let mut seen = HashSet::new();
    let keys = params.iter().map(|param| param.key.as_str());
    let again: Vec<_> = keys.filter(|key| !seen.insert(*key)).collect();
    if again.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Duplicate parameter keys have been submitted: {}. Please ensure the request contains \
         only one param value per param key.",
        python::repr_list(again)
    )))
}

pub fn dataset_input(input: &DatasetInput) -> Result<()> {
    let Dataset {
        name,
        digest,
        source,
        schema,
        profile,
        ..
    } = &input.dataset;
    length("name", DATASET_NAME, name)?;
    length("digest", DATASET_DIGEST, digest)?;
    length("source", DATASET_SOURCE, source)?;
    length("schema", DATASET_SCHEMA, text(schema))?;
    length("profile", DATASET_PROFILE, text(profile))?;
    input.tags.iter().try_for_each(|tag| {
        length("key", INPUT_TAG_KEY, &tag.key)?;
        length("value", INPUT_TAG_VALUE, &tag.value)
    })
}

/// A metric says both of a dataset's names, or neither.
pub fn dataset_of_metric(name: Option<&str>, digest: Option<&str>) -> Result<()> {
    if name.is_some() == digest.is_some() {
        return Ok(());
    }
    Err(Refusal::invalid(
        "Both dataset_name and dataset_digest must be provided if one is provided",
    ))
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

fn at_most(limit: usize, count: usize, what: &str) -> Result<()> {
    if count <= limit {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "A batch logging request can contain at most {limit} {what}. Got {count} {what}. Please \
         split up {what} across multiple requests and try again."
    )))
}

fn truncate(value: &mut String, limit: usize) {
    if value.len() > limit
        && let Some((end, _)) = value.char_indices().nth(limit)
    {
        value.truncate(end);
    }
}
