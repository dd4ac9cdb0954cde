use serde_json::json;

use crate::support::{TestServer, see_docs};

#[test]
fn the_default_experiment_is_always_there() {
    let server = TestServer::start();
    let reply = server.get("experiments/get?experiment_id=0");
    let experiment = &reply.ok()["experiment"];
    assert_eq!(experiment["name"], "Default");
    assert_eq!(experiment["artifact_location"], "mlflow-artifacts:/0");
    assert_eq!(experiment["lifecycle_stage"], "active");
    assert_eq!(experiment["workspace"], "default");
    assert!(experiment["creation_time"].is_i64());
}

#[test]
fn an_experiment_is_found_by_its_id_and_its_name() {
    let server = TestServer::start();
    let tags = json!([{"key": "a", "value": "1"}, {"key": "b"}]);
    let created = server.post("experiments/create", json!({"name": "mine", "tags": tags}));
    let id = created.ok()["experiment_id"].as_str().unwrap();

    let by_id = server.get(&format!("experiments/get?experiment_id={id}"));
    let by_name = server.get("experiments/get-by-name?experiment_name=mine");
    assert_eq!(by_id.ok(), by_name.ok());
    let experiment = &by_id.body["experiment"];
    assert_eq!(experiment["experiment_id"], id);
    assert_eq!(
        experiment["artifact_location"],
        format!("mlflow-artifacts:/{id}")
    );
    let tags = json!([{"key": "a", "value": "1"}, {"key": "b", "value": ""}]);
    assert_eq!(experiment["tags"], tags);
}

#[test]
fn unknown_experiments() {
    let server = TestServer::start();
    server
        .get("experiments/get?experiment_id=999")
        .missing("No Experiment with id=999 exists");
    server
        .get("experiments/get?experiment_id=abc")
        .invalid("Invalid experiment ID 'abc'. Experiment ID must be a valid integer.");
    server
        .get("experiments/get-by-name?experiment_name=no")
        .missing("Could not find experiment with name 'no'");
    server.get("experiments/get").invalid(&see_docs(
        "Missing value for required parameter 'experiment_id'.",
    ));
}

#[test]
fn names_are_checked() {
    let server = TestServer::start();
    let create = |name: &str| server.post("experiments/create", json!({"name": name}));
    create(&"x".repeat(501)).invalid("'name' exceeds the maximum length of 500 characters");
    create(&"ü".repeat(500)).ok();
    create("").invalid(&see_docs("Missing value for required parameter 'name'."));
    create("Default").refused(
        400,
        "RESOURCE_ALREADY_EXISTS",
        "Experiment(name=Default) already exists. Error: UNIQUE constraint failed: experiments.name",
    );
    server
        .post("experiments/create", json!({"name": 5}))
        .invalid(&see_docs(
            "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'.",
        ));
}

#[test]
fn refusals_carry_their_class() {
    let server = TestServer::start();
    let reply = server.get("experiments/get?experiment_id=999");
    assert_eq!(reply.body["sqlstate"], "KAM00");
    assert_eq!(reply.body["error_class"], "RESOURCE_NOT_FOUND");
}

#[test]
fn places_of_artifacts_are_checked() {
    let server = TestServer::start();
    let create = |location: &str| {
        let body = json!({"name": location, "artifact_location": location});
        server.post("experiments/create", body)
    };
    create("s3://bucket/path?x=1").ok();
    create("s3://b/p#f").invalid("'artifact_location' URL can't include fragments or params.");
    create("runs:/x").invalid("Artifact location cannot be a runs:/ URI. Given: 'runs:/x'");
    let refused = create("http://elsewhere/x");
    assert_eq!(refused.status, 400);
    let message = refused.body["message"].as_str().unwrap();
    assert!(message.starts_with("'artifact_location' cannot use the 'http' scheme:"));

    let by_name = server.get("experiments/get-by-name?experiment_name=s3://bucket/path?x=1");
    let id = by_name.ok()["experiment"]["experiment_id"].clone();
    let run = server.post("runs/create", json!({"experiment_id": id}));
    let info = &run.ok()["run"]["info"];
    let run_id = info["run_id"].as_str().unwrap();
    let uri = format!("s3://bucket/path/{run_id}/artifacts?x=1");
    assert_eq!(info["artifact_uri"], uri);
}

#[test]
fn renaming() {
    let server = TestServer::start();
    let id = server.create_experiment("old");
    let rename = |name: &str| {
        let body = json!({"experiment_id": id, "new_name": name});
        server.post("experiments/update", body)
    };
    rename("new").ok();
    rename("new").ok();
    server
        .get("experiments/get-by-name?experiment_name=new")
        .ok();
    rename("Default").refused(
        400,
        "BAD_REQUEST",
        "UNIQUE constraint failed: experiments.name",
    );
    server
        .post("experiments/delete", json!({"experiment_id": id}))
        .ok();
    rename("newer").refused(
        500,
        "INVALID_STATE",
        "Cannot rename a non-active experiment.",
    );
}

#[test]
fn runs_are_deleted_and_restored_with_their_experiment() {
    let server = TestServer::start();
    let id = server.create_experiment("e");
    let body = json!({"experiment_id": id});
    let run = server.post("runs/create", body.clone());
    let run_id = run.ok()["run"]["info"]["run_id"].as_str().unwrap();
    let stage = || server.run(run_id)["info"]["lifecycle_stage"].clone();

    server.post("experiments/delete", body.clone()).ok();
    assert_eq!(stage(), "deleted");
    let message = format!("No Experiment with id={id} exists");
    server
        .post("experiments/delete", body.clone())
        .missing(&message);
    let inactive =
        format!("The experiment {id} must be in the 'active' state. Current state is deleted.");
    server.post("runs/create", body.clone()).invalid(&inactive);

    server.post("experiments/restore", body.clone()).ok();
    assert_eq!(stage(), "active");
    server.post("experiments/restore", body).missing(&message);
}

#[test]
fn tags_are_set_replaced_and_deleted() {
    let server = TestServer::start();
    let set = |key: &str, value: &str| {
        let body = json!({"experiment_id": "0", "key": key, "value": value});
        server.post("experiments/set-experiment-tag", body)
    };
    let delete = || {
        let body = json!({"experiment_id": "0", "key": "a"});
        server.post("experiments/delete-experiment-tag", body)
    };
    set("a", "1").ok();
    set("a", "2").ok();
    let experiment = server.get("experiments/get?experiment_id=0");
    let tags = json!([{"key": "a", "value": "2"}]);
    assert_eq!(experiment.ok()["experiment"]["tags"], tags);
    delete().ok();
    delete().missing("No tag with name: a in experiment with id 0");
    set("a//b", "x").invalid(
        "Invalid value \"a//b\" for parameter 'key' supplied: Names may be treated as files in \
         certain cases, and must not resolve to other names when treated as such. This name would \
         resolve to 'a/b'",
    );
    set("a", &"x".repeat(20_001)).invalid("'value' exceeds the maximum length of 20000 characters");
}

#[test]
fn no_more_views_than_mlflow_keeps() {
    let server = TestServer::start();
    let set = |view: usize| {
        let key = format!("mlflow.customView.view{view}");
        let body = json!({"experiment_id": "0", "key": key, "value": "{}"});
        server.post("experiments/set-experiment-tag", body)
    };
    for view in 0..50 {
        set(view).ok();
    }
    set(49).ok();
    set(50).invalid(
        "Unable to create another custom view for experiment 0; the maximum number of custom \
         views per experiment is 50. Delete an existing custom view before creating a new one.",
    );
}
