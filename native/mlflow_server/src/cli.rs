//! What the program is asked to do on its command line.

mod import;
mod log;
mod serve;

use clap::{Parser, Subcommand};

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// An MLflow tracking server in one small program: MLflow's REST API over an SQLite file.
///
/// Clients find it at http://127.0.0.1:5000 (MLFLOW_TRACKING_URI).
#[derive(Parser)]
#[command(
    version,
    name = "mlflow_server",
    args_conflicts_with_subcommands = true
)]
pub struct Options {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Subcommand)]
enum Task {
    Import(import::Import),
}

pub fn run(options: Options) -> Outcome {
    match options.task {
        Some(Task::Import(options)) => import::run(options),
        None => serve::run(options.serve),
    }
}
