//! Which of many runs need no look, so that comparing thousands of them costs one question.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;

/// A run as the server has it: its id, the value of our own tag, and a digest of all of it.
pub type Seen = (String, Option<String>, i64);

/// The ids of those runs that are as they were when they were recorded, and so is their trial. A run
/// without a trial stays one only while there is none that its tag names.
pub fn in_step(conn: &Connection, seen: &[Seen]) -> Result<Vec<String>> {
    let sql = "SELECT 1 FROM mlflow_runs AS run INDEXED BY mlflow_runs_in_step \
               WHERE run.mlflow_run_id = ?1 AND run.digest = ?2 AND run.sync_error IS NULL \
               AND CASE WHEN run.model_trial_id IS NULL THEN \
                 NOT EXISTS (SELECT 1 FROM model_trials WHERE trial_id = ?3 OR id = ?3) \
               ELSE \
                 NOT EXISTS (SELECT 1 FROM model_trials AS trial INDEXED BY model_trials_version \
                   WHERE trial.id = run.model_trial_id \
                   AND trial.updated_at > coalesce(run.synced_at, 0)) \
                 AND NOT EXISTS (SELECT 1 FROM trial_points AS point \
                   WHERE point.trial_id = run.model_trial_id AND point.remote = 0 \
                   AND point.seq > coalesce(run.points_seq, 0)) \
               END";
    let mut statement = conn.prepare_cached(sql)?;
    let mut known = Vec::with_capacity(seen.len());
    for (run_id, tag, digest) in seen {
        let found = statement
            .query_row(params![run_id, digest, tag], |_| Ok(()))
            .optional()?;
        if found.is_some() {
            known.push(run_id.clone());
        }
    }
    Ok(known)
}
