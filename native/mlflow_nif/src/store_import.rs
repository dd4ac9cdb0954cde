//! Taking over what another MLflow keeps: how far that is, and what it brought.

use std::collections::HashMap;
use std::path::PathBuf;

use mlflow_store::tracking::import::{Count, Progress, Summary, import};
use rustler::{Atom, Encoder, Env, NifMap, ResourceArc, Term};

use crate::Started;
use crate::reply::{Caller, answer};
use crate::store::Database;
use crate::terms::ErrorTerm;

mod atoms {
    rustler::atoms! { progress }
}

/// Sends `{reference, {:progress, table, done, total}}` now and then, and the answer at last. The
/// store does nothing else meanwhile.
#[rustler::nif]
fn store_import_start(
    env: Env,
    database: ResourceArc<Database>,
    reference: Term,
    source: String,
) -> Started {
    let caller = Caller::new(env.pid(), reference);
    let work = database.store().submit(Box::new(move |conn| {
        let reply = caller.promise();
        let source = PathBuf::from(source);
        let imported = import(conn, &source, |progress| {
            reply.tell(&ProgressTerm(progress))
        });
        reply.send(answer(imported.map(SummaryTerm::from)));
    }));
    Started(work.map_err(ErrorTerm::from))
}

struct ProgressTerm(Progress);

impl Encoder for ProgressTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let tag: Atom = atoms::progress();
        (tag, self.0.table, self.0.done, self.0.total).encode(env)
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct SummaryTerm {
    experiments: CountTerm,
    runs: CountTerm,
    metric_points: u64,
    logged_models: CountTerm,
    registered_models: CountTerm,
    model_versions: CountTerm,
    renamed: Vec<(String, String)>,
    left_out: HashMap<String, u64>,
}

impl From<Summary> for SummaryTerm {
    fn from(summary: Summary) -> Self {
        Self {
            experiments: summary.experiments.into(),
            runs: summary.runs.into(),
            metric_points: summary.metric_points,
            logged_models: summary.logged_models.into(),
            registered_models: summary.registered_models.into(),
            model_versions: summary.model_versions.into(),
            renamed: summary.renamed,
            left_out: summary.left_out.into_iter().collect(),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct CountTerm {
    imported: u64,
    present: u64,
}

impl From<Count> for CountTerm {
    fn from(count: Count) -> Self {
        Self {
            imported: count.imported,
            present: count.present,
        }
    }
}
