//! MLflow's JSON, read with as little trust as can be: any field may be missing or null, integers
//! may come as strings, and what is unknown is passed over. Only an answer that lacks what it is
//! about is refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::client::Unreadable;
use crate::model::{Experiment, LifecycleStage, Metric, MetricValue, Page, Run, RunStatus};

type Read<T> = std::result::Result<T, Unreadable>;

/// Where MLflow keeps the run's name too, and where alone it was before 2.0.
const RUN_NAME_TAG: &str = "mlflow.runName";

pub(super) fn done(body: &[u8]) -> Read<()> {
    #[derive(Deserialize)]
    struct Answer {}

    json::<Answer>(body).map(|_| ())
}

pub(super) fn experiment_id(body: &[u8]) -> Read<String> {
    #[derive(Deserialize)]
    struct Answer {
        experiment_id: Option<String>,
    }

    essential(json::<Answer>(body)?.experiment_id, "experiment_id")
}

pub(super) fn experiment(body: &[u8]) -> Read<Experiment> {
    #[derive(Deserialize)]
    struct Answer {
        experiment: Option<WireExperiment>,
    }

    essential(json::<Answer>(body)?.experiment, "experiment")?.try_into()
}

pub(super) fn experiments(body: &[u8]) -> Read<Page<Experiment>> {
    #[derive(Deserialize)]
    struct Answer {
        experiments: Option<Vec<WireExperiment>>,
        next_page_token: Option<String>,
    }

    let answer: Answer = json(body)?;
    page(answer.experiments, answer.next_page_token)
}

pub(super) fn run(body: &[u8]) -> Read<Run> {
    #[derive(Deserialize)]
    struct Answer {
        run: Option<WireRun>,
    }

    essential(json::<Answer>(body)?.run, "run")?.try_into()
}

pub(super) fn runs(body: &[u8]) -> Read<Page<Run>> {
    #[derive(Deserialize)]
    struct Answer {
        runs: Option<Vec<WireRun>>,
        next_page_token: Option<String>,
    }

    let answer: Answer = json(body)?;
    page(answer.runs, answer.next_page_token)
}

pub(super) fn metrics(body: &[u8]) -> Read<Page<Metric>> {
    #[derive(Deserialize)]
    struct Answer {
        metrics: Option<Vec<WireMetric>>,
        next_page_token: Option<String>,
    }

    let answer: Answer = json(body)?;
    page(answer.metrics, answer.next_page_token)
}

#[derive(Deserialize)]
struct WireExperiment {
    experiment_id: Option<String>,
    name: Option<String>,
    artifact_location: Option<String>,
    lifecycle_stage: Option<LifecycleStage>,
    creation_time: Option<Int>,
    last_update_time: Option<Int>,
    tags: Option<Vec<Entry>>,
}

impl TryFrom<WireExperiment> for Experiment {
    type Error = Unreadable;

    fn try_from(wire: WireExperiment) -> Read<Self> {
        Ok(Self {
            experiment_id: essential(wire.experiment_id, "experiment_id")?,
            name: wire.name.unwrap_or_default(),
            artifact_location: wire
                .artifact_location
                .filter(|location| !location.is_empty()),
            lifecycle_stage: wire.lifecycle_stage.unwrap_or(LifecycleStage::Active),
            creation_time: wire.creation_time.map(i64::from),
            last_update_time: wire.last_update_time.map(i64::from),
            tags: entries(wire.tags)?,
        })
    }
}

#[derive(Deserialize)]
struct WireRun {
    info: Option<Info>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Info {
    run_id: Option<String>,
    run_uuid: Option<String>,
    experiment_id: Option<String>,
    run_name: Option<String>,
    status: Option<RunStatus>,
    start_time: Option<Int>,
    end_time: Option<Int>,
    artifact_uri: Option<String>,
    lifecycle_stage: Option<LifecycleStage>,
    user_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Data {
    params: Option<Vec<Entry>>,
    metrics: Option<Vec<WireMetric>>,
    tags: Option<Vec<Entry>>,
}

impl TryFrom<WireRun> for Run {
    type Error = Unreadable;

    fn try_from(wire: WireRun) -> Read<Self> {
        let info = essential(wire.info, "run.info")?;
        let data = wire.data.unwrap_or_default();
        let tags = entries(data.tags)?;
        let name = info.run_name.filter(|name| !name.is_empty());
        Ok(Self {
            run_id: essential(info.run_id.or(info.run_uuid), "run_id")?,
            experiment_id: essential(info.experiment_id, "experiment_id")?,
            name: name.or_else(|| tags.get(RUN_NAME_TAG).cloned()),
            // What Protocol Buffers take an absent status for.
            status: info.status.unwrap_or(RunStatus::Running),
            start_time: info.start_time.map(i64::from),
            end_time: info.end_time.map(i64::from),
            artifact_uri: info.artifact_uri.filter(|uri| !uri.is_empty()),
            lifecycle_stage: info.lifecycle_stage.unwrap_or(LifecycleStage::Active),
            user_id: info.user_id.filter(|user| !user.is_empty()),
            params: entries(data.params)?,
            metrics: converted(data.metrics)?,
            tags,
        })
    }
}

#[derive(Deserialize)]
struct WireMetric {
    key: Option<String>,
    value: Option<MetricValue>,
    timestamp: Option<Int>,
    step: Option<Int>,
}

impl TryFrom<WireMetric> for Metric {
    type Error = Unreadable;

    fn try_from(wire: WireMetric) -> Read<Self> {
        Ok(Self {
            key: essential(wire.key, "a metric's key")?,
            value: essential(wire.value, "a metric's value")?,
            timestamp: wire.timestamp.map_or(0, i64::from),
            step: wire.step.map_or(0, i64::from),
        })
    }
}

/// A param or a tag.
#[derive(Deserialize)]
struct Entry {
    key: Option<String>,
    value: Option<String>,
}

fn entries(list: Option<Vec<Entry>>) -> Read<BTreeMap<String, String>> {
    list.unwrap_or_default()
        .into_iter()
        .map(|entry| {
            let key = essential(entry.key, "a param's or tag's key")?;
            Ok((key, entry.value.unwrap_or_default()))
        })
        .collect()
}

/// MLflow's int64, which its JSON writes as a number or as a string.
#[derive(Clone, Copy)]
struct Int(i64);

impl From<Int> for i64 {
    fn from(int: Int) -> Self {
        int.0
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Lenient;

        impl Visitor<'_> for Lenient {
            type Value = Int;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer, as a number or a string")
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<Int, E> {
                Ok(Int(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<Int, E> {
                i64::try_from(value)
                    .map(Int)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Int, E> {
                // The cast is exact: i64::MIN is a double, and every whole double below 2^63 fits.
                let fits = value >= i64::MIN as f64 && value < -(i64::MIN as f64);
                if fits && value.fract() == 0.0 {
                    Ok(Int(value as i64))
                } else {
                    Err(E::invalid_value(Unexpected::Float(value), &self))
                }
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Int, E> {
                if let Ok(value) = text.parse() {
                    return Ok(Int(value));
                }
                match text.parse() {
                    Ok(value) => self.visit_f64(value),
                    Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(Lenient)
    }
}

fn page<W, T: TryFrom<W, Error = Unreadable>>(
    items: Option<Vec<W>>,
    next_page_token: Option<String>,
) -> Read<Page<T>> {
    Ok(Page {
        items: converted(items)?,
        next_page_token: next_page_token.filter(|token| !token.is_empty()),
    })
}

fn converted<W, T: TryFrom<W, Error = Unreadable>>(list: Option<Vec<W>>) -> Read<Vec<T>> {
    list.unwrap_or_default()
        .into_iter()
        .map(T::try_from)
        .collect()
}

fn essential<T>(field: Option<T>, name: &str) -> Read<T> {
    field.ok_or_else(|| Unreadable::Malformed(format!("it lacks {name}")))
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Read<T> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(body).map_err(|cause| {
        if is_object {
            Unreadable::Malformed(cause.to_string())
        } else if body.trim_ascii().is_empty() {
            Unreadable::Malformed("it is empty".to_owned())
        } else {
            Unreadable::Foreign
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed<T: fmt::Debug>(read: Read<T>) -> String {
        match read.unwrap_err() {
            Unreadable::Malformed(problem) => problem,
            Unreadable::Foreign => panic!("not taken for MLflow's"),
        }
    }

    #[test]
    fn integers_come_in_many_guises() {
        for (text, expected) in [
            ("7", Some(7)),
            ("-7", Some(-7)),
            ("7.0", Some(7)),
            ("\"7\"", Some(7)),
            ("\"7.0\"", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("\"9223372036854775807\"", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("7.5", None),
            ("1e300", None),
            ("\"NaN\"", None),
            ("\"x\"", None),
            ("true", None),
        ] {
            let int = serde_json::from_str::<Int>(text).ok().map(i64::from);
            assert_eq!(int, expected, "{text}");
        }
    }

    #[test]
    fn a_bare_run_is_a_run() {
        let run = run(br#"{"run":{"info":{"run_uuid":"r","experiment_id":"0"},"data":null}}"#);
        let run = run.unwrap();
        assert_eq!(run.run_id, "r");
        assert_eq!(run.status, RunStatus::Running);
        assert_eq!(run.lifecycle_stage, LifecycleStage::Active);
        assert_eq!((run.start_time, run.end_time, run.name), (None, None, None));
        assert!(run.metrics.is_empty() && run.params.is_empty() && run.tags.is_empty());
    }

    #[test]
    fn an_answer_must_hold_what_it_is_about() {
        assert_eq!(malformed(run(b"{}")), "it lacks run");
        assert_eq!(malformed(run(br#"{"run":{"info":{}}}"#)), "it lacks run_id");
        assert_eq!(
            malformed(experiment(br#"{"experiment":{}}"#)),
            "it lacks experiment_id"
        );
        assert_eq!(malformed(experiment_id(b"{}")), "it lacks experiment_id");
        assert_eq!(
            malformed(metrics(br#"{"metrics":[{"key":"a"}]}"#)),
            "it lacks a metric's value"
        );
        assert_eq!(malformed(done(b" ")), "it is empty");
        assert!(malformed(run(br#"{"run":{"info":"#)).contains("EOF"));
        assert!(matches!(done(b"<html>"), Err(Unreadable::Foreign)));
        assert!(matches!(done(b"[]"), Err(Unreadable::Foreign) | Ok(())));
    }

    #[test]
    fn lists_may_be_null_and_tokens_empty() {
        let page = runs(br#"{"runs":null,"next_page_token":""}"#).unwrap();
        assert_eq!(
            page,
            Page {
                items: vec![],
                next_page_token: None
            }
        );
        assert!(metrics(b"{}").unwrap().items.is_empty());
    }

    #[test]
    fn doubles_are_read_to_the_last_bit() {
        let body = br#"{"metrics":[{"key":"a","value":0.1234567890123456789},
            {"key":"a","value":"-Infinity"},{"key":"a","value":1}]}"#;
        let values: Vec<f64> = metrics(body)
            .unwrap()
            .items
            .iter()
            .map(|m| m.value.0)
            .collect();
        assert_eq!(values, [0.123_456_789_012_345_68, f64::NEG_INFINITY, 1.0]);
    }
}
