//! An instance's client settings.

use std::time::Duration;

use mlflow_core::client::{Auth, ClientConfig, ProxyConfig, ServerProfile, TlsConfig};
use rustler::{NifMap, NifTaggedEnum, NifUnitEnum};

#[derive(NifMap)]
#[rustler(decode)]
pub struct ConfigTerm {
    tracking_uri: String,
    auth: AuthTerm,
    workspace: Option<String>,
    insecure_tls: bool,
    ca_cert: Option<String>,
    client_cert: Option<String>,
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
    gce_metadata_host: Option<String>,
    request_timeout: u64,
    total_timeout: u64,
    max_retries: u32,
    backoff_base: u64,
    backoff_factor: f64,
    server: ServerTerm,
    rate_limit: u32,
}

#[derive(NifTaggedEnum)]
#[rustler(decode)]
enum AuthTerm {
    None,
    Basic(String, String),
    Bearer(String),
    GoogleIdentity(Option<String>),
}

#[derive(NifUnitEnum)]
enum ServerTerm {
    Auto,
    Mlflow,
    Databricks,
    Azure,
}

impl From<ServerTerm> for Option<ServerProfile> {
    fn from(term: ServerTerm) -> Self {
        match term {
            ServerTerm::Auto => None,
            ServerTerm::Mlflow => Some(ServerProfile::Mlflow),
            ServerTerm::Databricks => Some(ServerProfile::Databricks),
            ServerTerm::Azure => Some(ServerProfile::Azure),
        }
    }
}

impl From<AuthTerm> for Auth {
    fn from(term: AuthTerm) -> Self {
        match term {
            AuthTerm::None => Self::None,
            AuthTerm::Basic(username, password) => Self::Basic {
                username,
                password: password.into(),
            },
            AuthTerm::Bearer(token) => Self::Bearer(token.into()),
            AuthTerm::GoogleIdentity(audience) => Self::GoogleIdentity { audience },
        }
    }
}

impl From<ConfigTerm> for ClientConfig {
    fn from(term: ConfigTerm) -> Self {
        Self {
            tracking_uri: term.tracking_uri,
            auth: term.auth.into(),
            workspace: term.workspace,
            tls: TlsConfig {
                insecure: term.insecure_tls,
                ca_cert: term.ca_cert.map(Into::into),
                client_cert: term.client_cert.map(Into::into),
            },
            proxy: ProxyConfig {
                http: term.http_proxy,
                https: term.https_proxy,
                no_proxy: term.no_proxy,
            },
            gce_metadata_host: term.gce_metadata_host,
            attempt_timeout: Duration::from_millis(term.request_timeout),
            total_timeout: Duration::from_millis(term.total_timeout),
            max_retries: term.max_retries,
            backoff_base: Duration::from_millis(term.backoff_base),
            backoff_factor: term.backoff_factor,
            server: term.server.into(),
            rate_limit: (term.rate_limit > 0).then_some(term.rate_limit),
            ..Self::default()
        }
    }
}
