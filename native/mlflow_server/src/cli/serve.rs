//! Serving, until a signal ends it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mlflow_server::{Auth, Config, Server};
use mlflow_store::Store;

use super::Outcome;
use super::log::{Level, Log};

#[derive(Args)]
pub struct Serve {
    /// Address to listen on; other machines reach only what is not loopback's
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, short, default_value_t = 5000)]
    port: u16,
    /// The SQLite file, made where there is none
    #[arg(long, default_value = "mlflow_server.db")]
    database: PathBuf,
    /// The folder for the artifacts that clients send
    #[arg(long, default_value = "mlartifacts")]
    artifacts: PathBuf,
    /// Where new experiments keep their artifacts [default: this server's own folder]
    #[arg(long, value_name = "URI")]
    default_artifact_root: Option<String>,
    /// Who may ask, with the password that is in MLFLOW_SERVER_PASSWORD; or put a token that all
    /// requests must bear into MLFLOW_SERVER_TOKEN
    #[arg(long)]
    username: Option<String>,
    /// A host name that requests may be addressed to; may be repeated
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<String>,
    /// A page's origin that may ask, such as https://example.com; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
    /// MLflow's web interface: .../site-packages/mlflow/server/js/build of an installed mlflow
    #[arg(long, value_name = "FOLDER")]
    ui: Option<PathBuf>,
    /// The most bytes that a request may have, but for artifacts
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    largest_request: usize,
    /// How long a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    request_timeout: u64,
    /// What to log on stderr, as one JSON object a line
    #[arg(long, value_enum, default_value_t = Level::Errors)]
    log: Level,
}

pub fn run(options: Serve) -> Outcome {
    let store = Store::open(&options.database)?;
    let database = options.database.clone();
    let log = Log::new(options.log);
    let config = config(options)?;
    let server = Server::start(config, store.clone(), &database, Arc::new(log))?;
    println!("http://{}", server.address());
    wait_for_signal()?;
    server.stop();
    store.close();
    Ok(())
}

fn config(options: Serve) -> Result<Config, String> {
    let address = SocketAddr::new(options.host, options.port);
    let mut config = Config::new(address, options.artifacts);
    config.auth = auth(options.username)?;
    config.allowed_hosts = options.allowed_host;
    config.allowed_origins = options.allowed_origin;
    config.ui = options.ui;
    config.largest_request = options.largest_request;
    config.request_timeout = Duration::from_secs(options.request_timeout);
    if let Some(root) = options.default_artifact_root {
        config.default_artifact_root = root;
    }
    Ok(config)
}

/// Arguments can be read by everyone on the machine, so secrets come from the environment.
fn auth(username: Option<String>) -> Result<Auth, String> {
    let password = secret("MLFLOW_SERVER_PASSWORD");
    match (username, password, secret("MLFLOW_SERVER_TOKEN")) {
        (Some(username), Some(password), _) => Ok(Auth::Basic { username, password }),
        (Some(_), None, _) => Err("--username needs a password in MLFLOW_SERVER_PASSWORD".into()),
        (None, Some(_), _) => Err("MLFLOW_SERVER_PASSWORD needs a --username".into()),
        (None, None, Some(token)) => Ok(Auth::Bearer(token)),
        (None, None, None) => Ok(Auth::Anyone),
    }
}

fn secret(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|secret| !secret.is_empty())
}

/// Ctrl-C, or what a service manager sends.
fn wait_for_signal() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = tokio::signal::ctrl_c() => outcome,
            _ = terminate.recv() => Ok(()),
        }
    })
}
