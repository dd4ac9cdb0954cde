//! What a run was given and what it made: datasets and models.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension};

use super::super::entities::{Dataset, DatasetInput, ModelOutput};
use super::super::error::Result;
use super::super::validate;
use super::{find_active, twice};

/// Answers the number of the run's experiment. A dataset that the run has keeps its tags.
pub fn log(
    conn: &Connection,
    run_id: &str,
    datasets: &[DatasetInput],
    models: &[String],
) -> Result<i64> {
    validate::run_id(run_id)?;
    datasets.iter().try_for_each(validate::dataset_input)?;
    let row = find_active(conn, run_id)?;
    for input in datasets {
        let dataset_no = dataset_no(conn, row.experiment_id, &input.dataset)?;
        let added = conn
            .prepare_cached("INSERT OR IGNORE INTO dataset_inputs VALUES (?1, ?2)")?
            .execute((row.run_no, dataset_no))?;
        if added > 0 {
            add_tags(conn, row.run_no, dataset_no, input)?;
        }
    }
    for model_id in models {
        conn.prepare_cached("INSERT OR IGNORE INTO model_inputs VALUES (?1, ?2)")?
            .execute((row.run_no, model_id))?;
    }
    Ok(row.experiment_id)
}

/// Answers the number of the run's experiment. No model comes out of a run twice.
pub fn log_outputs(conn: &Connection, run_id: &str, models: &[ModelOutput]) -> Result<i64> {
    let row = find_active(conn, run_id)?;
    for model in models {
        let added = conn
            .prepare_cached("INSERT OR IGNORE INTO model_outputs VALUES (?1, ?2, ?3)")?
            .execute((row.run_no, &model.model_id, model.step))?;
        if added == 0 {
            return Err(twice(
                "inputs.source_type, inputs.source_id, inputs.destination_type, \
                 inputs.destination_id",
            ));
        }
    }
    Ok(row.experiment_id)
}

/// Datasets are told apart by name and digest; the first description stays.
pub(crate) fn dataset_no(conn: &Connection, experiment_id: i64, dataset: &Dataset) -> Result<i64> {
    let sql = "SELECT dataset_no FROM datasets \
               WHERE experiment_id = ?1 AND name = ?2 AND digest = ?3";
    let known = conn
        .prepare_cached(sql)?
        .query_row((experiment_id, &dataset.name, &dataset.digest), |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(dataset_no) = known {
        return Ok(dataset_no);
    }
    let sql = "INSERT INTO datasets \
               (experiment_id, name, digest, source_type, source, schema, profile) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    conn.prepare_cached(sql)?.execute((
        experiment_id,
        &dataset.name,
        &dataset.digest,
        &dataset.source_type,
        &dataset.source,
        &dataset.schema,
        &dataset.profile,
    ))?;
    Ok(conn.last_insert_rowid())
}

fn add_tags(conn: &Connection, run_no: i64, dataset_no: i64, input: &DatasetInput) -> Result<()> {
    let mut seen = HashSet::new();
    if !input.tags.iter().all(|tag| seen.insert(tag.key.as_str())) {
        return Err(twice("input_tags.input_uuid, input_tags.name"));
    }
    for tag in &input.tags {
        conn.prepare_cached("INSERT INTO dataset_input_tags VALUES (?1, ?2, ?3, ?4)")?
            .execute((run_no, dataset_no, &tag.key, &tag.value))?;
    }
    Ok(())
}
