//! Folders as MLflow's file store leaves them.

use mlflow_store::tracking::{model_versions, registered_models};
use serde_json::json;
use tempfile::TempDir;

use super::source::write;
use super::{experiment, import_all, points, run, shown};
use crate::support::with_conn;

const RUN: &str = "0/r1";

fn meta_of_experiment(id: &str, name: &str, stage: &str) -> String {
    format!(
        "artifact_location: file:///x/{id}\ncreation_time: 1000\nexperiment_id: '{id}'\n\
         last_update_time: 1001\nlifecycle_stage: {stage}\nname: {name}\n"
    )
}

fn mlruns() -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let put = |path: &str, content: &str| write(root, path, content);
    put("0/meta.yaml", &meta_of_experiment("0", "Default", "active"));
    put("0/tags/team", "a\nb");
    let gone = meta_of_experiment("220027787665638787", "'12'", "deleted");
    put(".trash/220027787665638787/meta.yaml", &gone);
    put(
        "0/r1/meta.yaml",
        "artifact_uri: file:///x/0/r1/artifacts\nend_time: 20\nentry_point_name: ''\n\
         experiment_id: '0'\nlifecycle_stage: active\nrun_id: r1\nrun_name: 'null'\n\
         run_uuid: r1\nsource_name: ''\nsource_type: 4\nstart_time: 10\nstatus: 3\n\
         user_id: ada\n",
    );
    put("0/r1/params/nested/a/b", "x");
    put("0/r1/params/empty", "");
    put("0/r1/tags/mlflow.note.content", "one\ntwo\n");
    put("0/r1/metrics/a/b", "100 0.5 0\n200 0.75 1\n");
    put("0/r1/metrics/odd", "5 nan 0\n6 inf 1\n7 -inf 2\n");
    put("0/r1/metrics/old", "5 1.5\n");
    put(
        "0/datasets/abc/meta.yaml",
        "digest: g\nname: ds\nprofile: null\nschema: s\nsource: '{}'\nsource_type: local\n",
    );
    put(
        "0/r1/inputs/i/meta.yaml",
        "destination_id: r1\ndestination_type: RUN\nsource_id: abc\nsource_type: DATASET\n\
         tags:\n  mlflow.data.context: train\n",
    );
    put(
        "models/m/meta.yaml",
        "creation_timestamp: 40\ndescription: about\nlast_updated_timestamp: 50\n\
         latest_versions: []\nname: m\ntags: {}\n",
    );
    put("models/m/tags/n/x", "1");
    put("models/m/aliases/best", "1");
    put(
        "models/m/version-1/meta.yaml",
        "creation_timestamp: 41\ncurrent_stage: Staging\ndescription: null\n\
         last_updated_timestamp: 42\nname: m\nrun_id: r1\nrun_link: ''\nsource: s3://b/1\n\
         status: READY\nstatus_message: null\nuser_id: null\nversion: 1\n",
    );
    folder
}

#[test]
fn everything_there_is_in_a_folder() {
    with_conn(|conn| {
        let folder = mlruns();
        let summary = import_all(conn, folder.path())?;
        assert_eq!(summary.experiments.imported, 2);
        assert_eq!(summary.metric_points, 6);
        assert!(summary.left_out.is_empty(), "{summary:?}");
        let default = experiment(conn, 0);
        assert_eq!(default["tags"], json!([{"key": "team", "value": "a\nb"}]));
        assert_eq!(default["artifact_location"], "file:///x/0");
        let trashed = experiment(conn, 220_027_787_665_638_787);
        assert_eq!(trashed["name"], "12");
        assert_eq!(trashed["lifecycle_stage"], "deleted");
        let one = run(conn, "r1");
        let info = &one["info"];
        assert_eq!(info["run_name"], "null");
        assert_eq!(info["status"], "FINISHED");
        assert_eq!(
            (&info["start_time"], &info["end_time"]),
            (&json!(10), &json!(20))
        );
        let params = json!([{"key": "empty", "value": ""}, {"key": "nested/a/b", "value": "x"}]);
        assert_eq!(one["data"]["params"], params);
        assert_eq!(one["data"]["tags"][0]["value"], "one\ntwo\n");
        assert_eq!(
            points(conn, "r1", "a/b"),
            json!([[0.5, 100, 0], [0.75, 200, 1]])
        );
        // As MLflow's SQL store keeps what is beyond the largest number.
        let odd = json!([["NaN", 5, 0], [f64::MAX, 6, 1], [f64::MIN, 7, 2]]);
        assert_eq!(points(conn, "r1", "odd"), odd);
        assert_eq!(points(conn, "r1", "old"), json!([[1.5, 5, 0]]));
        let input = &one["inputs"]["dataset_inputs"][0];
        assert_eq!(input["dataset"]["digest"], "g");
        assert_eq!(input["tags"][0]["value"], "train");
        let model = shown(registered_models::get(conn, "m").unwrap());
        assert_eq!(model["tags"], json!([{"key": "n/x", "value": "1"}]));
        assert_eq!(model["aliases"], json!([{"alias": "best", "version": "1"}]));
        let version = shown(model_versions::get(conn, "m", "1").unwrap());
        assert_eq!(version["current_stage"], "Staging");
        assert_eq!(version["source"], "s3://b/1");
        assert_eq!(import_all(conn, folder.path())?.runs.present, 1);
        Ok(())
    });
}

#[test]
fn what_is_damaged_is_named_to_the_line() {
    with_conn(|conn| {
        for (path, content, named) in [
            (
                "metrics/a/b",
                "100 0.5 0\nnonsense\n",
                "metrics/a/b, line 2: ",
            ),
            ("metrics/odd", "5 x 0\n", "metrics/odd, line 1: "),
            ("meta.yaml", "status: [\n", "r1/meta.yaml: "),
            (
                "inputs/i/meta.yaml",
                "source_type: DATASET\n",
                "inputs/i/meta.yaml: ",
            ),
        ] {
            let folder = mlruns();
            write(folder.path(), &format!("{RUN}/{path}"), content);
            let error = import_all(conn, folder.path()).unwrap_err();
            assert!(error.message.contains(named), "{error}");
            assert!(
                error
                    .message
                    .ends_with("mend or remove it, and import again"),
                "{error}"
            );
        }
        let folder = mlruns();
        write(folder.path(), "models/m/aliases/best", "first");
        let error = import_all(conn, folder.path()).unwrap_err();
        assert!(error.message.contains("aliases/best: "), "{error}");
        Ok(())
    });
}

#[test]
fn what_is_no_mlruns_folder_is_refused_or_told_of() {
    with_conn(|conn| {
        let folder = TempDir::new().unwrap();
        let error = import_all(conn, folder.path()).unwrap_err();
        assert!(
            error.message.contains("give the path of an mlruns folder"),
            "{error}"
        );
        let error = import_all(conn, &folder.path().join("none")).unwrap_err();
        assert!(
            error
                .message
                .contains("neither an SQLite file nor a folder"),
            "{error}"
        );
        let folder = mlruns();
        write(folder.path(), "notes/readme", "");
        write(folder.path(), "0/traces/t/meta.yaml", "");
        let summary = import_all(conn, folder.path())?;
        let left_out: Vec<_> = summary.left_out.keys().collect();
        assert!(
            left_out[0].ends_with("notes (no meta.yaml)"),
            "{left_out:?}"
        );
        assert_eq!(left_out[1], "traces");
        Ok(())
    });
}
