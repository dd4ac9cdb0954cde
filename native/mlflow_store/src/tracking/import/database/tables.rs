//! Which tables and columns a database has, as MLflow's versions differ in them.

use std::collections::BTreeMap;

use super::Database;
use crate::error::{Result, StoreError};

/// What is read here, and what says nothing about anyone's work.
const KNOWN: [&str; 24] = [
    "alembic_version",
    "dataset",
    "datasets",
    "experiment_tags",
    "experiments",
    "input_tags",
    "inputs",
    "job_locks",
    "latest_metrics",
    "logged_model_metrics",
    "logged_model_params",
    "logged_model_tags",
    "logged_models",
    "metrics",
    "model_version_tags",
    "model_versions",
    "params",
    "registered_model_aliases",
    "registered_model_tags",
    "registered_models",
    "runs",
    "scheduler_leases",
    "tags",
    "workspaces",
];

impl Database {
    pub(super) fn check_schema(&self) -> Result<()> {
        for table in ["alembic_version", "experiments", "runs"] {
            if !self.has_table(table)? {
                return Err(StoreError::invalid(format!(
                    "not a database of MLflow's, as it has no table {table}: give the path of one"
                )));
            }
        }
        for table in ["datasets", "inputs", "registered_model_aliases"] {
            if !self.has_table(table)? {
                return Err(StoreError::invalid(format!(
                    "a database of an MLflow older than 2.9, as it has no table {table}: \
                     run `mlflow db upgrade` on a copy of it, and import that"
                )));
            }
        }
        self.check_workspaces()
    }

    /// Names are unique within a workspace only.
    fn check_workspaces(&self) -> Result<()> {
        if !self.has_column("experiments", "workspace")? {
            return Ok(());
        }
        let sql = "SELECT workspace FROM experiments WHERE workspace != 'default' \
                   UNION SELECT workspace FROM registered_models WHERE workspace != 'default'";
        match self.rows(sql, (), |row| row.get::<_, String>(0))?.first() {
            None => Ok(()),
            Some(workspace) => Err(StoreError::invalid(format!(
                "it has a workspace {workspace:?}, and this store has only the default one: \
                 import a database without others"
            ))),
        }
    }

    pub(super) fn has_table(&self, table: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        Ok(self.conn.prepare_cached(sql)?.exists([table])?)
    }

    pub(super) fn has_column(&self, table: &str, column: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
        Ok(self.conn.prepare_cached(sql)?.exists([table, column])?)
    }

    pub(super) fn count_left_out(&self) -> Result<BTreeMap<String, u64>> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
        let tables = self.rows(sql, (), |row| row.get::<_, String>(0))?;
        let mut left_out = BTreeMap::new();
        for table in tables {
            if KNOWN.contains(&table.as_str()) {
                continue;
            }
            let quoted = table.replace('"', "\"\"");
            let sql = format!("SELECT count(*) FROM \"{quoted}\"");
            let rows: i64 = self.conn.query_row(&sql, [], |row| row.get(0))?;
            if rows > 0 {
                left_out.insert(table, rows.unsigned_abs());
            }
        }
        Ok(left_out)
    }
}
