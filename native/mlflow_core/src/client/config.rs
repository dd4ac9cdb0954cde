//! What a client is told once: where the server is, who is asking, and how patient to be.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::profile::ServerProfile;

#[derive(Clone)]
pub struct ClientConfig {
    /// `http(s)://host[:port][/prefix]`. A `user:password@` in it serves as basic authentication
    /// when `auth` is `None`, and is never shown.
    pub tracking_uri: String,
    pub auth: Auth,
    /// Sent as `X-MLFLOW-WORKSPACE`.
    pub workspace: Option<String>,
    pub tls: TlsConfig,
    pub proxy: ProxyConfig,
    /// One HTTP attempt, from connecting to the last byte of the body.
    pub attempt_timeout: Duration,
    /// The whole call: every attempt, and the waits between them.
    pub total_timeout: Duration,
    pub max_retries: u32,
    pub backoff_base: Duration,
    pub backoff_factor: f64,
    /// Whose limits to begin with; `None` to tell by the address.
    pub server: Option<ServerProfile>,
    /// Requests per s at most; `None` for what the server lets through.
    pub rate_limit: Option<u32>,
    /// A longer response is refused, so that no server can exhaust this machine's memory.
    pub max_response_bytes: usize,
    /// `host[:port]` of the Google metadata server, where it is not `metadata.google.internal`.
    pub gce_metadata_host: Option<String>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            tracking_uri: "http://127.0.0.1:5000".to_owned(),
            auth: Auth::None,
            workspace: None,
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            attempt_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(120),
            max_retries: 5,
            backoff_base: Duration::from_millis(500),
            backoff_factor: 2.0,
            server: None,
            rate_limit: None,
            max_response_bytes: 256 * 1024 * 1024,
            gce_metadata_host: None,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("tracking_uri", &without_userinfo(&self.tracking_uri))
            .field("auth", &self.auth)
            .field("workspace", &self.workspace)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("max_retries", &self.max_retries)
            .field("backoff_base", &self.backoff_base)
            .field("backoff_factor", &self.backoff_factor)
            .field("server", &self.server)
            .field("rate_limit", &self.rate_limit)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("gce_metadata_host", &self.gce_metadata_host)
            .finish()
    }
}

/// Who is asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    #[default]
    None,
    Basic {
        username: String,
        password: Secret,
    },
    Bearer(Secret),
    /// An identity token of the machine's service account, or else of `gcloud`'s user; the
    /// audience is the tracking URI's origin unless another is given.
    GoogleIdentity {
        audience: Option<String>,
    },
}

/// Text that no `Debug`, `Display` or error ever shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Accept any server certificate.
    pub insecure: bool,
    /// A PEM file, or a directory of them, trusted in place of the operating system's roots.
    pub ca_cert: Option<PathBuf>,
    /// One PEM file with the client's certificate chain and its key.
    pub client_cert: Option<PathBuf>,
}

/// Proxies as curl understands them, e.g. `http://user:password@proxy:3128`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// For `http://` servers.
    pub http: Option<String>,
    /// For `https://` servers.
    pub https: Option<String>,
    /// Hosts to reach without one, separated by commas.
    pub no_proxy: Option<String>,
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig")
            .field("http", &self.http.as_deref().map(without_userinfo))
            .field("https", &self.https.as_deref().map(without_userinfo))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// A URL fit to be shown. It need not parse: everything up to the last `@` goes, so that even a
/// password with a stray `/` in it stays hidden.
pub(super) fn without_userinfo(url: &str) -> String {
    let Some((_, host)) = url.rsplit_once('@') else {
        return url.to_owned();
    };
    match url.split_once("://") {
        Some((scheme, _)) if !scheme.contains('@') => format!("{scheme}://{host}"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_every_secret() {
        let config = ClientConfig {
            tracking_uri: "https://ada:s3cr/et@mlflow.test/prefix".to_owned(),
            auth: Auth::Basic {
                username: "ada".to_owned(),
                password: "hunter22".to_owned().into(),
            },
            proxy: ProxyConfig {
                http: Some("http://pia:pr0xy@proxy:3128".to_owned()),
                https: Some("pia:pr0xy@proxy:3128".to_owned()),
                no_proxy: None,
            },
            ..ClientConfig::default()
        };
        let shown = format!("{config:?}");
        for secret in ["s3cr", "/et@", "hunter22", "pr0xy"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("https://mlflow.test/prefix"), "{shown}");
        assert_eq!(Secret::from("x".to_owned()).to_string(), "[hidden]");
    }
}
