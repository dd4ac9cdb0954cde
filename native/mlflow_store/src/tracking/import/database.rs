//! An SQLite database of MLflow's, read without writing to it.

mod registry;
mod runs;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Params, Row};

use super::records::{
    ExperimentRecord, LoggedModelRecord, ModelMetric, RegisteredModelRecord, RunRecord, Source,
};
use crate::error::{Result, StoreError};
use crate::tracking::entities::{KeyValue, Metric};

pub struct Database {
    conn: Connection,
}

impl Database {
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)
            .map_err(|error| StoreError::from(error).at(path))?;
        conn.busy_timeout(crate::store::BUSY_TIMEOUT)?;
        let database = Self { conn };
        database.check_schema().map_err(|error| error.at(path))?;
        // What another process writes meanwhile is for the next import.
        database.conn.execute_batch("BEGIN")?;
        Ok(database)
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        load: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(params, load)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Keys and values.
    fn pairs(&self, sql: &str, params: impl Params) -> Result<Vec<KeyValue>> {
        self.rows(sql, params, |row| {
            Ok(KeyValue {
                key: row.get(0)?,
                value: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            })
        })
    }
}

impl Source for Database {
    type Run = String;
    type LoggedModel = String;
    type RegisteredModel = String;

    fn experiments(&self) -> Result<Vec<ExperimentRecord>> {
        let sql = "SELECT experiment_id, name, artifact_location, coalesce(lifecycle_stage, 'active'), \
                   coalesce(creation_time, 0), coalesce(last_update_time, creation_time, 0) \
                   FROM experiments ORDER BY experiment_id";
        let mut experiments = self.rows(sql, (), |row| {
            Ok(ExperimentRecord {
                id: row.get(0)?,
                name: row.get(1)?,
                artifact_location: row.get(2)?,
                lifecycle_stage: row.get(3)?,
                creation_time: row.get(4)?,
                last_update_time: row.get(5)?,
                tags: Vec::new(),
            })
        })?;
        for experiment in &mut experiments {
            let sql = "SELECT key, value FROM experiment_tags WHERE experiment_id = ?1";
            experiment.tags = self.pairs(sql, [experiment.id])?;
        }
        Ok(experiments)
    }

    fn runs(&self) -> Result<Vec<String>> {
        self.rows("SELECT run_uuid FROM runs ORDER BY rowid", (), |row| {
            row.get(0)
        })
    }

    fn run_id<'a>(&self, run: &'a String) -> &'a str {
        run
    }

    fn run(&self, run: &String) -> Result<RunRecord> {
        self.whole_run(run)
    }

    fn logged_models(&self) -> Result<Vec<String>> {
        if !self.has_table("logged_models")? {
            return Ok(Vec::new());
        }
        let sql = "SELECT model_id FROM logged_models ORDER BY rowid";
        self.rows(sql, (), |row| row.get(0))
    }

    fn logged_model(&self, model_id: &String) -> Result<LoggedModelRecord> {
        let sql = "SELECT model_id, experiment_id, name, artifact_location, \
                   creation_timestamp_ms, last_updated_timestamp_ms, status, status_message, \
                   lifecycle_stage, model_type, source_run_id \
                   FROM logged_models WHERE model_id = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut model = statement.query_row([model_id], |row| {
            Ok(LoggedModelRecord {
                model_id: row.get(0)?,
                experiment_id: row.get(1)?,
                name: row.get(2)?,
                artifact_location: row.get(3)?,
                creation_time: row.get(4)?,
                last_updated_time: row.get(5)?,
                status: row.get(6)?,
                status_message: row.get(7)?,
                lifecycle_stage: row.get(8)?,
                model_type: row.get(9)?,
                source_run_id: row.get(10)?,
                params: Vec::new(),
                tags: Vec::new(),
                metrics: Vec::new(),
            })
        })?;
        let sql = "SELECT param_key, param_value FROM logged_model_params WHERE model_id = ?1";
        model.params = self.pairs(sql, [model_id])?;
        let sql = "SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?1";
        model.tags = self.pairs(sql, [model_id])?;
        model.metrics = self.model_metrics(model_id)?;
        Ok(model)
    }

    fn registered_models(&self) -> Result<Vec<String>> {
        let sql = "SELECT name FROM registered_models ORDER BY rowid";
        self.rows(sql, (), |row| row.get(0))
    }

    fn registered_model(&self, name: &String) -> Result<RegisteredModelRecord> {
        self.whole_registered_model(name)
    }

    fn left_out(&self) -> Result<BTreeMap<String, u64>> {
        self.count_left_out()
    }
}

impl Database {
    fn model_metrics(&self, model_id: &str) -> Result<Vec<ModelMetric>> {
        let sql = "SELECT metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, \
                   dataset_name, dataset_digest FROM logged_model_metrics WHERE model_id = ?1";
        self.rows(sql, [model_id], |row| {
            Ok(ModelMetric {
                metric: Metric {
                    key: row.get(0)?,
                    // SQLite keeps what is no number as nothing.
                    value: row.get::<_, Option<f64>>(1)?.unwrap_or(f64::NAN),
                    timestamp: row.get(2)?,
                    step: row.get(3)?,
                },
                run_id: row.get(4)?,
                dataset_name: row.get(5)?,
                dataset_digest: row.get(6)?,
            })
        })
    }
}
