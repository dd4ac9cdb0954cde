//! What the program is asked to do on its command line.

mod log;
mod serve;

use clap::Parser;

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// An MLflow tracking server in one small program: MLflow's REST API over an SQLite file.
///
/// Clients find it at http://127.0.0.1:5000 (MLFLOW_TRACKING_URI).
#[derive(Parser)]
#[command(version, name = "mlflow_server")]
pub struct Options {
    #[command(flatten)]
    serve: serve::Serve,
}

pub fn run(options: Options) -> Outcome {
    serve::run(options.serve)
}
