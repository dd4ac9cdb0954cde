use serde_json::{Value, json};

use crate::support::{Reply, TestServer, see_docs};

fn create(server: &TestServer, name: &str) -> Reply {
    server.post("registered-models/create", json!({ "name": name }))
}

fn get(server: &TestServer, name: &str) -> Value {
    let reply = server.get(&format!("registered-models/get?name={name}"));
    reply.ok()["registered_model"].clone()
}

fn version(server: &TestServer, name: &str) {
    let body = json!({"name": name, "source": "s3://bucket/model"});
    server.post("model-versions/create", body).ok();
}

#[test]
fn a_registered_model_is_what_it_was_created_as() {
    let server = TestServer::start();
    let tags = json!([
        {"key": "z", "value": "1"}, {"key": "a", "value": "2"}, {"key": "z", "value": "3"},
    ]);
    let body = json!({"name": "m", "description": "d", "tags": tags});
    let reply = server.post("registered-models/create", body);
    let created = &reply.ok()["registered_model"];
    let time = &created["creation_timestamp"];
    assert!(time.is_i64());
    let tags = json!([{"key": "z", "value": "3"}, {"key": "a", "value": "2"}]);
    let expected = json!({
        "name": "m", "creation_timestamp": time, "last_updated_timestamp": time,
        "description": "d", "tags": tags,
    });
    assert_eq!(created, &expected);
    assert_eq!(get(&server, "m"), expected);
}

#[test]
fn names_are_checked_as_mlflow_does() {
    let server = TestServer::start();
    create(&server, "").invalid(&see_docs("Missing value for required parameter 'name'."));
    create(&server, " ").invalid("Missing value for required parameter 'name'.");
    create(&server, "a/b").invalid("Invalid model name 'a/b'. Names cannot contain '/' or ':'.");
    create(&server, "..").invalid(
        "Invalid value \"..\" for parameter 'name' supplied: Names may be treated as files in \
         certain cases, and must not resolve to other names when treated as such. This name would \
         resolve to '..'",
    );
    let missing = "Registered Model with name=no not found";
    server.get("registered-models/get?name=no").missing(missing);
    let tag = json!({"name": "no", "key": "k", "value": "v"});
    server
        .post("registered-models/set-tag", tag)
        .missing(missing);
}

#[test]
fn models_and_prompts_share_their_names() {
    let server = TestServer::start();
    create(&server, "m").ok();
    let exists = |reply: &Reply, message| {
        reply.refused(400, "RESOURCE_ALREADY_EXISTS", message);
    };
    exists(
        &create(&server, "m"),
        "Registered Model (name=m) already exists.",
    );
    let tags = json!([{"key": "mlflow.prompt.is_prompt", "value": "true"}]);
    let prompt = server.post(
        "registered-models/create",
        json!({"name": "m", "tags": tags}),
    );
    exists(
        &prompt,
        "Tried to create a prompt with name 'm', but the name is already taken by a registered \
         model. MLflow does not allow creating a model and a prompt with the same name.",
    );
}

#[test]
fn an_update_without_a_description_removes_it() {
    let server = TestServer::start();
    create(&server, "m").ok();
    let update = |body| server.patch("registered-models/update", body);
    let body = json!({"name": "m", "description": "d"});
    assert_eq!(update(body).ok()["registered_model"]["description"], "d");
    update(json!({"name": "m"})).ok();
    assert_eq!(get(&server, "m").get("description"), None);
    assert_eq!(
        server
            .post("registered-models/update", json!({"name": "m"}))
            .status,
        405
    );
}

#[test]
fn a_renamed_model_keeps_its_versions_tags_and_aliases() {
    let server = TestServer::start();
    create(&server, "m").ok();
    create(&server, "taken").ok();
    version(&server, "m");
    let tag = json!({"name": "m", "key": "k", "value": "v"});
    server.post("registered-models/set-tag", tag).ok();
    let alias = json!({"name": "m", "alias": "champion", "version": "1"});
    server.post("registered-models/alias", alias).ok();
    let rename = |to: &str| {
        let body = json!({"name": "m", "new_name": to});
        server.post("registered-models/rename", body)
    };
    rename("taken").refused(
        400,
        "RESOURCE_ALREADY_EXISTS",
        "Registered Model (name=taken) already exists. Error: UNIQUE constraint failed: \
         registered_models.name",
    );
    rename("n").ok();
    let renamed = get(&server, "n");
    assert_eq!(renamed["latest_versions"][0]["name"], "n");
    assert_eq!(renamed["tags"], json!([{"key": "k", "value": "v"}]));
    assert_eq!(
        renamed["aliases"],
        json!([{"alias": "champion", "version": "1"}])
    );
    assert_eq!(server.get("registered-models/get?name=m").status, 404);
}

#[test]
fn a_deleted_model_leaves_nothing() {
    let server = TestServer::start();
    create(&server, "m").ok();
    version(&server, "m");
    version(&server, "m");
    let delete = || server.delete("registered-models/delete", json!({"name": "m"}));
    assert_eq!(delete().ok(), &json!({}));
    delete().missing("Registered Model with name=m not found");
    create(&server, "m").ok();
    assert_eq!(get(&server, "m").get("latest_versions"), None);
    version(&server, "m");
    assert_eq!(get(&server, "m")["latest_versions"][0]["version"], "1");
}

#[test]
fn aliases() {
    let server = TestServer::start();
    create(&server, "m").ok();
    let of = |alias: &str| server.get(&format!("registered-models/alias?name=m&alias={alias}"));
    of("latest").missing("Latest version not found for model m.");
    version(&server, "m");
    version(&server, "m");
    let set = |alias: &str, version: &str| {
        let body = json!({"name": "m", "alias": alias, "version": version});
        server.post("registered-models/alias", body)
    };
    set("b", "1").ok();
    set("a", "1").ok();
    set("b", "2").ok();
    assert_eq!(of("b").ok()["model_version"]["version"], "2");
    assert_eq!(of("b").ok()["model_version"]["aliases"], json!(["b"]));
    assert_eq!(of("latest").ok()["model_version"]["version"], "2");
    of("no").invalid("Registered model alias no not found.");
    set("Latest", "1").invalid("'latest' alias name (case insensitive) is reserved.");
    set("v1", "1").invalid("Version alias name 'v1' is reserved.");
    set("a b", "1").invalid(
        "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and \
         dashes (-).",
    );
    set(&"a".repeat(256), "1")
        .invalid("'Registered model alias name' exceeds the maximum length of 255 characters");
    set("c", "9").missing("Model Version (name=m, version=9) not found");
    let gone = json!({"name": "m", "alias": "b"});
    server.delete("registered-models/alias", gone.clone()).ok();
    server.delete("registered-models/alias", gone).ok();
    assert_eq!(
        get(&server, "m")["aliases"],
        json!([{"alias": "a", "version": "1"}])
    );
}

#[test]
fn the_newest_version_of_each_stage() {
    let server = TestServer::start();
    create(&server, "m").ok();
    (0..4).for_each(|_| version(&server, "m"));
    let to = |version: &str, stage: &str| {
        let body = json!({"name": "m", "version": version, "stage": stage});
        server.post("model-versions/transition-stage", body).ok();
    };
    to("1", "staging");
    to("2", "Archived");
    let latest = |stages: Value| {
        let body = json!({"name": "m", "stages": stages});
        server.post("registered-models/get-latest-versions", body)
    };
    let versions = |reply: Reply| -> Vec<String> {
        let versions = reply.ok()["model_versions"].as_array().cloned();
        let versions = versions.unwrap_or_default();
        let version = |version: &Value| version["version"].as_str().unwrap().to_owned();
        versions.iter().map(version).collect()
    };
    assert_eq!(versions(latest(json!([]))), ["1", "2", "4"]);
    assert_eq!(versions(latest(json!(["none", "STAGING"]))), ["1", "4"]);
    assert!(versions(latest(json!(["Production"]))).is_empty());
    latest(json!(["x"])).invalid(
        "Invalid Model Version stage: x. Value must be one of None, Staging, Production, Archived.",
    );
}
