//! What was acknowledged is there, though two hundred clients wrote at once and the process was
//! killed on the spot, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Connection;
use crate::process::Server;

const CLIENTS: usize = 200;
const DEATHS: u64 = 3;
/// Where it stays, however much it is asked (MB).
const MEMORY: usize = 120;

/// A client's run, and the last step whose metric was acknowledged; -1 before the first.
struct Written {
    run_id: String,
    steps: AtomicI64,
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    let written = create_runs(&server);

    for death in 0..DEATHS {
        let dying = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = written
            .iter()
            .map(|run| {
                let (run, dying) = (run.clone(), dying.clone());
                // Here, for a busy machine may begin the thread when the server is dead already.
                let connection = server.connect();
                thread::spawn(move || write(&run, &dying, connection))
            })
            .collect();
        thread::sleep(Duration::from_millis(400 + 150 * death));
        dying.store(true, Ordering::SeqCst);
        server.kill();
        for writer in writers {
            writer.join().unwrap();
        }
        server = Server::start(folder.path(), &[]);
        let acknowledged: i64 = written.iter().map(|run| check(&server, run)).sum();
        assert!(acknowledged > CLIENTS as i64, "hardly anything was written");
    }
    assert!(server.memory() < MEMORY);
}

fn create_runs(server: &Server) -> Vec<Arc<Written>> {
    let mut connection = server.connect();
    (0..CLIENTS)
        .map(|_| {
            let run = json!({"experiment_id": "0", "start_time": 1});
            let (status, answer) = connection.post("runs/create", &run).unwrap();
            assert_eq!(status, 200, "{answer}");
            Arc::new(Written {
                run_id: answer["run"]["info"]["run_id"].as_str().unwrap().to_owned(),
                steps: AtomicI64::new(-1),
            })
        })
        .collect()
}

/// One point after another, each once the one before was acknowledged, until the server dies.
fn write(run: &Written, dying: &AtomicBool, mut connection: Connection) {
    loop {
        let step = run.steps.load(Ordering::SeqCst) + 1;
        let point = json!({"run_id": run.run_id, "key": "loss", "value": step, "timestamp": step, "step": step});
        match connection.post("runs/log-metric", &point) {
            Ok((200, _)) => run.steps.store(step, Ordering::SeqCst),
            Ok((status, answer)) => panic!("{status}: {answer}"),
            Err(error) => {
                assert!(dying.load(Ordering::SeqCst), "the server hung up: {error}");
                return;
            }
        }
    }
}

/// Every acknowledged point once and none twice; at most one more, whose answer was lost.
fn check(server: &Server, run: &Written) -> i64 {
    let path = format!(
        "/api/2.0/mlflow/metrics/get-history?run_id={}&metric_key=loss&max_results=25000",
        run.run_id
    );
    let (status, answer) = server.connect().get(&path).unwrap();
    assert_eq!(status, 200, "{answer}");
    let steps: Vec<i64> = answer["metrics"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(|point| point["step"].as_i64().unwrap())
        .collect();
    let acknowledged = run.steps.load(Ordering::SeqCst);
    assert_eq!(steps, (0..steps.len() as i64).collect::<Vec<_>>());
    let unanswered = steps.len() as i64 - (acknowledged + 1);
    assert!(
        (0..=1).contains(&unanswered),
        "{acknowledged} acknowledged, {} there",
        steps.len()
    );
    check_latest(server, run, steps.last());
    acknowledged
}

/// The latest metric beside the history is the history's.
fn check_latest(server: &Server, run: &Written, last: Option<&i64>) {
    let path = format!("/api/2.0/mlflow/runs/get?run_id={}", run.run_id);
    let (_, answer) = server.connect().get(&path).unwrap();
    let latest = &answer["run"]["data"]["metrics"][0]["step"];
    assert_eq!(latest, &last.map_or(Value::Null, |step| json!(step)));
}
