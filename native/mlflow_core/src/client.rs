//! The client of one MLflow tracking server: connections, credentials, retries and deadlines.
//! The calls themselves are in [`crate::api`].

mod auth;
mod config;
mod dialer;
mod endpoint;
mod failure;
mod google;
mod quick_ack;
mod response;
mod retry;
mod target;
mod text;
mod tls;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::ExponentialBuilder;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http_body_util::Full;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};

use self::auth::{Authorization, Credentials};
use self::retry::Attempts;
use self::target::{CONFIG, Target};
use self::transport::Transport;
use crate::error::{Error, ErrorKind, Result};

pub use self::config::{Auth, ClientConfig, ProxyConfig, Secret, TlsConfig};
pub(crate) use self::endpoint::Endpoint;
pub(crate) use self::response::{Reader, Unreadable};

const WORKSPACE: &str = "x-mlflow-workspace";
const AGENT: &str = concat!("mlflow_sync/", env!("CARGO_PKG_VERSION"));

/// A client of one tracking server. Clones share its connections, its credentials and its counts.
#[derive(Clone)]
pub struct Client {
    server: Arc<Server>,
    session: Arc<Session>,
}

/// What all sessions with a server share.
struct Server {
    target: Target,
    transport: Transport,
    workspace: Option<HeaderValue>,
    attempt_timeout: Duration,
    backoff: ExponentialBuilder,
}

struct Session {
    credentials: Arc<Credentials>,
    total_timeout: Duration,
    reads: AtomicU64,
    writes: AtomicU64,
}

/// How a session departs from the client's configuration.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// In place of the configured authentication.
    pub bearer: Option<Secret>,
    pub total_timeout: Option<Duration>,
}

/// The HTTP requests sent in a session; every retry counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    pub reads: u64,
    pub writes: u64,
}

impl Client {
    /// Checks the configuration, and reads certificates where TLS needs them. It opens no
    /// connection, and needs no runtime.
    pub fn new(config: ClientConfig) -> Result<Self> {
        let target = Target::parse(&config.tracking_uri)?;
        let auth = match &config.auth {
            Auth::None => target.auth.clone(),
            auth => auth.clone(),
        };
        let credentials = Credentials::new(auth, &target.origin, config.gce_metadata_host.clone())?;
        Ok(Self {
            server: Arc::new(Server {
                transport: Transport::new(&config, &target)?,
                workspace: config.workspace.as_deref().map(workspace).transpose()?,
                attempt_timeout: config.attempt_timeout,
                backoff: retry::backoff(&config)?,
                target,
            }),
            session: Arc::new(Session::new(Arc::new(credentials), config.total_timeout)),
        })
    }

    /// Without credentials, and without a slash at its end.
    pub fn tracking_uri(&self) -> &str {
        self.server.target.as_str()
    }

    /// The same server and connections, with counts of its own.
    pub fn session(&self, options: SessionOptions) -> Self {
        let credentials = match options.bearer {
            Some(token) => Arc::new(Credentials::Bearer(token)),
            None => Arc::clone(&self.session.credentials),
        };
        let total_timeout = options.total_timeout.unwrap_or(self.session.total_timeout);
        Self {
            server: Arc::clone(&self.server),
            session: Arc::new(Session::new(credentials, total_timeout)),
        }
    }

    pub fn requests(&self) -> RequestCounts {
        RequestCounts {
            reads: self.session.reads.load(Ordering::Relaxed),
            writes: self.session.writes.load(Ordering::Relaxed),
        }
    }

    /// When a call that starts now must be over.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        // A time out of the clock's reach means to wait as long as it takes.
        now.checked_add(self.session.total_timeout)
            .unwrap_or(now + FOREVER)
    }

    pub(crate) async fn get<T>(
        &self,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        reader: Reader<T>,
    ) -> Result<T> {
        self.get_by(self.deadline(), endpoint, query, reader).await
    }

    /// As `get`, for a call that takes several requests within one deadline.
    pub(crate) async fn get_by<T>(
        &self,
        deadline: Instant,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        reader: Reader<T>,
    ) -> Result<T> {
        let mut path = endpoint.path();
        if !query.is_empty() {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(query)
                .finish();
            path = format!("{path}?{query}");
        }
        self.call(deadline, endpoint, &path, Bytes::new(), reader)
            .await
    }

    pub(crate) async fn post<T>(
        &self,
        endpoint: &Endpoint,
        body: &impl Serialize,
        reader: Reader<T>,
    ) -> Result<T> {
        // Serialised once: every attempt sends the same bytes.
        let body = serde_json::to_vec(body).map_err(|cause| {
            let message = format!("the request cannot be written as JSON: {cause}");
            Error::new(ErrorKind::Bug, endpoint.name, message)
        })?;
        self.post_by(self.deadline(), endpoint, body.into(), reader)
            .await
    }

    /// As `post`, for a body that is written already, within a deadline of the caller's.
    pub(crate) async fn post_by<T>(
        &self,
        deadline: Instant,
        endpoint: &Endpoint,
        body: Bytes,
        reader: Reader<T>,
    ) -> Result<T> {
        self.call(deadline, endpoint, &endpoint.path(), body, reader)
            .await
    }

    async fn call<T>(
        &self,
        deadline: Instant,
        endpoint: &Endpoint,
        path: &str,
        body: Bytes,
        reader: Reader<T>,
    ) -> Result<T> {
        let mut attempts = Attempts::new(endpoint.repeat, &self.server.backoff, deadline);
        let mut renewed = false;
        loop {
            let authorization = match self.authorization(endpoint, deadline).await {
                Ok(authorization) => authorization,
                Err(error) => return Err(attempts.conclude(error)),
            };
            if deadline <= Instant::now() {
                let message = "there is no time left for this request";
                let error = Error::new(ErrorKind::Timeout, endpoint.name, message);
                return Err(attempts.conclude(error));
            }
            let request = self.request(endpoint, path, body.clone(), authorization.as_ref())?;
            attempts.count += 1;
            self.session.count(endpoint);
            let attempt = self.attempt(endpoint, request, deadline, authorization.as_ref(), reader);
            let error = match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // A token can be revoked before its time, and what was refused for that did nothing.
            if error.kind == ErrorKind::Unauthenticated
                && !renewed
                && let Some(authorization) = &authorization
                && self.session.credentials.renew(authorization).await
            {
                renewed = true;
                continue;
            }
            sleep(attempts.after(error)?).await;
        }
    }

    async fn authorization(
        &self,
        endpoint: &Endpoint,
        deadline: Instant,
    ) -> Result<Option<Authorization>> {
        let fetching = self.session.credentials.authorization(endpoint.name);
        timeout_at(deadline, fetching).await.unwrap_or_else(|_| {
            let message = "no credentials before the deadline";
            Err(Error::new(
                ErrorKind::Unauthenticated,
                endpoint.name,
                message,
            ))
        })
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: Bytes,
        authorization: Option<&Authorization>,
    ) -> Result<http::Request<Full<Bytes>>> {
        let mut request = http::Request::builder()
            .method(endpoint.method())
            .uri(self.server.target.url(path))
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(workspace) = &self.server.workspace {
            request = request.header(WORKSPACE, workspace);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, &authorization.header);
        }
        request.body(Full::new(body)).map_err(|cause| {
            let message = format!("the request cannot be put together: {cause}");
            Error::new(ErrorKind::Bug, endpoint.name, message)
        })
    }

    async fn attempt<T>(
        &self,
        endpoint: &Endpoint,
        request: http::Request<Full<Bytes>>,
        deadline: Instant,
        authorization: Option<&Authorization>,
        reader: Reader<T>,
    ) -> Result<T> {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = self.server.attempt_timeout.min(left);
        let response = self
            .server
            .transport
            .exchange(endpoint.name, request, limit)
            .await?;
        let url = self.server.target.url(&endpoint.path());
        response::read(endpoint.name, &url, response, authorization, reader)
    }
}

const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Session {
    fn new(credentials: Arc<Credentials>, total_timeout: Duration) -> Self {
        Self {
            credentials,
            total_timeout,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }
    }

    fn count(&self, endpoint: &Endpoint) {
        let counter = if endpoint.is_read {
            &self.reads
        } else {
            &self.writes
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("tracking_uri", &self.tracking_uri())
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

fn workspace(name: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(name).map_err(|_| {
        let message = format!("workspace {name:?} has characters that a header cannot carry");
        Error::new(ErrorKind::Config, CONFIG, message)
    })
}
