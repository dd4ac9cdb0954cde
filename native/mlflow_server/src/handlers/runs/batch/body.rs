//! The request's body.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::message::{Field, KEY_VALUE, Kind, Message, Rule, Schema, is_missing};

/// Fields that are not known here may be known by their other names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body<'a> {
    #[serde(borrow)]
    pub run_id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub metrics: Vec<MetricBody<'a>>,
    #[serde(borrow, default)]
    pub params: Vec<PairBody<'a>>,
    #[serde(borrow, default)]
    pub tags: Vec<PairBody<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricBody<'a> {
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    #[serde(deserialize_with = "number")]
    pub value: f64,
    pub timestamp: i64,
    #[serde(default)]
    pub step: i64,
    #[serde(borrow, default)]
    pub model_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    dataset_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    dataset_digest: Option<Cow<'a, str>>,
    /// Which clients send, and nobody reads: the batch has its own.
    #[serde(borrow, default, rename = "run_id")]
    _run_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairBody<'a> {
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    #[serde(borrow, default)]
    pub value: Cow<'a, str>,
}

const METRIC: &[Field] = &[
    Field::text("key"),
    Field::one("value", Kind::Double),
    Field::int("timestamp"),
    Field::int("step"),
    Field::text("model_id"),
    Field::text("dataset_name"),
    Field::text("dataset_digest"),
];

pub const SCHEMA: Schema = Schema {
    fields: &[
        Field::text("run_id"),
        Field::many("metrics", Kind::Message(METRIC)),
        Field::many("params", Kind::Message(KEY_VALUE)),
        Field::many("tags", Kind::Message(KEY_VALUE)),
    ],
    rules: &[
        ("run_id", &[Rule::Text, Rule::Required]),
        ("metrics", &[Rule::Array, Rule::Check(whole_metrics)]),
        ("params", &[Rule::Array, Rule::Check(whole_params)]),
        ("tags", &[Rule::Array, Rule::Check(whole_tags)]),
    ],
};

impl<'a> Body<'a> {
    /// Nothing, where the body is not quite what is expected of it.
    pub fn quickly(json: &'a [u8]) -> Option<Self> {
        let body: Self = serde_json::from_slice(json).ok()?;
        let pairs = body.params.iter().chain(&body.tags);
        let mut keys = pairs
            .map(|pair| &pair.key)
            .chain(body.metrics.iter().map(|metric| &metric.key));
        let whole = !body.run_id.is_empty() && keys.all(|key| !key.is_empty());
        whole.then_some(body)
    }

    pub fn of_message(message: &'a Message) -> Self {
        let pair = |message: &'a Message| PairBody {
            key: message.text("key").into(),
            value: message.text("value").into(),
        };
        Self {
            run_id: message.text("run_id").into(),
            metrics: message
                .messages("metrics")
                .map(MetricBody::of_message)
                .collect(),
            params: message.messages("params").map(pair).collect(),
            tags: message.messages("tags").map(pair).collect(),
        }
    }
}

impl<'a> MetricBody<'a> {
    fn of_message(message: &'a Message) -> Self {
        let text = |name| message.some_text(name).map(Cow::Borrowed);
        Self {
            key: message.text("key").into(),
            value: message.double("value"),
            timestamp: message.int("timestamp"),
            step: message.int("step"),
            model_id: text("model_id"),
            dataset_name: text("dataset_name"),
            dataset_digest: text("dataset_digest"),
            _run_id: None,
        }
    }

    /// Its name and its digest.
    pub fn dataset(&self) -> (Option<&str>, Option<&str>) {
        (some(&self.dataset_name), some(&self.dataset_digest))
    }
}

fn some<'a>(text: &'a Option<Cow<str>>) -> Option<&'a str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// JSON has no NaN, so clients send it as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("a number")
        }

        fn visit_f64<E>(self, number: f64) -> Result<f64, E> {
            Ok(number)
        }

        fn visit_i64<E>(self, number: i64) -> Result<f64, E> {
            Ok(number as f64)
        }

        fn visit_u64<E>(self, number: u64) -> Result<f64, E> {
            Ok(number as f64)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            match text {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(E::custom("not a number")),
            }
        }
    }

    deserializer.deserialize_any(Number)
}

fn whole_metrics(metrics: &Value) -> Result<(), Option<String>> {
    whole("metrics", &["key", "value", "timestamp"], metrics)
}

fn whole_params(params: &Value) -> Result<(), Option<String>> {
    whole("params", &["key"], params)
}

fn whole_tags(tags: &Value) -> Result<(), Option<String>> {
    whole("tags", &["key"], tags)
}

fn whole(list: &str, fields: &[&str], items: &Value) -> Result<(), Option<String>> {
    let items = items.as_array().ok_or(None)?;
    for (index, item) in items.iter().enumerate() {
        let lacking = |field: &&&str| is_missing(item.get(field).unwrap_or(&Value::Null));
        if let Some(field) = fields.iter().find(lacking) {
            return Err(Some(format!(
                "Missing value for required parameter '{list}[{index}].{field}'."
            )));
        }
    }
    Ok(())
}
