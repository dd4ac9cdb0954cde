//! The datasets that the runs of some experiments used.

use rusqlite::Connection;
use serde::Serialize;

use crate::tracking::error::Result;

const MOST: i64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatasetSummary {
    pub experiment_id: String,
    pub name: String,
    pub digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// Each with every context in which it was used, or none.
pub fn datasets(conn: &Connection, experiment_ids: &[i64]) -> Result<Vec<DatasetSummary>> {
    let sql = "SELECT DISTINCT experiment_id, name, digest, held.value \
               FROM datasets JOIN dataset_inputs AS inputs USING (dataset_no) \
               LEFT JOIN dataset_input_tags AS held ON held.run_no = inputs.run_no \
               AND held.dataset_no = inputs.dataset_no AND held.key = 'mlflow.data.context' \
               WHERE experiment_id IN (SELECT value FROM json_each(?1)) LIMIT ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map((format!("{experiment_ids:?}"), MOST), |row| {
        Ok(DatasetSummary {
            experiment_id: row.get::<_, i64>(0)?.to_string(),
            name: row.get(1)?,
            digest: row.get(2)?,
            context: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
