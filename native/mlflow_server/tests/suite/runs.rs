use mlflow_server::ChangeKind;
use serde_json::json;

use crate::support::{TestServer, see_docs};

#[test]
fn a_new_run() {
    let server = TestServer::start();
    let body = json!({
        "experiment_id": "0", "user_id": "me", "start_time": "12", "run_name": "n",
        "tags": [{"key": "a", "value": "1"}],
    });
    let reply = server.post("runs/create", body);
    let run = &reply.ok()["run"];
    let run_id = run["info"]["run_id"].as_str().unwrap();
    assert_eq!(run_id.len(), 32);
    let info = json!({
        "run_id": run_id, "run_uuid": run_id, "experiment_id": "0", "run_name": "n",
        "user_id": "me", "status": "RUNNING", "start_time": 12, "lifecycle_stage": "active",
        "artifact_uri": format!("mlflow-artifacts:/0/{run_id}/artifacts"),
    });
    assert_eq!(run["info"], info);
    let tags = json!([{"key": "a", "value": "1"}, {"key": "mlflow.runName", "value": "n"}]);
    assert_eq!(run["data"], json!({"tags": tags}));
    assert_eq!(run["inputs"], json!({}));
    assert!(run.get("outputs").is_none());

    let mut read = server.run(run_id);
    assert_eq!(
        read.as_object_mut().unwrap().remove("outputs"),
        Some(json!({}))
    );
    assert_eq!(&read, run);
    assert_eq!(server.changes(run_id), [ChangeKind::Created]);
}

#[test]
fn a_run_is_named_by_its_name_its_tag_or_chance() {
    let server = TestServer::start();
    let create = |name: &str, tag: Option<&str>| {
        let tags = tag.map(|tag| json!([{"key": "mlflow.runName", "value": tag}]));
        let body = json!({"experiment_id": "0", "run_name": name, "tags": tags});
        server.post("runs/create", body)
    };
    let name = |name, tag| create(name, tag).ok()["run"]["info"]["run_name"].clone();
    assert_eq!(name("n", None), "n");
    assert_eq!(name("n", Some("n")), "n");
    assert_eq!(name("", Some("t")), "t");
    assert_eq!(name("", None).as_str().unwrap().split('-').count(), 3);
    create("n", Some("t")).invalid(
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different \
         values (run_name='n', mlflow.runName='t').",
    );
}

#[test]
fn wrong_runs() {
    let server = TestServer::start();
    let create = |body| server.post("runs/create", body);
    create(json!({})).refused(
        400,
        "BAD_REQUEST",
        "A run belongs to an experiment: give its experiment_id, which is \"0\" for the default one.",
    );
    create(json!({"experiment_id": "9"})).missing("No Experiment with id=9 exists");
    create(json!({"experiment_id": "x"}))
        .invalid("Invalid experiment ID 'x'. Experiment ID must be a valid integer.");
    create(json!({"start_time": "x"})).invalid(&see_docs(
        "Invalid value \"x\" for parameter 'start_time' supplied:  Hint: Value was of type 'str'.",
    ));
    create(json!({"experiment_id": "0", "experimentId": "0"})).invalid(
        "Request specifies both 'experiment_id' and 'experimentId'; provide only one of them.",
    );
    let twice = json!([{"key": "a"}, {"key": "a"}]);
    create(json!({"experiment_id": "0", "tags": twice})).refused(
        400,
        "BAD_REQUEST",
        "UNIQUE constraint failed: tags.key, tags.run_uuid",
    );
    server
        .get("runs/get?run_id=zz")
        .missing("Run with id=zz not found");
    server
        .get("runs/get")
        .invalid(&see_docs("Missing value for required parameter 'run_id'."));
}

#[test]
fn a_run_goes_by_its_old_name_too() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let reply = server.get(&format!("runs/get?run_uuid={run_id}"));
    assert_eq!(reply.ok()["run"]["info"]["run_id"], run_id);
    let body = json!({"run_uuid": run_id, "end_time": 5});
    assert_eq!(
        server.post("runs/update", body).ok()["run_info"]["end_time"],
        5
    );
}

#[test]
fn updating() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let update = |mut body: serde_json::Value| {
        body["run_id"] = json!(run_id);
        server.post("runs/update", body)
    };
    let done = update(json!({"status": "FINISHED", "end_time": 77, "run_name": "renamed"}));
    let info = &done.ok()["run_info"];
    assert_eq!(info["status"], "FINISHED");
    assert_eq!(info["end_time"], 77);
    assert_eq!(info["run_name"], "renamed");
    let run = server.run(&run_id);
    assert_eq!(&run["info"], info);
    let tags = json!([{"key": "mlflow.runName", "value": "renamed"}]);
    assert_eq!(run["data"]["tags"], tags);

    // What is left out stays, and so does the name where the new one is empty.
    let again = update(json!({"status": 4, "run_name": ""}));
    let info = &again.ok()["run_info"];
    assert_eq!(info["status"], "FAILED");
    assert_eq!(info["end_time"], 77);
    assert_eq!(info["run_name"], "renamed");

    // So does it where the name of a status is none that is known.
    let again = update(json!({"status": "NOPE"}));
    assert_eq!(again.ok()["run_info"]["status"], "FAILED");
}

#[test]
fn deleting_and_restoring() {
    let server = TestServer::start();
    let run_id = server.create_run();
    let body = json!({"run_id": run_id});
    server.post("runs/delete", body.clone()).ok();
    server.post("runs/delete", body.clone()).ok();
    assert_eq!(server.run(&run_id)["info"]["lifecycle_stage"], "deleted");
    server.post("runs/update", body.clone()).invalid(&format!(
        "The run {run_id} must be in the 'active' state. Current state is deleted."
    ));
    server.post("runs/restore", body).ok();
    assert_eq!(server.run(&run_id)["info"]["lifecycle_stage"], "active");
    use ChangeKind::{Created, Deleted, Restored};
    assert_eq!(
        server.changes(&run_id),
        [Created, Deleted, Deleted, Restored]
    );
}
