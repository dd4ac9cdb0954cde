//! Importing what MLflow kept.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use mlflow_store::Store;
use mlflow_store::tracking::import::{self, Count, Progress, Summary};

use super::Outcome;

/// Take over what MLflow keeps in an SQLite database or an mlruns folder, ids and all
///
/// What is in the store already is left as it is, so an import that broke off is gone on with by
/// importing again. Artifacts are not copied: they stay where MLflow has them, under the same URIs.
#[derive(Args)]
pub struct Import {
    /// MLflow's SQLite file, or its mlruns folder
    source: PathBuf,
    /// The SQLite file to import into, made where there is none
    #[arg(long, default_value = "mlflow_server.db")]
    database: PathBuf,
}

pub fn run(options: Import) -> Outcome {
    let store = Store::open(&options.database)?;
    let source = options.source;
    let imported = store.run(move |conn| import::import(conn, &source, show));
    store.close();
    let summary = imported?;
    eprintln!();
    print!("{}", report(&summary));
    Ok(())
}

fn show(progress: Progress) {
    let Progress { table, done, total } = progress;
    // Whoever asked does not wait for a terminal that is gone.
    let _ = write!(std::io::stderr(), "\r{table}: {done} of {total}\x1b[K");
}

fn report(summary: &Summary) -> String {
    let count = |name: &str, count: Count| {
        format!(
            "{name}: {} imported, {} already there\n",
            count.imported, count.present
        )
    };
    let mut report = String::new();
    report += &count("experiments", summary.experiments);
    report += &count("runs", summary.runs);
    report += &format!("metric points: {} imported\n", summary.metric_points);
    report += &count("logged models", summary.logged_models);
    report += &count("registered models", summary.registered_models);
    report += &count("model versions", summary.model_versions);
    for (old, new) in &summary.renamed {
        report += &format!("renamed: {old:?} is {new:?} here, as its name was taken\n");
    }
    for (what, count) in &summary.left_out {
        report += &format!("left out: {what}, {count}\n");
    }
    report += "artifacts: not copied, they stay under the same URIs\n";
    report
}
