//! Databases of two versions of MLflow, field by field.

use mlflow_store::Connection;
use mlflow_store::tracking::import::Count;
use mlflow_store::tracking::{logged_models, model_versions, registered_models};
use serde_json::{Value, json};

use super::source::SourceDatabase;
use super::{experiment, import_all, points, run, shown};
use crate::support::with_conn;

fn has(actual: &Value, expected: Value) {
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&actual[field], value, "{field} of {actual}");
    }
}

/// What both versions have.
fn check_common(conn: &Connection) {
    has(
        &experiment(conn, 7),
        json!({
            "experiment_id": "7", "name": "gone", "artifact_location": "s3://b/7",
            "lifecycle_stage": "deleted", "creation_time": 2000, "last_update_time": 2001,
            "tags": [{"key": "team", "value": "a"}],
        }),
    );
    let one = run(conn, "r1");
    has(
        &one["info"],
        json!({
            "run_id": "r1", "run_name": "one", "experiment_id": "7", "user_id": "ada",
            "status": "FINISHED", "start_time": 10, "end_time": 20, "lifecycle_stage": "active",
            "artifact_uri": "s3://b/r1",
        }),
    );
    let params = json!([{"key": "a/b", "value": ""}, {"key": "lr", "value": "0.1"}]);
    assert_eq!(one["data"]["params"], params);
    assert_eq!(one["data"]["tags"], json!([{"key": "t", "value": ""}]));
    assert_eq!(
        points(conn, "r1", "acc"),
        json!([[0.5, 100, 0], [0.75, 200, 1]])
    );
    assert_eq!(points(conn, "r1", "nan"), json!([["NaN", 5, -3]]));
    assert_eq!(points(conn, "r1", "inf"), json!([[f64::MAX, 5, 0]]));
    // Only the latest is left of its history.
    assert_eq!(points(conn, "r1", "thin"), json!([[4.0, 0, 9]]));
    let input = &one["inputs"]["dataset_inputs"][0];
    has(
        &input["dataset"],
        json!({
            "name": "ds", "digest": "g", "source_type": "local", "source": "{}",
            "schema": "schema",
        }),
    );
    assert_eq!(
        input["tags"],
        json!([{"key": "mlflow.data.context", "value": "train"}])
    );
    let two = run(conn, "r2");
    has(
        &two["info"],
        json!({"run_name": "from tags", "status": "RUNNING", "lifecycle_stage": "deleted"}),
    );
    check_registry(conn);
}

fn check_registry(conn: &Connection) {
    let model = shown(registered_models::get(conn, "m").unwrap());
    has(
        &model,
        json!({
            "name": "m", "creation_timestamp": 40, "last_updated_timestamp": 50,
            "description": "about", "tags": [{"key": "k", "value": "v"}],
            "aliases": [{"alias": "best", "version": "2"}],
        }),
    );
    let version = shown(model_versions::get(conn, "m", "2").unwrap());
    has(
        &version,
        json!({
            "version": "2", "creation_timestamp": 43, "last_updated_timestamp": 44,
            "description": "d", "user_id": "ada", "current_stage": "None", "source": "s3://b/2",
            "run_id": "r1", "status": "FAILED_REGISTRATION", "status_message": "why",
            "run_link": "l", "tags": [{"key": "q", "value": "w"}],
        }),
    );
    let first = shown(model_versions::get(conn, "m", "1").unwrap());
    has(
        &first,
        json!({"current_stage": "Production", "status": "READY"}),
    );
}

#[test]
fn everything_of_2_9() {
    with_conn(|conn| {
        let summary = import_all(conn, &SourceDatabase::of_2_9().path())?;
        assert_eq!(summary.metric_points, 5);
        assert!(summary.left_out.is_empty(), "{summary:?}");
        check_common(conn);
        Ok(())
    });
}

#[test]
fn everything_of_3_17() {
    with_conn(|conn| {
        let summary = import_all(conn, &SourceDatabase::of_3_17().path())?;
        let imported = |imported| Count {
            imported,
            present: 0,
        };
        assert_eq!(summary.experiments, imported(2));
        assert_eq!(summary.runs, imported(2));
        assert_eq!(summary.logged_models, imported(1));
        assert_eq!(summary.registered_models, imported(1));
        assert_eq!(summary.model_versions, imported(2));
        assert_eq!(summary.left_out, [("trace_info".to_owned(), 2)].into());
        check_common(conn);
        let one = run(conn, "r1");
        assert_eq!(one["inputs"]["model_inputs"], json!([{"model_id": "m-0"}]));
        let outputs = json!([{"model_id": "m-1", "step": 4}]);
        assert_eq!(one["outputs"]["model_outputs"], outputs);
        let model = shown(logged_models::get(conn, "m-1", false).unwrap());
        has(
            &model["info"],
            json!({
                "model_id": "m-1", "experiment_id": "7", "name": "lm", "model_type": "agent",
                "artifact_uri": "s3://b/m-1", "creation_timestamp_ms": 60,
                "last_updated_timestamp_ms": 61, "source_run_id": "r1",
                "tags": [{"key": "t", "value": "2"}],
            }),
        );
        assert_eq!(model["data"]["params"], json!([{"key": "p", "value": "1"}]));
        has(
            &model["data"]["metrics"][0],
            json!({
                "key": "acc", "value": 0.5, "timestamp": 5, "step": 1, "run_id": "r1",
                "dataset_name": "ds", "dataset_digest": "g",
            }),
        );
        Ok(())
    });
}

#[test]
fn other_databases_are_refused() {
    with_conn(|conn| {
        for (change, reason) in [
            (
                "DROP TABLE alembic_version",
                "it has no table alembic_version",
            ),
            (
                "DROP TABLE inputs",
                "older than 2.9, as it has no table inputs",
            ),
            (
                "UPDATE experiments SET workspace = 'mine' WHERE experiment_id = 7",
                "it has a workspace \"mine\"",
            ),
        ] {
            let source = SourceDatabase::of_3_17();
            source.change(change);
            let error = import_all(conn, &source.path()).unwrap_err();
            assert!(error.message.contains(reason), "{error}");
            assert!(error.message.contains("mlflow.db"), "{error}");
        }
        Ok(())
    });
}
