//! The client of one MLflow tracking server: connections, credentials, retries, deadlines, and the
//! limits that the server sets.
//! The calls themselves are in [`crate::api`].

mod admission;
mod auth;
mod circuit;
mod config;
mod dialer;
mod endpoint;
mod failure;
mod google;
mod probe;
mod profile;
mod quick_ack;
mod response;
mod retry;
mod sizes;
mod target;
mod text;
mod throttle;
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
use tokio::time::{Instant, timeout_at};

use self::admission::Admission;
use self::auth::{Authorization, Credentials};
use self::retry::Attempts;
use self::target::{CONFIG, Target};
use self::transport::Transport;
use crate::batch::BatchLimits;
use crate::error::{Error, ErrorKind, Result};

pub use self::config::{Auth, ClientConfig, ProxyConfig, Secret, TlsConfig};
pub(crate) use self::endpoint::Endpoint;
pub use self::profile::ServerProfile;
pub(crate) use self::response::{Reader, Unreadable};
pub(crate) use self::sizes::{BatchSize, BatchSizes};

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
    profile: ServerProfile,
    sizes: BatchSizes,
    admission: Admission,
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

/// What is known of the server's limits by now.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub profile: ServerProfile,
    pub batch: BatchLimits,
    /// Requests per s; `None` for as many as there are.
    pub rate: Option<f64>,
    /// Until the next probe, while the server does not answer and nothing else is sent.
    pub circuit_open: Option<Duration>,
    /// For how long the server wants no requests.
    pub paused_for: Duration,
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
        let profile = config
            .server
            .unwrap_or_else(|| ServerProfile::of_host(&target.host));
        let rate = config.rate_limit.map(f64::from).or(profile.rate());
        let patience = config.attempt_timeout.min(config.total_timeout);
        Ok(Self {
            server: Arc::new(Server {
                transport: Transport::new(&config, &target)?,
                workspace: config.workspace.as_deref().map(workspace).transpose()?,
                attempt_timeout: config.attempt_timeout,
                backoff: retry::backoff(&config)?,
                profile,
                sizes: BatchSizes::new(profile.batch_limits()),
                admission: Admission::new(rate, patience),
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

    pub fn limits(&self) -> Limits {
        let Server {
            profile,
            sizes,
            admission,
            ..
        } = &*self.server;
        let (rate, paused_for) = admission.rate();
        Limits {
            profile: *profile,
            batch: sizes.limits(sizes.size()),
            rate,
            circuit_open: admission.outage().map(|refusal| refusal.wait),
            paused_for,
        }
    }

    pub(crate) fn sizes(&self) -> &BatchSizes {
        &self.server.sizes
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
        let body = endpoint.body(body)?;
        self.post_by(self.deadline(), endpoint, body, reader).await
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
        let Server {
            admission, backoff, ..
        } = &*self.server;
        let mut attempts = Attempts::new(endpoint.repeat, backoff, deadline);
        let mut renewed = false;
        loop {
            let authorization = match self.authorization(endpoint, deadline).await {
                Ok(authorization) => authorization,
                Err(error) => return Err(attempts.conclude(error)),
            };
            let permit = match admission.admit(endpoint, deadline).await {
                Ok(permit) => permit,
                Err(refusal) => return Err(attempts.refused(refusal)),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = "there is no time left for this request";
                let error = Error::new(ErrorKind::Timeout, endpoint.name, message);
                return Err(attempts.conclude(error));
            }
            let request = self.request(endpoint, path, body.clone(), authorization.as_ref())?;
            attempts.count += 1;
            self.session.count(endpoint);
            let limit = self.server.attempt_timeout.min(left);
            let attempt = self.attempt(endpoint, request, limit, authorization.as_ref(), reader);
            let outcome = attempt.await;
            permit.settle(&outcome, limit);
            let error = match outcome {
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
            if !endpoint.is_probe
                && error.kind.is_transient()
                && let Some(outage) = admission.outage()
            {
                let refusal = outage.into_error(endpoint.name);
                return Err(attempts.given_up(error, refusal));
            }
            let delay = attempts.after(error)?;
            admission.rest(endpoint, delay).await;
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
        limit: Duration,
        authorization: Option<&Authorization>,
        reader: Reader<T>,
    ) -> Result<T> {
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
