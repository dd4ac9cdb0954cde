use std::sync::Arc;

use mlflow_core::diff::{Base, Direction};
use mlflow_core::model::RunStatus;

use super::{agreed, diff, map, metric, run, trial};

fn full() -> Base {
    let (mut trial, mut run) = (trial(), run());
    trial.name = Some("naïve \"name\"\n".to_owned());
    trial.status = RunStatus::Other("PAUSED".to_owned());
    trial.end_time = Some(i64::MAX);
    trial.params = map(&[("lr", "0.1"), ("", "")]);
    trial.tags = map(&[("k", "\u{1F600}")]);
    run.name = trial.name.clone();
    run.status = trial.status.clone();
    run.end_time = trial.end_time;
    run.params = trial.params.clone();
    run.tags = trial.tags.clone();
    let base = agreed(&trial, &run);
    trial.points = vec![
        metric("nan", f64::NAN, 1, 1),
        metric("up", f64::INFINITY, 1, 1),
        metric("down", f64::NEG_INFINITY, i64::MIN, i64::MAX),
        metric("tenth", 0.1 + 0.2, 1, 1),
    ];
    diff(&trial, Some(&base), Some(&run), Direction::Both)
        .base
        .as_ref()
        .clone()
}

#[test]
fn a_base_survives_being_written_and_read() {
    let base = full();
    assert_eq!(Base::from_json(&base.to_json()), Some(base.clone()));
    assert!(base.to_json().contains("0.30000000000000004"));
    assert!(!base.to_json().contains(": "), "compact");
}

#[test]
fn a_base_that_cannot_be_read_is_none() {
    let json = full().to_json();
    for text in [
        "",
        "null",
        "{}",
        "[]",
        "nonsense",
        "{\"version\":1}",
        &json[..json.len() / 2],
    ] {
        assert_eq!(Base::from_json(text), None, "{text}");
    }
}

#[test]
fn a_base_of_an_unknown_version_is_none() {
    let json = full().to_json();
    assert!(json.contains("\"version\":2,"), "{json}");
    for version in ["0", "3", "-1", "\"1\"", "null"] {
        let other = json.replace("\"version\":2,", &format!("\"version\":{version},"));
        assert_eq!(Base::from_json(&other), None, "{version}");
    }
    assert_eq!(Base::from_json(&Base::default().to_json()), None);
}

#[test]
fn a_base_of_the_first_version_is_read_as_one_of_this() {
    let json = "{\"version\":1,\"name\":\"a\",\"status\":\"RUNNING\",\"end_time\":null,\
                \"params\":{\"lr\":\"0.1\"},\"tags\":{},\"metrics\":{}}";
    let base = Base::from_json(json).unwrap();
    assert_eq!(base.name.as_deref(), Some("a"));
    assert_eq!(base.params, map(&[("lr", "0.1")]));
    assert_eq!((base.start_time, base.is_contested), (None, false));
    assert!(base.to_json().contains("\"version\":2,"));
}

#[test]
fn a_base_in_which_nothing_changes_is_the_same_one() {
    let (trial, run) = (trial(), run());
    let base = agreed(&trial, &run);
    let plan = diff(&trial, Some(&base), Some(&run), Direction::Both);
    assert!(Arc::ptr_eq(&plan.base, &base));
}
