//! Runs read whole: one statement for each kind of thing that they hold, however many runs.

use rusqlite::{Connection, Row};

use super::super::entities::{
    Dataset, DatasetInput, KeyValue, ModelInput, ModelOutput, Run, RunData, RunInfo, RunInputs,
    RunOutputs,
};
use super::super::error::{Code, Refusal, Result};
use super::super::metrics;

/// The run with all it holds: latest metrics, params, tags, inputs and outputs.
pub fn read(conn: &Connection, run_no: i64) -> Result<Run> {
    let mut runs = read_many(conn, &[run_no])?;
    Asked::new(conn, &[run_no]).model_inputs(&mut runs)?;
    runs.pop().ok_or_else(gone)
}

/// What [`read`] tells of the run itself.
pub(super) fn info(conn: &Connection, run_no: i64) -> Result<RunInfo> {
    let mut runs = Asked::new(conn, &[run_no]).infos()?;
    runs.pop().map(|run| run.info).ok_or_else(gone)
}

/// The runs in the order in which they are asked for, with all they hold but the models that they
/// took, which MLflow tells of a run that is asked for alone.
pub fn read_many(conn: &Connection, run_nos: &[i64]) -> Result<Vec<Run>> {
    let asked = Asked::new(conn, run_nos);
    let mut runs = asked.infos()?;
    if runs.len() != run_nos.len() {
        return Err(gone());
    }
    asked.each(METRICS, |row, at| {
        runs[at].data.metrics.push(metrics::load(row)?);
        Ok(())
    })?;
    asked.each(PARAMS, |row, at| {
        runs[at].data.params.push(key_value(row)?);
        Ok(())
    })?;
    asked.each(TAGS, |row, at| {
        runs[at].data.tags.push(key_value(row)?);
        Ok(())
    })?;
    asked.dataset_inputs(&mut runs)?;
    asked.each(MODEL_OUTPUTS, |row, at| {
        let output = ModelOutput {
            model_id: row.get(0)?,
            step: row.get(1)?,
        };
        let outputs = runs[at].outputs.get_or_insert_default();
        outputs.model_outputs.push(output);
        Ok(())
    })?;
    Ok(runs)
}

pub(crate) fn key_value(row: &Row) -> rusqlite::Result<KeyValue> {
    Ok(KeyValue {
        key: row.get(0)?,
        value: row.get(1)?,
    })
}

// Each goes through the numbers asked for in their order, and ends with the place among them.
const INFOS: &str = "\
    SELECT run_id, experiment_id, name, user_id, status, start_time, end_time, artifact_uri, \
           lifecycle_stage, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN runs ON runs.run_no = asked.value";
const METRICS: &str = "\
    SELECT metric_keys.key, latest.value, timestamp, step, is_nan, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN latest_metrics AS latest ON run_no = asked.value \
         CROSS JOIN metric_keys USING (key_no)";
const PARAMS: &str = "\
    SELECT held.key, held.value, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN params AS held ON run_no = asked.value";
const TAGS: &str = "\
    SELECT held.key, held.value, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN tags AS held ON run_no = asked.value";
const DATASETS: &str = "\
    SELECT name, digest, source_type, source, schema, profile, dataset_no, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN dataset_inputs ON run_no = asked.value \
         CROSS JOIN datasets USING (dataset_no)";
const DATASET_TAGS: &str = "\
    SELECT held.key, held.value, dataset_no, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN dataset_input_tags AS held ON run_no = asked.value";
const MODEL_INPUTS: &str = "\
    SELECT model_id, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN model_inputs ON run_no = asked.value";
const MODEL_OUTPUTS: &str = "\
    SELECT model_id, step, asked.key \
    FROM json_each(?1) AS asked CROSS JOIN model_outputs ON run_no = asked.value";

struct Asked<'a> {
    conn: &'a Connection,
    /// A JSON list, which takes a single parameter and leaves the statements as they are.
    run_nos: String,
}

impl<'a> Asked<'a> {
    fn new(conn: &'a Connection, run_nos: &[i64]) -> Self {
        let run_nos: Vec<_> = run_nos.iter().map(i64::to_string).collect();
        Self {
            conn,
            run_nos: format!("[{}]", run_nos.join(",")),
        }
    }

    /// Calls `take` with every row, and the place of its run.
    fn each(
        &self,
        sql: &str,
        mut take: impl FnMut(&Row, usize) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let place = statement.column_count() - 1;
        let mut rows = statement.query([&self.run_nos])?;
        while let Some(row) = rows.next()? {
            take(row, row.get::<_, u32>(place)? as usize)?;
        }
        Ok(())
    }

    fn infos(&self) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        self.each(INFOS, |row, _| {
            runs.push(Run {
                info: load_info(row)?,
                data: RunData::default(),
                inputs: RunInputs::default(),
                outputs: Some(RunOutputs::default()),
            });
            Ok(())
        })?;
        Ok(runs)
    }

    fn dataset_inputs(&self, runs: &mut [Run]) -> Result<()> {
        // The runs' places and the datasets' numbers, beside the inputs that were read.
        let mut numbers: Vec<Vec<i64>> = vec![Vec::new(); runs.len()];
        let mut found = false;
        self.each(DATASETS, |row, at| {
            found = true;
            numbers[at].push(row.get(6)?);
            runs[at].inputs.dataset_inputs.push(dataset_input(row)?);
            Ok(())
        })?;
        if found {
            self.each(DATASET_TAGS, |row, at| {
                let dataset_no: i64 = row.get(2)?;
                if let Some(place) = numbers[at].iter().position(|known| *known == dataset_no) {
                    let input = &mut runs[at].inputs.dataset_inputs[place];
                    input.tags.push(key_value(row)?);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn model_inputs(&self, runs: &mut [Run]) -> Result<()> {
        self.each(MODEL_INPUTS, |row, at| {
            let model_id = row.get(0)?;
            runs[at].inputs.model_inputs.push(ModelInput { model_id });
            Ok(())
        })
    }
}

/// An end at 0 is none, in MLflow's answers.
fn load_info(row: &Row) -> rusqlite::Result<RunInfo> {
    let run_id: String = row.get(0)?;
    Ok(RunInfo {
        run_uuid: run_id.clone(),
        experiment_id: row.get::<_, i64>(1)?.to_string(),
        run_name: row.get(2)?,
        user_id: row.get(3)?,
        status: row.get(4)?,
        start_time: row.get(5)?,
        end_time: row.get::<_, Option<i64>>(6)?.filter(|time| *time != 0),
        artifact_uri: row.get(7)?,
        lifecycle_stage: row.get(8)?,
        run_id,
    })
}

/// MLflow shows neither an empty schema nor an empty profile.
fn dataset_input(row: &Row) -> rusqlite::Result<DatasetInput> {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(DatasetInput {
        tags: Vec::new(),
        dataset: Dataset {
            name: row.get(0)?,
            digest: row.get(1)?,
            source_type: row.get(2)?,
            source: row.get(3)?,
            schema: some(row.get(4)?),
            profile: some(row.get(5)?),
        },
    })
}

fn gone() -> Refusal {
    Refusal::new(Code::InternalError, "a run vanished while it was read")
}
