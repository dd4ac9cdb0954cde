//! What a server is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Who may ask.
#[derive(Clone, Default)]
pub enum Auth {
    #[default]
    Anyone,
    Basic {
        username: String,
        password: String,
    },
    Bearer(String),
}

/// Secrets do not show.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anyone => "Anyone",
            Self::Basic { .. } => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// The folder that the `mlflow-artifacts` proxy serves.
    pub artifacts: PathBuf,
    /// Where new experiments keep their artifacts; the proxy, unless told otherwise.
    pub default_artifact_root: String,
    pub auth: Auth,
    /// Names besides loopback's that requests may be addressed to (`Host`), with or without a port.
    pub allowed_hosts: Vec<String>,
    /// Origins besides loopback's whose pages may ask (`Origin`); "*" allows all.
    pub allowed_origins: Vec<String>,
    /// The built pages of MLflow's own web interface, if it is to be served.
    pub ui: Option<PathBuf>,
    /// Bytes of a request's body, but for artifacts.
    pub largest_request: usize,
    /// Bytes of the bodies of all requests that are answered at once, but for artifacts.
    pub most_in_bodies: usize,
    /// Bytes of an artifact that is uploaded.
    pub largest_artifact: u64,
    /// From a request's first byte to its last, but for artifacts, which may take that long
    /// between one piece and the next.
    pub request_timeout: Duration,
    /// How long a connection may say nothing, or read nothing of what it is sent.
    pub idle_timeout: Duration,
    pub most_connections: usize,
    /// How long requests under way may take when the server stops.
    pub shutdown_timeout: Duration,
}

impl Config {
    /// Loopback, open to everyone there, with its artifacts in `artifacts`.
    pub fn new(address: SocketAddr, artifacts: impl Into<PathBuf>) -> Self {
        Self {
            address,
            artifacts: artifacts.into(),
            default_artifact_root: "mlflow-artifacts:/".to_owned(),
            auth: Auth::Anyone,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            ui: None,
            largest_request: 32 << 20,
            most_in_bodies: 256 << 20,
            largest_artifact: 64 << 30,
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            most_connections: 1_000,
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}
