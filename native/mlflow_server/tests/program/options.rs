//! What it is told on its command line and in its environment.

use std::process::Command;

use serde_json::json;

use crate::process::{PROGRAM, Server, command};

#[test]
fn every_option_is_explained() {
    let output = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "--port",
        "--database",
        "--artifacts",
        "--username",
        "MLFLOW_SERVER_TOKEN",
        "--ui",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn what_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let refuses = |command: &mut Command, said: &str| {
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(errors.contains(said), "{errors}");
    };
    let running = Server::start(folder.path(), &[]);
    let port = running.address.port().to_string();
    refuses(
        command(folder.path()).args(["--port", &port]),
        "choose another port",
    );
    refuses(
        command(folder.path()).args(["--port", "0", "--username", "ada"]),
        "MLFLOW_SERVER_PASSWORD",
    );
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("server.db"), "no database".repeat(100)).unwrap();
    refuses(
        command(&other).args(["--port", "0"]),
        "not a readable SQLite database",
    );
}

#[test]
fn every_request_can_be_logged_without_what_it_was_about() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--log", "requests"]);
    let mut connection = server.connect();
    connection
        .get("/api/2.0/mlflow/runs/get?run_id=secret")
        .unwrap();
    connection.get("/no/such/path").unwrap();
    drop(connection);
    let (_, errors) = server.terminate();
    let lines: Vec<serde_json::Value> = errors
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert_eq!(lines[0]["route"], "/api/2.0/mlflow/runs/get");
    assert_eq!(lines[0]["error_code"], "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(
        (&lines[0]["status"], &lines[0]["level"]),
        (&json!(404), &json!("info"))
    );
    assert!(!errors.contains("secret") && !errors.contains("such"));
}
