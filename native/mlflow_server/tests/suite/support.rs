//! What every test needs: a server of its own, and a client that sends what it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use mlflow_server::{Change, ChangeKind, Config, Observer, Server};
use mlflow_store::{Connection, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with a database of its own, gone when the test is over.
pub struct TestServer {
    address: SocketAddr,
    changes: Arc<Mutex<Vec<Change>>>,
    store: Store,
    _server: Server,
    _folder: TempDir,
}

#[derive(Default)]
struct Noted(Arc<Mutex<Vec<Change>>>);

impl Observer for Noted {
    fn changed(&self, change: Change) {
        self.0.lock().unwrap().push(change);
    }
}

/// A response's status and its body.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl TestServer {
    pub fn start() -> Self {
        Self::configured(|_| {})
    }

    pub fn configured(configure: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("mlflow.db");
        let store = Store::open(&database).unwrap();
        let mut config = Config::new(([127, 0, 0, 1], 0).into(), folder.path().join("artifacts"));
        configure(&mut config);
        let changes = Arc::default();
        let observer = Noted(Arc::clone(&changes));
        let server = Server::start(config, store.clone(), &database, Arc::new(observer)).unwrap();
        Self {
            address: server.address(),
            changes,
            store,
            _server: server,
            _folder: folder,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, &body.to_string())
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "")
    }

    pub fn patch(&self, path: &str, body: Value) -> Reply {
        self.send("PATCH", path, &body.to_string())
    }

    pub fn delete(&self, path: &str, body: Value) -> Reply {
        self.send("DELETE", path, &body.to_string())
    }

    /// Sends JSON, or what is said to be JSON, to a path of the API.
    pub fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        let head = format!(
            "{method} /api/2.0/mlflow/{path} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let answer = self.exchange(&[head.as_bytes(), body.as_bytes()].concat());
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())),
        }
    }

    /// Sends these bytes, and reads until the server hangs up.
    pub fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// No write is begun until what is answered is dropped.
    pub fn hold_writes(&self) -> Sender<()> {
        let (release, held) = channel();
        let hold = move |_: &mut Connection| {
            let _ = held.recv();
        };
        self.store.submit(Box::new(hold)).unwrap();
        release
    }

    pub fn create_experiment(&self, name: &str) -> String {
        let reply = self.post("experiments/create", json!({"name": name}));
        reply.ok()["experiment_id"].as_str().unwrap().to_owned()
    }

    pub fn create_run(&self) -> String {
        let reply = self.post("runs/create", json!({"experiment_id": "0"}));
        reply.ok()["run"]["info"]["run_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn run(&self, run_id: &str) -> Value {
        self.get(&format!("runs/get?run_id={run_id}")).ok()["run"].clone()
    }

    /// What the observer was told of a run.
    pub fn changes(&self, run_id: &str) -> Vec<ChangeKind> {
        let changes = self.changes.lock().unwrap();
        let of_run = changes.iter().filter(|change| change.run_id == run_id);
        of_run.map(|change| change.kind).collect()
    }
}

impl Reply {
    #[track_caller]
    pub fn ok(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.body);
        &self.body
    }

    /// Refused with this code, and with this message.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, message: &str) {
        assert_eq!(self.body["message"], message);
        assert_eq!(self.body["error_code"], code);
        assert_eq!(self.status, status);
    }

    #[track_caller]
    pub fn invalid(&self, message: &str) {
        self.refused(400, "INVALID_PARAMETER_VALUE", message);
    }

    #[track_caller]
    pub fn missing(&self, message: &str) {
        self.refused(404, "RESOURCE_DOES_NOT_EXIST", message);
    }
}

/// What MLflow's handlers add to their own messages.
pub fn see_docs(message: &str) -> String {
    format!("{message} See the API docs for more information about request parameters.")
}
