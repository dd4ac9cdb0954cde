//! A tracking server's settings on their way down, and its news on their way up.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use mlflow_server::{Auth, ChangeKind, Config};
use rustler::{Decoder, Encoder, Env, Error, NifMap, NifResult, NifTaggedEnum, Term};

use crate::server_news::{Batch, ChangedRun, Tally};

mod atoms {
    rustler::atoms! { created, updated, logged, deleted, restored }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct ServerConfigTerm {
    ip: IpTerm,
    port: u16,
    artifacts: String,
    default_artifact_root: String,
    auth: ServerAuthTerm,
    allowed_hosts: Vec<String>,
    allowed_origins: Vec<String>,
    ui: Option<String>,
    largest_request: usize,
    largest_artifact: u64,
    request_timeout: u64,
    idle_timeout: u64,
    most_connections: usize,
    shutdown_timeout: u64,
}

struct IpTerm(IpAddr);

impl<'a> Decoder<'a> for IpTerm {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let text: &str = term.decode()?;
        text.parse().map(Self).map_err(|_| Error::BadArg)
    }
}

#[derive(NifTaggedEnum)]
#[rustler(decode)]
enum ServerAuthTerm {
    None,
    Basic(String, String),
    Bearer(String),
}

impl From<ServerAuthTerm> for Auth {
    fn from(term: ServerAuthTerm) -> Self {
        match term {
            ServerAuthTerm::None => Self::Anyone,
            ServerAuthTerm::Basic(username, password) => Self::Basic { username, password },
            ServerAuthTerm::Bearer(token) => Self::Bearer(token),
        }
    }
}

impl From<ServerConfigTerm> for Config {
    fn from(term: ServerConfigTerm) -> Self {
        let address = SocketAddr::new(term.ip.0, term.port);
        Self {
            default_artifact_root: term.default_artifact_root,
            auth: term.auth.into(),
            allowed_hosts: term.allowed_hosts,
            allowed_origins: term.allowed_origins,
            ui: term.ui.map(PathBuf::from),
            largest_request: term.largest_request,
            largest_artifact: term.largest_artifact,
            request_timeout: Duration::from_millis(term.request_timeout),
            idle_timeout: Duration::from_millis(term.idle_timeout),
            most_connections: term.most_connections,
            shutdown_timeout: Duration::from_millis(term.shutdown_timeout),
            ..Self::new(address, term.artifacts)
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
pub struct BatchOfNews {
    runs: Vec<ChangedRunTerm>,
    overflowed: bool,
    requests: Vec<TallyTerm>,
}

impl From<Batch> for BatchOfNews {
    fn from(batch: Batch) -> Self {
        let routes = batch.routes.into_iter();
        Self {
            runs: batch.runs.into_iter().map(Into::into).collect(),
            overflowed: batch.overflowed,
            requests: routes
                .flat_map(|(route, tallies)| {
                    let of_route = move |tally| TallyTerm::new(route.clone(), tally);
                    tallies.into_iter().map(of_route)
                })
                .collect(),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct ChangedRunTerm {
    run_id: String,
    experiment_id: String,
    kinds: Vec<KindTerm>,
}

impl From<ChangedRun> for ChangedRunTerm {
    fn from(run: ChangedRun) -> Self {
        Self {
            run_id: run.run_id,
            experiment_id: run.experiment_id.to_string(),
            kinds: run.kinds.into_iter().map(KindTerm).collect(),
        }
    }
}

struct KindTerm(ChangeKind);

impl Encoder for KindTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self.0 {
            ChangeKind::Created => atoms::created(),
            ChangeKind::Updated => atoms::updated(),
            ChangeKind::Logged => atoms::logged(),
            ChangeKind::Deleted => atoms::deleted(),
            ChangeKind::Restored => atoms::restored(),
        }
        .encode(env)
    }
}

/// Durations in ns.
#[derive(NifMap)]
#[rustler(encode)]
struct TallyTerm {
    route: String,
    method: &'static str,
    status: u16,
    count: u64,
    total: u64,
    longest: u64,
    received: u64,
    sent: u64,
}

impl TallyTerm {
    fn new(route: String, tally: Tally) -> Self {
        Self {
            route,
            method: tally.method,
            status: tally.status,
            count: tally.count,
            total: tally.total.as_nanos() as u64,
            longest: tally.longest.as_nanos() as u64,
            received: tally.received,
            sent: tally.sent,
        }
    }
}
