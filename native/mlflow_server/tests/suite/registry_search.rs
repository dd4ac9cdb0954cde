use serde_json::{Value, json};

use crate::support::{Reply, TestServer};

fn server() -> TestServer {
    let server = TestServer::start();
    for (name, tag) in [("a", "1"), ("B", "2"), ("c", "1")] {
        let tags = json!([{"key": "t", "value": tag}]);
        let body = json!({"name": name, "tags": tags});
        server.post("registered-models/create", body).ok();
        let body = json!({"name": name, "source": format!("s3://b/{name}"), "tags": tags});
        server.post("model-versions/create", body).ok();
    }
    let tags = json!([{"key": "mlflow.prompt.is_prompt", "value": "true"}]);
    let body = json!({"name": "prompt", "tags": tags});
    server.post("registered-models/create", body).ok();
    server
}

fn search(server: &TestServer, path: &str, parameters: &[(&str, &str)]) -> Reply {
    let parameter = |(name, value): &(&str, &str)| {
        let value = value
            .replace('%', "%25")
            .replace(' ', "+")
            .replace('>', "%3E")
            .replace('=', "%3D");
        format!("{name}={value}")
    };
    let query: Vec<_> = parameters.iter().map(parameter).collect();
    server.get(&format!("{path}?{}", query.join("&")))
}

fn names(reply: &Reply) -> Vec<String> {
    let mut fields = reply.ok().as_object().unwrap().values();
    let found = fields.find_map(Value::as_array).cloned();
    let name = |item: &Value| {
        let name = item.get("name").unwrap_or(&item["info"]["name"]);
        name.as_str().unwrap().to_owned()
    };
    found.unwrap_or_default().iter().map(name).collect()
}

#[test]
fn registered_models_by_name_and_tag() {
    let server = server();
    let found = |filter| {
        names(&search(
            &server,
            "registered-models/search",
            &[("filter", filter)],
        ))
    };
    assert_eq!(found(""), ["B", "a", "c"]);
    assert_eq!(found("name = 'a'"), ["a"]);
    assert_eq!(found("name LIKE 'b'"), [""; 0]);
    assert_eq!(found("name ILIKE 'b'"), ["B"]);
    assert_eq!(found("name IN ('a','c')"), ["a", "c"]);
    assert_eq!(found("tags.t != '2'"), ["a", "c"]);
    assert_eq!(found("tags.`mlflow.prompt.is_prompt` = 'true'"), ["prompt"]);
    assert_eq!(
        found("tags.`mlflow.prompt.is_prompt` = 'false'"),
        ["B", "a", "c"]
    );
}

#[test]
fn pages_go_on_where_the_last_one_ended_whatever_comes_in_between() {
    let server = server();
    for path in ["registered-models/search", "model-versions/search"] {
        let first = search(
            &server,
            path,
            &[("max_results", "2"), ("order_by", "name ASC")],
        );
        assert_eq!(names(&first), ["B", "a"]);
        let token = first.body["next_page_token"].as_str().unwrap();
        let between = format!("A{}", path.len());
        server
            .post("registered-models/create", json!({"name": between}))
            .ok();
        let body = json!({"name": between, "source": "s3://b/x"});
        server.post("model-versions/create", body).ok();
        let next = [
            ("max_results", "2"),
            ("order_by", "name ASC"),
            ("page_token", token),
        ];
        let next = search(&server, path, &next);
        assert_eq!(names(&next), ["c"]);
        assert_eq!(next.body.get("next_page_token"), None);
        let body = json!({"name": between});
        server.delete("registered-models/delete", body).ok();
    }
}

#[test]
fn model_versions_by_what_they_are() {
    let server = server();
    let found = |filter| {
        names(&search(
            &server,
            "model-versions/search",
            &[("filter", filter)],
        ))
    };
    assert_eq!(found("source_path = 's3://b/B'"), ["B"]);
    assert_eq!(found("version_number > 1"), [""; 0]);
    assert_eq!(found("tags.t = '1' AND name = 'c'"), ["c"]);
    let body = json!({"name": "c", "version": "1"});
    server.delete("model-versions/delete", body).ok();
    assert_eq!(found("tags.t = '1' AND name = 'c'"), [""; 0]);
    search(&server, "model-versions/search", &[("max_results", "0")])
        .invalid("Invalid value for max_results. It must be a positive integer, but got 0");
    search(
        &server,
        "model-versions/search",
        &[("filter", "version_number = 1.5")],
    )
    .invalid("Invalid value for numeric attribute 'version_number': 1.5");
}

#[test]
fn logged_models_by_metrics_params_and_datasets() {
    let server = TestServer::start();
    let run = server.create_run();
    for (name, value, dataset) in [("one", 0.5, "d"), ("two", 0.7, "d"), ("three", 0.1, "e")] {
        let params = json!([{"key": "p", "value": name}]);
        let body = json!({"experiment_id": "0", "name": name, "params": params});
        let reply = server.post("logged-models", body);
        let id = &reply.ok()["model"]["info"]["model_id"];
        let body = json!({
            "run_id": run, "key": "acc", "value": value, "timestamp": 1, "model_id": id,
            "dataset_name": dataset, "dataset_digest": "g",
        });
        server.post("runs/log-metric", body).ok();
    }
    let by_metric = json!([{"field_name": "metrics.acc"}]);
    let found = |mut body: Value| {
        body["experiment_ids"] = json!(["0"]);
        body["order_by"] = by_metric.clone();
        server.post("logged-models/search", body)
    };
    assert_eq!(names(&found(json!({}))), ["three", "one", "two"]);
    let filter = "metrics.acc > 0.4 AND params.p != 'one'";
    assert_eq!(names(&found(json!({"filter": filter}))), ["two"]);
    let datasets = json!([{"dataset_name": "d", "dataset_digest": "g"}]);
    assert_eq!(names(&found(json!({"datasets": datasets}))), ["one", "two"]);
    let first = found(json!({"max_results": 2}));
    let token = &first.ok()["next_page_token"];
    let next = found(json!({"max_results": 2, "page_token": token}));
    assert_eq!(names(&next), ["two"]);
    found(json!({"datasets": [{}]}))
        .invalid("`dataset_name` in the `datasets` clause must be specified.");
}
