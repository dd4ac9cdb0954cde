//! Logs on stderr: one JSON object a line.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use mlflow_server::{Observer, Request};
use serde::Serialize;

/// Lines that may wait for a stderr that is slow. More are left out.
const WAITING: usize = 4_096;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Nothing,
    /// Requests that the server failed to answer (status 500 and up)
    Errors,
    /// Every request
    Requests,
}

pub struct Log {
    level: Level,
    lines: SyncSender<Vec<u8>>,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Milliseconds since the epoch.
    time: u128,
    level: &'static str,
    event: &'static str,
    method: &'a str,
    route: &'a str,
    status: u16,
    duration_us: u128,
    received_bytes: u64,
    sent_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
}

impl Log {
    pub fn new(level: Level) -> Self {
        let (lines, waiting) = sync_channel(WAITING);
        thread::spawn(move || write(&waiting));
        Self { level, lines }
    }
}

impl Observer for Log {
    fn answered(&self, request: &Request) {
        let failed = request.status >= 500;
        if self.level == Level::Nothing || (self.level == Level::Errors && !failed) {
            return;
        }
        let line = Line {
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis(),
            level: if failed { "error" } else { "info" },
            event: "request",
            method: request.method,
            route: request.route,
            status: request.status,
            duration_us: request.duration.as_micros(),
            received_bytes: request.received,
            sent_bytes: request.sent,
            error_code: request.error_code,
        };
        if let Ok(mut line) = serde_json::to_vec(&line) {
            line.push(b'\n');
            // A request does not wait for its log.
            let _ = self.lines.try_send(line);
        }
    }
}

fn write(lines: &Receiver<Vec<u8>>) {
    let mut stderr = std::io::stderr().lock();
    for line in lines {
        // Nobody is left to be told that stderr is gone.
        let _ = stderr.write_all(&line);
    }
}
