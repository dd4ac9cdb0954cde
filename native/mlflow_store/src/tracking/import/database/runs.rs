//! A run with all it holds.

use rusqlite::Row;

use super::Database;
use crate::error::Result;
use crate::tracking::entities::{Dataset, KeyValue, Metric};
use crate::tracking::import::records::RunRecord;

impl Database {
    pub(super) fn whole_run(&self, run_id: &str) -> Result<RunRecord> {
        let sql = "SELECT run_uuid, experiment_id, name, coalesce(user_id, ''), coalesce(status, 'FINISHED'), \
                   start_time, end_time, deleted_time, coalesce(lifecycle_stage, 'active'), \
                   coalesce(artifact_uri, '') FROM runs WHERE run_uuid = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut run = statement.query_row([run_id], load)?;
        run.params = self.pairs(
            "SELECT key, value FROM params WHERE run_uuid = ?1",
            [run_id],
        )?;
        run.tags = self.pairs("SELECT key, value FROM tags WHERE run_uuid = ?1", [run_id])?;
        run.metrics = self.metrics(run_id)?;
        run.datasets = self.datasets(run_id)?;
        run.model_inputs = self.model_inputs(run_id)?;
        run.model_outputs = self.model_outputs(run_id)?;
        if run.name.is_empty() {
            run.name = name_in_tags(&run.tags);
        }
        Ok(run)
    }

    /// The latest of each key are in the history as well, unless somebody thinned it out.
    fn metrics(&self, run_id: &str) -> Result<Vec<Metric>> {
        let sql = "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ?1 \
                   UNION SELECT key, value, coalesce(timestamp, 0), step, is_nan \
                   FROM latest_metrics WHERE run_uuid = ?1";
        self.rows(sql, [run_id], |row| {
            let is_nan: bool = row.get(4)?;
            Ok(Metric {
                key: row.get(0)?,
                value: if is_nan { f64::NAN } else { row.get(1)? },
                timestamp: row.get(2)?,
                step: row.get(3)?,
            })
        })
    }

    fn datasets(&self, run_id: &str) -> Result<Vec<(Dataset, Vec<KeyValue>)>> {
        let sql = "SELECT name, digest, dataset_source_type, dataset_source, dataset_schema, \
                   dataset_profile, input_uuid \
                   FROM inputs JOIN datasets ON dataset_uuid = source_id \
                   WHERE inputs.source_type = 'DATASET' AND destination_type = 'RUN' \
                   AND destination_id = ?1";
        let found = self.rows(sql, [run_id], |row| {
            let dataset = Dataset {
                name: row.get(0)?,
                digest: row.get(1)?,
                source_type: row.get(2)?,
                source: row.get(3)?,
                schema: row.get(4)?,
                profile: row.get(5)?,
            };
            Ok((dataset, row.get::<_, String>(6)?))
        })?;
        let sql = "SELECT name, value FROM input_tags WHERE input_uuid = ?1";
        found
            .into_iter()
            .map(|(dataset, input)| Ok((dataset, self.pairs(sql, [input])?)))
            .collect()
    }

    fn model_inputs(&self, run_id: &str) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT destination_id FROM inputs WHERE source_type = 'RUN_INPUT' \
                   AND destination_type = 'MODEL_INPUT' AND source_id = ?1";
        self.rows(sql, [run_id], |row| row.get(0))
    }

    fn model_outputs(&self, run_id: &str) -> Result<Vec<(String, i64)>> {
        if !self.has_column("inputs", "step")? {
            return Ok(Vec::new());
        }
        let sql = "SELECT destination_id, step FROM inputs WHERE source_type = 'RUN_OUTPUT' \
                   AND destination_type = 'MODEL_OUTPUT' AND source_id = ?1";
        self.rows(sql, [run_id], |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

fn load(row: &Row) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        run_id: row.get(0)?,
        experiment_id: row.get(1)?,
        name: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
        user_id: row.get(3)?,
        status: row.get(4)?,
        start_time: row.get(5)?,
        end_time: row.get(6)?,
        deleted_time: row.get(7)?,
        lifecycle_stage: row.get(8)?,
        artifact_uri: row.get(9)?,
        params: Vec::new(),
        tags: Vec::new(),
        metrics: Vec::new(),
        datasets: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
    })
}

/// Old versions of MLflow kept a run's name there alone.
fn name_in_tags(tags: &[KeyValue]) -> String {
    let named = tags.iter().find(|tag| tag.key == "mlflow.runName");
    named.map(|tag| tag.value.clone()).unwrap_or_default()
}
