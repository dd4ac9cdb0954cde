use serde_json::json;

use crate::support::{TestServer, see_docs};

#[test]
fn datasets_and_models_of_a_run() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let dataset = json!({"name": "n", "digest": "d", "source_type": "local", "source": "s"});
    let tags = json!([{"key": "mlflow.data.context", "value": "train"}]);
    let input = json!({"dataset": dataset, "tags": tags});
    let log = |body| server.post("runs/log-inputs", body);
    let models = json!([{"model_id": "m-1"}]);
    log(json!({"run_id": run_id, "datasets": [input, input], "models": models})).ok();
    // It is known, so it keeps its tags.
    let again = json!({"dataset": dataset, "tags": [{"key": "other", "value": "x"}]});
    log(json!({"run_id": run_id, "datasets": [again]})).ok();

    let outputs = json!({"run_id": run_id, "models": [{"model_id": "m-2", "step": 3}]});
    server.post("runs/outputs", outputs.clone()).ok();
    server.post("runs/outputs", outputs).refused(
        400,
        "BAD_REQUEST",
        "UNIQUE constraint failed: inputs.source_type, inputs.source_id, inputs.destination_type, \
         inputs.destination_id",
    );

    let run = server.run(&run_id);
    let inputs = json!({"dataset_inputs": [input], "model_inputs": models});
    assert_eq!(run["inputs"], inputs);
    let outputs = json!({"model_outputs": [{"model_id": "m-2", "step": 3}]});
    assert_eq!(run["outputs"], outputs);

    let found = server.post("runs/search", json!({"experiment_ids": ["0"]}));
    let found = &found.ok()["runs"][0];
    assert_eq!(found["inputs"], json!({"dataset_inputs": [input]}));
    assert_eq!(found["outputs"], outputs);
}

#[test]
fn a_dataset_is_the_same_for_all_runs_of_an_experiment() {
    let server = TestServer::start();
    let (one, other) = (server.create_run(), server.create_run());
    for (run_id, source, tag) in [(&one, "first", "a"), (&other, "second", "b")] {
        let dataset = json!({
            "name": "n", "digest": "d", "source_type": "t", "source": source, "schema": "s",
        });
        let input = json!({"dataset": dataset, "tags": [{"key": tag, "value": "1"}]});
        let body = json!({"run_id": run_id, "datasets": [input]});
        server.post("runs/log-inputs", body).ok();
    }
    let input = &server.run(&other)["inputs"]["dataset_inputs"][0];
    assert_eq!(input["dataset"]["source"], "first");
    assert_eq!(input["dataset"]["schema"], "s");
    assert_eq!(input["tags"], json!([{"key": "b", "value": "1"}]));
}

#[test]
fn wrong_inputs() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let log = |input| {
        let body = json!({"run_id": run_id, "datasets": [input]});
        server.post("runs/log-inputs", body)
    };
    log(json!({"dataset": {"name": "n".repeat(501)}}))
        .invalid("'name' exceeds the maximum length of 500 characters");
    log(json!({"dataset": {"name": "n", "digest": "d".repeat(37)}}))
        .invalid("'digest' exceeds the maximum length of 36 characters");
    log(json!({"dataset": {"name": "n"}, "tags": [{"key": "k".repeat(256)}]}))
        .invalid("'key' exceeds the maximum length of 255 characters");
    log(json!({"dataset": {"name": "n"}, "tags": [{"key": "k"}, {"key": "k"}]})).refused(
        400,
        "BAD_REQUEST",
        "UNIQUE constraint failed: input_tags.input_uuid, input_tags.name",
    );
    assert_eq!(server.run(&run_id)["inputs"], json!({}));
    server
        .post("runs/outputs", json!({"run_id": run_id}))
        .invalid(&see_docs("Missing value for required parameter 'models'."));
}
