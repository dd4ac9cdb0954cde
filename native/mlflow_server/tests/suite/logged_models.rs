use serde_json::{Value, json};

use crate::support::{Reply, TestServer};

fn create(server: &TestServer, body: Value) -> String {
    let reply = server.post("logged-models", body);
    let id = &reply.ok()["model"]["info"]["model_id"];
    id.as_str().unwrap().to_owned()
}

fn get(server: &TestServer, id: &str) -> Value {
    server.get(&format!("logged-models/{id}")).ok()["model"].clone()
}

fn not_found(reply: &Reply, id: &str) {
    reply.missing(&format!("Logged model with ID '{id}' not found."));
}

#[test]
fn a_logged_model_is_what_it_was_created_as() {
    let server = TestServer::start();
    let pairs = json!([{"key": "z", "value": "1"}, {"key": "a", "value": "2"}]);
    let sorted = json!([{"key": "a", "value": "2"}, {"key": "z", "value": "1"}]);
    let id = create(
        &server,
        json!({
            "experiment_id": "0", "name": "n", "model_type": "t", "source_run_id": "r",
            "params": pairs, "tags": pairs,
        }),
    );
    assert!(id.starts_with("m-") && id.len() == 34);
    let model = get(&server, &id);
    let time = &model["info"]["creation_timestamp_ms"];
    let info = json!({
        "model_id": id, "experiment_id": "0", "name": "n", "creation_timestamp_ms": time,
        "last_updated_timestamp_ms": time, "status": "LOGGED_MODEL_PENDING", "model_type": "t",
        "artifact_uri": format!("mlflow-artifacts:/0/models/{id}/artifacts"),
        "source_run_id": "r", "tags": sorted,
    });
    assert_eq!(model, json!({"info": info, "data": {"params": sorted}}));
}

#[test]
fn wrong_logged_models() {
    let server = TestServer::start();
    let create = |body| server.post("logged-models", body);
    create(json!({"experiment_id": "9"})).missing("No Experiment with id=9 exists");
    create(json!({"experiment_id": "0", "name": "a'b"})).invalid(
        "Invalid model name (\"a'b\") provided. Model name must be a non-empty string and cannot \
         contain the following characters: ('/', ':', '.', '%', '\"', \"'\")",
    );
    let twice = json!([{"key": "k", "value": "1"}, {"key": "k", "value": "2"}]);
    create(json!({"experiment_id": "0", "params": twice})).refused(
        400,
        "BAD_REQUEST",
        "UNIQUE constraint failed: logged_model_params.model_id, logged_model_params.param_key",
    );
    not_found(&server.get("logged-models/m-no"), "m-no");
}

#[test]
fn it_is_finalized_and_deleted() {
    let server = TestServer::start();
    let id = create(&server, json!({"experiment_id": "0"}));
    let path = format!("logged-models/{id}");
    let finalize = |status: Value| {
        let reply = server.patch(&path, json!({"model_id": id, "status": status}));
        reply.ok()["model"]["info"]["status"].clone()
    };
    assert_eq!(finalize(json!(2)), "LOGGED_MODEL_READY");
    assert_eq!(
        finalize(json!("LOGGED_MODEL_UPLOAD_FAILED")),
        "LOGGED_MODEL_UPLOAD_FAILED"
    );
    assert_eq!(
        finalize(json!("NO SUCH")),
        "LOGGED_MODEL_STATUS_UNSPECIFIED"
    );
    server.delete(&path, json!({})).ok();
    not_found(&server.get(&path), &id);
    let deleted = server.get(&format!("{path}?allow_deleted=true"));
    assert_eq!(deleted.ok()["model"]["info"]["model_id"], id);
    not_found(&server.delete("logged-models/m-no", json!({})), "m-no");
}

#[test]
fn tags_and_params() {
    let server = TestServer::start();
    let id = create(&server, json!({"experiment_id": "0"}));
    let tags = json!([{"key": "k", "value": "1"}, {"key": "k", "value": "2"}]);
    let path = format!("logged-models/{id}/tags");
    server.patch(&path, json!({"tags": tags})).ok();
    assert_eq!(
        get(&server, &id)["info"]["tags"],
        json!([{"key": "k", "value": "2"}])
    );
    let tag = format!("{path}/k");
    server.delete(&tag, json!({})).ok();
    server.delete(&tag, json!({})).missing(&format!(
        "No tag with key 'k' found for model with ID '{id}'."
    ));
    let params = |value: &str| {
        let params = json!([{"key": "p", "value": value}]);
        let body = json!({"model_id": id, "params": params});
        server.post(&format!("logged-models/{id}/params"), body)
    };
    params("1").ok();
    assert_eq!(params("2").status, 400);
    let data = json!({"params": [{"key": "p", "value": "1"}]});
    assert_eq!(get(&server, &id)["data"], data);
}

#[test]
fn metrics_come_in_the_order_in_which_they_were_logged() {
    let server = TestServer::start();
    let run = server.create_run();
    let id = create(&server, json!({"experiment_id": "0"}));
    for (key, value) in [("z", 1.5), ("a", 2.0)] {
        let body = json!({
            "run_id": run, "key": key, "value": value, "timestamp": 5, "model_id": id,
            "dataset_name": "d", "dataset_digest": "g",
        });
        server.post("runs/log-metric", body).ok();
    }
    let metric = |key: &str, value: f64| {
        json!({
            "key": key, "value": value, "timestamp": 5, "step": 0, "dataset_name": "d",
            "dataset_digest": "g", "model_id": id, "run_id": run,
        })
    };
    let expected = json!([metric("z", 1.5), metric("a", 2.0)]);
    assert_eq!(get(&server, &id)["data"]["metrics"], expected);
}

#[test]
fn it_knows_the_versions_that_were_made_of_it() {
    let server = TestServer::start();
    let run = server.create_run();
    let id = create(&server, json!({"experiment_id": "0", "source_run_id": run}));
    let other = create(&server, json!({"experiment_id": "0"}));
    server
        .post("registered-models/create", json!({"name": "m"}))
        .ok();
    let register = |source: &str, model_id: &str| {
        let body = json!({"name": "m", "source": source, "model_id": model_id});
        server.post("model-versions/create", body)
    };
    let source = format!("models:/{id}");
    assert_eq!(register(&source, &id).ok()["model_version"]["run_id"], run);
    register(&format!("mlflow-artifacts:/0/models/{id}/artifacts/x"), &id).ok();
    register(&source, &other).invalid(&format!(
        "Invalid model version source: '{source}'. The model_id request parameter must identify \
         the resource that contains the source."
    ));
    let tag = &get(&server, &id)["info"]["tags"][0];
    assert_eq!(
        tag,
        &json!({
            "key": "mlflow.modelVersions",
            "value": "[{\"name\": \"m\", \"version\": 1}, {\"name\": \"m\", \"version\": 2}]",
        })
    );
    let uri = server.get("model-versions/get-download-uri?name=m&version=1");
    let location = format!("mlflow-artifacts:/0/models/{id}/artifacts");
    assert_eq!(uri.ok()["artifact_uri"], location);
}
