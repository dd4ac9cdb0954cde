//! How fast a server answers, with next to nothing of a client in the way.
//!
//! `ceiling HOST:PORT EXPERIMENT_ID TRIALS POINTS IN_FLIGHT` sends what finished trials cost
//! (`runs/create`, one `runs/log-batch` of 20 params and 10 metrics of POINTS points each,
//! `runs/update`) over IN_FLIGHT connections and prints, once all of it is answered, the requests,
//! the seconds, and the seconds of CPU they took here. No queue, no store, no diff, no retry, and
//! hardly any JSON: whatever carries trials to that server cannot be faster.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The server's processes share a listening socket, and one of them takes all the connections
/// that are opened together.
const APART: Duration = Duration::from_millis(25);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, experiment, trials, points, in_flight] = &arguments[..] else {
        return Err("usage: ceiling HOST:PORT EXPERIMENT_ID TRIALS POINTS IN_FLIGHT".into());
    };
    let load = Arc::new(Load {
        experiment: experiment.clone(),
        trials: trials.parse()?,
        entities: entities(points.parse()?)?,
        next: AtomicU64::new(0),
    });
    let mut connections = Vec::new();
    for _ in 0..in_flight.parse()? {
        connections.push(Connection::open(host).await?);
        sleep(APART).await;
    }
    let (started, cpu) = (Instant::now(), cpu_seconds()?);
    let mut senders = JoinSet::new();
    for connection in connections {
        senders.spawn(send(connection, Arc::clone(&load)));
    }
    let mut requests = 0;
    while let Some(sent) = senders.join_next().await {
        requests += sent??;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{requests} {seconds:.6} {:.6}", cpu_seconds()? - cpu);
    Ok(())
}

struct Load {
    experiment: String,
    trials: u64,
    /// The end of a batch's body: everything but the run's id is the same for all.
    entities: String,
    next: AtomicU64,
}

fn entities(points: u64) -> Result<String> {
    let params: Vec<Value> = (1..=20)
        .map(|k| json!({"key": format!("param_{k}"), "value": k.to_string()}))
        .collect();
    let metrics: Vec<Value> = (0..points * 10)
        .map(|n| {
            let (key, step) = (format!("metric_{}", n % 10 + 1), n / 10);
            json!({"key": key, "value": n as f64 / 7.0, "timestamp": now(), "step": step})
        })
        .collect();
    Ok(serde_json::to_string(
        &json!({"params": params, "metrics": metrics}),
    )?)
}

/// One trial after the other, until there is none left; the number of requests.
async fn send(mut connection: Connection, load: Arc<Load>) -> Result<u64> {
    let mut requests = 0;
    while let trial = load.next.fetch_add(1, Ordering::Relaxed) + 1
        && trial <= load.trials
    {
        let create = json!({
            "experiment_id": load.experiment,
            "run_name": format!("trial-{trial}"),
            "start_time": now(),
        });
        let created = connection.post("create", &create.to_string()).await?;
        let answer: Value = serde_json::from_slice(&created)?;
        let run_id = answer["run"]["info"]["run_id"]
            .as_str()
            .ok_or("a created run has no id")?;
        let batch = format!(r#"{{"run_id":"{run_id}",{}"#, &load.entities[1..]);
        connection.post("log-batch", &batch).await?;
        let update = json!({"run_id": run_id, "status": "FINISHED", "end_time": now()});
        connection.post("update", &update.to_string()).await?;
        requests += 3;
    }
    Ok(requests)
}

struct Connection {
    host: String,
    tcp: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(host: &str) -> Result<Self> {
        let tcp = TcpStream::connect(host).await?;
        tcp.set_nodelay(true)?;
        Ok(Self {
            host: host.to_owned(),
            tcp,
            buffer: Vec::new(),
        })
    }

    /// The body of the answer.
    async fn post(&mut self, call: &str, body: &str) -> Result<Vec<u8>> {
        let request = format!(
            "POST /api/2.0/mlflow/runs/{call} HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.tcp.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            self.read().await?;
            if let Some((head, length)) = head(&self.buffer)?
                && self.buffer.len() >= head + length
            {
                return Ok(self.buffer[head..head + length].to_vec());
            }
        }
    }

    /// The server holds a body back until its head is acknowledged, which Linux would delay.
    async fn read(&mut self) -> Result<()> {
        SockRef::from(&self.tcp).set_tcp_quickack(true)?;
        let read = self.tcp.read_buf(&mut self.buffer).await?;
        SockRef::from(&self.tcp).set_tcp_quickack(true)?;
        match read {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}

/// How long the head of an answer is, and how long its body, once the head is all there.
fn head(answer: &[u8]) -> Result<Option<(usize, usize)>> {
    let end = b"\r\n\r\n";
    let Some(length) = answer.windows(end.len()).position(|bytes| bytes == end) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..length])?.to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        return Err(String::from_utf8_lossy(answer).into());
    }
    let body = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .ok_or("an answer does not say how long it is")?;
    Ok(Some((length + end.len(), body.trim().parse()?)))
}

/// Of all threads, in user and in kernel mode.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc is not what it was")?;
    let ticks = |field: &str| field.parse::<f64>();
    let mut times = fields.split_whitespace().skip(11).take(2).map(ticks);
    let user = times.next().ok_or("no user time")??;
    let system = times.next().ok_or("no system time")??;
    Ok((user + system) / 100.0)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_millis() as u64)
}
