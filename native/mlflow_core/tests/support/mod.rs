//! A scripted HTTP server: it answers what it was told to, in order, whatever connection a request
//! comes on, and remembers every request. A request nobody expected fails the test.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    /// How many bytes of the response to send before hanging up.
    cut: Option<usize>,
    /// How long to wait between the headers and the body.
    pause: Duration,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
            delay: Duration::ZERO,
            cut: None,
            pause: Duration::ZERO,
        }
    }

    pub fn json(body: Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    /// `{}`, which is what MLflow says when there is nothing to say.
    pub fn done() -> Self {
        Self::json(serde_json::json!({}))
    }

    /// MLflow's way to refuse.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"error_code": code, "message": message}).to_string();
        Self::new(status, "application/json", body)
    }

    pub fn html(status: u16, body: &str) -> Self {
        Self::new(status, "text/html; charset=utf-8", body)
    }

    pub fn text(body: &str) -> Self {
        Self::new(200, "text/plain", body)
    }

    /// Hangs up without a word.
    pub fn hang_up() -> Self {
        Self::done().cut_after(0)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub fn body_after(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + &format!("Content-Length: {}\r\n\r\n", self.body.len())
    }
}

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Counts from 0 in the order in which connections were accepted.
    pub connection: usize,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Method and target, as in `GET /health`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

#[derive(Default)]
struct Log {
    replies: VecDeque<Reply>,
    received: Vec<Received>,
    unexpected: Vec<Received>,
}

pub struct Server {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start_at("127.0.0.1:0", replies).await
    }

    /// At this address, on which nobody listens.
    #[allow(dead_code, reason = "not every test binary has a server come back")]
    pub async fn start_at(address: &str, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::listen(address, replies, None).await
    }

    pub async fn start_tls(
        replies: impl IntoIterator<Item = Reply>,
        acceptor: TlsAcceptor,
    ) -> Self {
        Self::listen("127.0.0.1:0", replies, Some(acceptor)).await
    }

    async fn listen(
        address: &str,
        replies: impl IntoIterator<Item = Reply>,
        acceptor: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let replies = replies.into_iter().collect();
        let log = Arc::new(Mutex::new(Log {
            replies,
            ..Log::default()
        }));
        let shared = Arc::clone(&log);
        let accepting = tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((tcp, _)) = listener.accept().await {
                let log = Arc::clone(&shared);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(tcp, connection, log).await,
                        Some(acceptor) => match acceptor.accept(tcp).await {
                            Ok(tls) => serve(tls, connection, log).await,
                            Err(_) => None,
                        },
                    }
                });
                connection += 1;
            }
        });
        Self {
            address,
            log,
            accepting,
        }
    }

    pub fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that was asked, once it is clear that it is what the script expected.
    pub fn finish(self) -> Vec<Received> {
        self.accepting.abort();
        let log = self.log.lock().expect("the log");
        assert!(
            log.unexpected.is_empty(),
            "unexpected: {:#?}",
            log.unexpected
        );
        assert!(
            log.replies.is_empty(),
            "never asked for: {:#?}",
            log.replies
        );
        log.received.clone()
    }
}

/// Serves a connection until either side hangs up.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    log: Arc<Mutex<Log>>,
) -> Option<()> {
    loop {
        let request = read_request(&mut stream, connection).await?;
        let reply = {
            let mut log = log.lock().expect("the log");
            let reply = log.replies.pop_front();
            match reply {
                Some(_) => log.received.push(request),
                None => log.unexpected.push(request),
            }
            reply
        };
        let reply = reply.unwrap_or_else(|| Reply::new(418, "text/plain", "unexpected"));
        tokio::time::sleep(reply.delay).await;
        let head = reply.head();
        if let Some(cut) = reply.cut {
            let whole = [head.as_bytes(), &reply.body].concat();
            stream
                .write_all(&whole[..cut.min(whole.len())])
                .await
                .ok()?;
            stream.shutdown().await.ok()?;
            return None;
        }
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        tokio::time::sleep(reply.pause).await;
        stream.write_all(&reply.body).await.ok()?;
        stream.flush().await.ok()?;
    }
}

async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    connection: usize,
) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a head in ASCII");
    let mut lines = head.lines();
    let mut request_line = lines.next()?.split(' ');
    let (method, target) = (
        request_line.next()?.to_owned(),
        request_line.next()?.to_owned(),
    );
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut request = Received {
        method,
        target,
        headers,
        body: Vec::new(),
        connection,
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().expect("a length"));
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}
