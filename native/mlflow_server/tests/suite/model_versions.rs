use serde_json::{Value, json};

use crate::support::{Reply, TestServer};

const OUTSIDE: &str = "The run_id request parameter must identify the resource that contains the \
                       source.";
const RELATIVE: &str = "If supplying a source as an http, https, local file path, ftp, \
                        objectstore, or mlflow-artifacts uri, an absolute path must be provided \
                        without relative path references present. Please provide an absolute path.";
const LOCAL: &str = "To use a local path as a model version source, the run_id request parameter \
                     has to be specified and the local path has to be contained within the \
                     artifact directory of the run specified by the run_id.";

fn server() -> TestServer {
    let server = TestServer::start();
    server
        .post("registered-models/create", json!({"name": "m"}))
        .ok();
    server
}

fn create(server: &TestServer, source: &str, run_id: Option<&str>) -> Reply {
    let body = json!({"name": "m", "source": source, "run_id": run_id});
    server.post("model-versions/create", body)
}

fn get(server: &TestServer, version: &str) -> Reply {
    server.get(&format!("model-versions/get?name=m&version={version}"))
}

#[test]
fn a_version_is_what_it_was_created_as() {
    let server = server();
    let run = server.create_run();
    let source = format!("mlflow-artifacts:/0/{run}/artifacts/model");
    let body = json!({
        "name": "m", "source": source, "run_id": run, "run_link": "l", "description": "d",
        "tags": [{"key": "k", "value": "v"}],
    });
    let reply = server.post("model-versions/create", body);
    let created = &reply.ok()["model_version"];
    let time = &created["creation_timestamp"];
    let expected = json!({
        "name": "m", "version": "1", "creation_timestamp": time, "last_updated_timestamp": time,
        "current_stage": "None", "description": "d", "source": source, "run_id": run,
        "status": "READY", "tags": [{"key": "k", "value": "v"}], "run_link": "l",
    });
    assert_eq!(created, &expected);
    assert_eq!(get(&server, "1").ok()["model_version"], expected);
    assert_eq!(get(&server, " 1 ".trim()).ok()["model_version"], expected);
    let uri = server.get("model-versions/get-download-uri?name=m&version=1");
    assert_eq!(uri.ok(), &json!({"artifact_uri": source}));
    assert_eq!(
        create(&server, "s3://b/x", None).ok()["model_version"]["version"],
        "2"
    );
}

#[test]
fn a_source_must_lie_in_what_the_run_holds() {
    let server = server();
    let (run, other) = (server.create_run(), server.create_run());
    let root = format!("mlflow-artifacts:/0/{run}/artifacts");
    let refused = |source: &str, run: Option<&str>, why: &str| {
        create(&server, source, run)
            .invalid(&format!("Invalid model version source: '{source}'. {why}"));
    };
    refused(&root, None, OUTSIDE);
    refused(&root, Some(&other), OUTSIDE);
    refused(&root, Some("nope"), OUTSIDE);
    refused(&format!("mlflow-artifacts:/0/{run}"), Some(&run), OUTSIDE);
    refused(&format!("runs:/{other}/m"), Some(&run), OUTSIDE);
    for path in ["/../x", "/%2e%2e/x", "/%252e%252e/x"] {
        refused(&format!("{root}{path}"), Some(&run), RELATIVE);
    }
    refused("s3://b/../x", None, RELATIVE);
    refused("x:y", None, RELATIVE);
    refused("/etc", None, LOCAL);
    refused("/etc", Some(&run), LOCAL);
    create(&server, "http://h/x", Some(&run)).invalid(
        "'source' cannot use the 'http' scheme: the 'http' scheme addresses a host other than the \
         tracking server's configured artifact storage, so the server would connect to the host \
         named in the URI. Set the MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES environment \
         variable on the server to allow it.",
    );
    create(&server, &root, Some(&run)).ok();
    create(&server, &format!("{root}//x/"), Some(&run)).ok();
    create(&server, &format!("runs:/{run}/m"), Some(&run)).ok();
}

#[test]
fn a_local_source_may_not_leave_the_folder_of_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let server = server();
    let body = json!({"name": "local", "artifact_location": folder.path()});
    let experiment = server.post("experiments/create", body).ok()["experiment_id"].clone();
    let reply = server.post("runs/create", json!({"experiment_id": experiment}));
    let info = &reply.ok()["run"]["info"];
    let (run, root) = (
        info["run_id"].as_str(),
        info["artifact_uri"].as_str().unwrap(),
    );
    std::fs::create_dir_all(root).unwrap();
    std::os::unix::fs::symlink(outside.path(), format!("{root}/link")).unwrap();
    create(&server, &format!("{root}/model"), run).ok();
    create(&server, &format!("file://{root}/model"), run).ok();
    for path in ["/link/model", "/../x", "/%2e%2e/x"] {
        assert_eq!(
            create(&server, &format!("{root}{path}"), run).status,
            400,
            "{path}"
        );
    }
}

#[test]
fn a_version_of_a_version() {
    let server = server();
    let run = server.create_run();
    create(&server, &format!("runs:/{run}/m"), Some(&run)).ok();
    let again = create(&server, "models:/m/latest", None);
    let again = &again.ok()["model_version"];
    assert_eq!(
        (&again["source"], &again["run_id"]),
        (&json!("models:/m/1"), &json!(run))
    );
    let uri = server.get("model-versions/get-download-uri?name=m&version=2");
    assert_eq!(uri.ok()["artifact_uri"], format!("runs:/{run}/m"));
    create(&server, "models:/m/9", None).missing("Model Version (name=m, version=9) not found");
    create(&server, "models:/m@no", None).invalid("Registered model alias no not found.");
    create(&server, "models:/m/1", Some("other")).invalid(
        "Invalid model version source: 'models:/m/1'. The run_id and model_id request parameters \
         must match the referenced model version.",
    );
    create(&server, "models:/m/Staging", None).refused(
        500,
        "INTERNAL_ERROR",
        "No versions of model with name 'm' and stage 'Staging' found",
    );
}

#[test]
fn versions_that_are_none() {
    let server = server();
    get(&server, "9").missing("Model Version (name=m, version=9) not found");
    get(&server, "x").invalid("Parameter 'version' must be an integer, got 'x'.");
    get(&server, "").invalid(
        "Missing value for required parameter 'version'. See the API docs for more information \
         about request parameters.",
    );
}

#[test]
fn stages() {
    let server = server();
    create(&server, "s3://b/1", None).ok();
    create(&server, "s3://b/2", None).ok();
    let to = |version: &str, stage: &str, archive: bool| {
        let body = json!({
            "name": "m", "version": version, "stage": stage, "archive_existing_versions": archive,
        });
        server.post("model-versions/transition-stage", body)
    };
    let stage = |version| get(&server, version).ok()["model_version"]["current_stage"].clone();
    to("1", "production", false).ok();
    assert_eq!(stage("1"), "Production");
    to("2", "PRODUCTION", true).ok();
    assert_eq!(
        (stage("1"), stage("2")),
        (json!("Archived"), json!("Production"))
    );
    to("1", "archived", true).refused(
        500,
        "INTERNAL_ERROR",
        "Model version transition cannot archive existing model versions because 'archived' is \
         not an Active stage. Valid stages are ['Staging', 'Production']",
    );
    to("9", "Production", true).missing("Model Version (name=m, version=9) not found");
    assert_eq!(stage("2"), "Production");
}

#[test]
fn a_deleted_version_takes_its_aliases_along_and_its_number_is_not_given_again() {
    let server = server();
    create(&server, "s3://b/1", None).ok();
    let alias = json!({"name": "m", "alias": "a", "version": "1"});
    server.post("registered-models/alias", alias).ok();
    let delete = || {
        server.delete(
            "model-versions/delete",
            json!({"name": "m", "version": "1"}),
        )
    };
    delete().ok();
    delete().missing("Model Version (name=m, version=1) not found");
    let model = server.get("registered-models/get?name=m");
    let model = &model.ok()["registered_model"];
    assert_eq!(
        (model.get("aliases"), model.get("latest_versions")),
        (None, None)
    );
    assert_eq!(
        create(&server, "s3://b/2", None).ok()["model_version"]["version"],
        "2"
    );
}

#[test]
fn tags_and_descriptions() {
    let server = server();
    create(&server, "s3://b/1", None).ok();
    let set = |key: &str, value: &str| {
        let body = json!({"name": "m", "version": "1", "key": key, "value": value});
        server.post("model-versions/set-tag", body)
    };
    set("z", "1").ok();
    set("a", "2").ok();
    set("z", "3").ok();
    set("k", &"v".repeat(100_001))
        .invalid("'value' exceeds the maximum length of 100000 characters");
    set("mlflow.prompt.text", &"v".repeat(100_001))
        .invalid("Prompt text exceeds max length of 100000 characters.");
    let tags = |value: &Value| value["model_version"]["tags"].clone();
    let expected = json!([{"key": "z", "value": "3"}, {"key": "a", "value": "2"}]);
    assert_eq!(tags(get(&server, "1").ok()), expected);
    let body = json!({"name": "m", "version": "1", "key": "z"});
    server.delete("model-versions/delete-tag", body).ok();
    assert_eq!(
        tags(get(&server, "1").ok()),
        json!([{"key": "a", "value": "2"}])
    );
    let update = |body| server.patch("model-versions/update", body);
    let reply = update(json!({"name": "m", "version": "1", "description": "d"}));
    assert_eq!(reply.ok()["model_version"]["description"], "d");
    let reply = update(json!({"name": "m", "version": "1"}));
    assert_eq!(reply.ok()["model_version"].get("description"), None);
}
