//! The tracking server as a program of its own.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mlflow_server::{Config, Observer, Server, StartError};
use mlflow_store::Store;

/// An MLflow tracking server in one small program: MLflow's REST API over an SQLite file.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Address to listen on; other machines reach it only on another than loopback's
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// The SQLite file, made where there is none
    #[arg(long, default_value = "mlflow_server.db")]
    database: PathBuf,
    /// The folder of the artifacts that clients send
    #[arg(long, default_value = "mlartifacts")]
    artifacts: PathBuf,
}

struct Silent;

impl Observer for Silent {}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), StartError> {
    let store = Store::open(&options.database)?;
    let config = Config::new(
        SocketAddr::new(options.host, options.port),
        options.artifacts,
    );
    let server = Server::start(config, store.clone(), &options.database, Arc::new(Silent))?;
    eprintln!("listening on http://{}", server.address());
    wait_for_signal().map_err(StartError::Threads)?;
    server.stop();
    store.close();
    Ok(())
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
