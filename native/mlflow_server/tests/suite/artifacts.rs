use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::TestServer;

const PROXY: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// A server whose artifacts lie beside a file that nobody may reach through it.
struct Fixture {
    server: TestServer,
    folder: TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn has(&self, header: &str) -> bool {
        self.head
            .lines()
            .any(|line| line.eq_ignore_ascii_case(header))
    }
}

impl Fixture {
    fn new() -> Self {
        Self::limited(u64::MAX)
    }

    fn limited(largest_artifact: u64) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        let server = TestServer::configured(|config| {
            config.artifacts = folder.path().join("artifacts");
            config.largest_artifact = largest_artifact;
        });
        Self { server, folder }
    }

    fn inside(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("artifacts").join(path)
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
             {headers}Connection: close\r\n\r\n",
            body.len()
        );
        let answer = self.server.exchange(&[head.as_bytes(), body].concat());
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: answer[end + 4..].to_vec(),
        }
    }

    fn put(&self, path: &str, body: &[u8]) -> Answer {
        self.ask("PUT", &format!("{PROXY}/{path}"), "", body)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let names = entries.map(|entry| name(entry).to_string_lossy().into_owned());
    names.collect()
}

#[test]
fn what_is_uploaded_is_downloaded_listed_and_deleted() {
    let fixture = Fixture::new();
    let uploaded = fixture.put("1/run/a.txt", b"hello");
    assert_eq!((uploaded.status, uploaded.body.as_slice()), (200, &b""[..]));
    fixture.put("1/run/d/empty", b"");
    let downloaded = fixture.get(&format!("{PROXY}/1/run/a.txt"));
    assert_eq!(downloaded.body, b"hello");
    assert!(downloaded.has("content-type: text/plain"));
    assert!(downloaded.has("content-disposition: attachment; filename=a.txt"));
    assert!(downloaded.has("x-content-type-options: nosniff"));
    let list = |path: &str| fixture.get(&format!("{PROXY}?path={path}")).json();
    let files = json!([
        {"path": "a.txt", "is_dir": false, "file_size": 5}, {"path": "d", "is_dir": true},
    ]);
    assert_eq!(list("1/run"), json!({"files": files}));
    assert_eq!(
        list("1/run/d"),
        json!({"files": [{"path": "empty", "is_dir": false}]})
    );
    assert_eq!(list("nope"), json!({}));
    let delete = |path: &str| fixture.ask("DELETE", &format!("{PROXY}/{path}"), "", b"");
    for path in ["1/run/d", "1/run/a.txt", "1/run/a.txt", "nope/nope"] {
        assert_eq!(delete(path).json(), json!({}), "{path}");
    }
    assert_eq!(list("1/run"), json!({}));
    assert_eq!(delete(".").status, 400);
}

#[test]
fn refusals_are_worded_as_mlflow_words_them() {
    let fixture = Fixture::new();
    fixture.put("1/d/a", b"x");
    let get = |path: &str| fixture.get(&format!("{PROXY}/{path}"));
    let message = "Artifact path refers to a directory, not a file: '1/d'";
    assert_eq!(get("1/d").json(), json!({"detail": message}));
    let missing = get("1/no");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["message"], "No such artifact: '1/no'");
    let message = "Artifact path must include a filename (cannot end with '/').";
    assert_eq!(fixture.put("1/d/", b"x").json(), json!({"detail": message}));
    let reserved = fixture.put("1/.artifact.uploading.x", b"x").json();
    assert_eq!(
        reserved["message"],
        "Invalid artifact file name: '.artifact.uploading.x'. Artifact names starting with \
         '.artifact.uploading.' are reserved."
    );
    assert_eq!(fixture.put("1/d", b"x").status, 400);
    assert_eq!(fixture.put("1/d/a/b", b"x").status, 400);
    assert_eq!(fixture.put(&"x".repeat(300), b"x").status, 400);
    let multipart = fixture.ask(
        "POST",
        "/api/2.0/mlflow-artifacts/mpu/create/x",
        "Content-Type: application/json\r\n",
        b"{\"path\": \"x\", \"num_parts\": 2}",
    );
    assert_eq!(multipart.status, 501);
    assert_eq!(
        multipart.json()["message"],
        "Multipart upload is not supported for the current artifact repository"
    );
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let fixture = Fixture::new();
    fixture.put("a", b"x");
    for path in [
        "../secret",
        "a/../../secret",
        "%2e%2e/secret",
        "%252e%252e/secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "/etc/passwd",
        "%2fetc/passwd",
        "C:/x",
        "%5c%5chost/x",
        "a%23b",
        "file:///etc/passwd",
        "%25252525252525252e%25252525252525252e/secret",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = fixture.ask(method, &format!("{PROXY}/{path}"), "", b"stolen");
            assert!(matches!(answer.status, 400 | 404 | 500), "{method} {path}");
            assert_ne!(answer.body, b"secret", "{method} {path}");
        }
        let listed = fixture.get(&format!("{PROXY}?path={path}"));
        assert!(listed.status != 200 || listed.json() == json!({}), "{path}");
    }
    assert_eq!(
        fs::read(fixture.folder.path().join("secret")).unwrap(),
        b"secret"
    );
    let mut names = names(fixture.folder.path());
    names.sort();
    assert_eq!(names, ["artifacts", "secret"]);
}

#[test]
fn no_symbolic_link_leads_out_of_the_folder() {
    let fixture = Fixture::new();
    fixture.put("d/a", b"x");
    let outside = fixture.folder.path();
    symlink(outside, fixture.inside("up")).unwrap();
    symlink("../secret", fixture.inside("file")).unwrap();
    symlink("../../made", fixture.inside("d/dangling")).unwrap();
    symlink("d", fixture.inside("within")).unwrap();
    for path in ["up/secret", "file", "up"] {
        let answer = fixture.get(&format!("{PROXY}/{path}"));
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(
            answer.json()["message"],
            "Invalid path: resolved path is outside the artifact directory"
        );
    }
    assert_eq!(fixture.get(&format!("{PROXY}?path=up")).status, 400);
    assert_eq!(fixture.put("up/secret", b"stolen").status, 400);
    assert_eq!(fixture.put("up/new/file", b"stolen").status, 400);
    // The link itself is replaced, and what it led to is left alone.
    assert_eq!(fixture.put("file", b"mine").status, 200);
    assert_eq!(fixture.put("d/dangling", b"mine").status, 200);
    fixture.ask("DELETE", &format!("{PROXY}/up/secret"), "", b"");
    fixture.ask("DELETE", &format!("{PROXY}/up"), "", b"");
    assert!(!fixture.inside("up").exists());
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert!(!outside.join("made").exists() && !outside.join("new").exists());
    assert_eq!(fixture.get(&format!("{PROXY}/within/a")).body, b"x");
}

#[test]
fn parts_of_a_file() {
    let fixture = Fixture::new();
    fixture.put("a", b"hello");
    let part = |range: &str| {
        let header = format!("Range: {range}\r\n");
        fixture.ask("GET", &format!("{PROXY}/a"), &header, b"")
    };
    for (range, status, body) in [
        ("bytes=1-2", 206, "el"),
        ("bytes=3-", 206, "lo"),
        ("bytes=-2", 206, "lo"),
        ("bytes=0-99", 206, "hello"),
        ("bytes=5-", 416, ""),
        ("bytes=x", 200, "hello"),
        ("bytes=3-1", 200, "hello"),
    ] {
        let answer = part(range);
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (status, body.as_bytes()),
            "{range}"
        );
    }
    assert!(part("bytes=1-2").has("content-range: bytes 1-2/5"));
    assert!(part("bytes=9-").has("content-range: bytes */5"));
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let fixture = Fixture::new();
    fixture.put("d/a", b"old");
    let mut stream = TcpStream::connect(fixture.server.address()).unwrap();
    let head =
        format!("PUT {PROXY}/d/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nnew");
    stream.write_all(head.as_bytes()).unwrap();
    let waits = Instant::now();
    while names(&fixture.inside("d")).len() < 2 && waits.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
    assert_eq!(names(&fixture.inside("d")).len(), 2, "the upload has begun");
    let listed = fixture.get(&format!("{PROXY}?path=d")).json();
    assert_eq!(listed["files"].as_array().unwrap().len(), 1);
    drop(stream);
    while names(&fixture.inside("d")).len() > 1 && waits.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert_eq!(names(&fixture.inside("d")), ["a"]);
    assert_eq!(fs::read(fixture.inside("d/a")).unwrap(), b"old");
}

#[test]
fn an_upload_that_is_too_large_leaves_nothing() {
    let fixture = Fixture::limited(4);
    assert_eq!(fixture.put("a", b"1234").status, 200);
    assert_eq!(fixture.put("b", b"12345").status, 400);
    let chunked = format!(
        "PUT {PROXY}/c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    );
    let answer = fixture.server.exchange(chunked.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    assert_eq!(names(&fixture.inside("")), ["a"]);
}

#[test]
fn artifacts_of_runs_models_and_versions() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    let run = server.create_run();
    fixture.put(&format!("0/{run}/artifacts/d/a.json"), b"{}");
    let list = |parameters: &str| server.get(&format!("artifacts/list?run_id={run}{parameters}"));
    let root = format!("mlflow-artifacts:/0/{run}/artifacts");
    let files = json!([{"path": "d", "is_dir": true}]);
    assert_eq!(list("").ok(), &json!({"root_uri": root, "files": files}));
    let files = json!([{"path": "d/a.json", "is_dir": false, "file_size": 2}]);
    assert_eq!(
        list("&path=d").ok(),
        &json!({"root_uri": root, "files": files})
    );
    assert_eq!(list("&path=no").ok(), &json!({"root_uri": root}));
    list("&path=..").invalid("Invalid path");
    server
        .get("artifacts/list?run_id=no")
        .missing("Run with id=no not found");

    let file = fixture.get(&format!("/get-artifact?run_uuid={run}&path=d/a.json"));
    assert_eq!(file.body, b"{}");
    let missing = fixture.get(&format!("/get-artifact?run_uuid={run}&path=no"));
    let message = format!("No such artifact: '0/{run}/artifacts/no'");
    assert_eq!(missing.json()["message"], message);

    server
        .post("registered-models/create", json!({"name": "m"}))
        .ok();
    let body = json!({"name": "m", "source": format!("{root}/d"), "run_id": run});
    server.post("model-versions/create", body).ok();
    let file = fixture.get("/model-versions/get-artifact?name=m&version=1&path=a.json");
    assert_eq!(file.body, b"{}");

    let reply = server.post("logged-models", json!({"experiment_id": "0"}));
    let id = reply.ok()["model"]["info"]["model_id"]
        .as_str()
        .unwrap()
        .to_owned();
    fixture.put(&format!("0/models/{id}/artifacts/b"), b"model");
    let listed = server.get(&format!("logged-models/{id}/artifacts/directories"));
    assert_eq!(listed.ok()["files"][0]["path"], "b");
    let path = format!("/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files");
    assert_eq!(
        fixture.get(&format!("{path}?artifact_file_path=b")).body,
        b"model"
    );
}

#[test]
fn what_the_interface_uploads() {
    let fixture = Fixture::new();
    let run = fixture.server.create_run();
    let upload = |path: &str, body: &[u8]| {
        let path = format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={path}");
        fixture.ask("POST", &path, "", body)
    };
    assert_eq!(upload("d/a", b"data").status, 200);
    let stored = fixture.inside(&format!("0/{run}/artifacts/d/a"));
    assert_eq!(fs::read(stored).unwrap(), b"data");
    let message = |answer: Answer| answer.json()["message"].clone();
    assert_eq!(message(upload("a", b"")), "Request must specify data.");
    assert_eq!(message(upload("", b"x")), "Request must specify path.");
    assert_eq!(message(upload("..%2fa", b"x")), "Invalid path");
    let large = vec![0; (10 << 20) + 1];
    let too_large = "Artifact size is too large. Max size is 10MB.";
    assert_eq!(message(upload("a", &large)), too_large);
}

#[test]
fn only_the_folder_of_the_artifacts_is_read_for_a_run() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    let outside = fixture.folder.path().to_string_lossy().into_owned();
    let below = fixture.inside("own").to_string_lossy().into_owned();
    for (name, location, status) in [
        ("outside", outside.clone(), 400),
        ("dots", format!("{outside}/artifacts/.."), 400),
        ("proxied", "mlflow-artifacts:/..".to_owned(), 400),
        ("store", "s3://bucket".to_owned(), 400),
        ("file", format!("file://{below}"), 200),
        ("below", below, 200),
    ] {
        let body = json!({"name": name, "artifact_location": location});
        let experiment = server.post("experiments/create", body).ok()["experiment_id"].clone();
        let reply = server.post("runs/create", json!({"experiment_id": experiment}));
        let id = reply.ok()["run"]["info"]["run_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let listed = server.get(&format!("artifacts/list?run_id={id}"));
        assert_eq!(listed.status, status, "{location}");
        let file = fixture.get(&format!("/get-artifact?run_id={id}&path=secret"));
        assert!(matches!(file.status, 400 | 404), "{location}");
    }
}
