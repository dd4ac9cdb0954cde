//! A run's folder.

use std::path::Path;

use super::{RunFolder, id};
use crate::error::Result;
use crate::tracking::entities::{Dataset, KeyValue, Metric};
use crate::tracking::import::meta::{DatasetMeta, LinkMeta, RunMeta, owned};
use crate::tracking::import::records::RunRecord;
use crate::tracking::import::tree::{self, folders, pairs, wrong, wrong_line};

pub fn read(run: &RunFolder) -> Result<RunRecord> {
    let path = &run.path;
    let meta: RunMeta = tree::meta(path)?;
    let run_id = owned(meta.run_id).or(owned(meta.run_uuid));
    if run_id.as_ref() != Some(&run.id) {
        return Err(wrong(
            path,
            "its meta.yaml has another run id than its folder",
        ));
    }
    let status = meta.status.name();
    let status = status.ok_or_else(|| wrong(path, "its meta.yaml has no status of MLflow's"))?;
    let (mut datasets, mut model_inputs) = (Vec::new(), Vec::new());
    for folder in folders(&path.join("inputs"))? {
        let link: LinkMeta = tree::meta(&folder)?;
        match link.source_type.as_str() {
            "MODEL" | "RUN_INPUT" => model_inputs.push(link.destination_id.0),
            _ => datasets.push(dataset(path, link)?),
        }
    }
    Ok(RunRecord {
        run_id: run.id.clone(),
        experiment_id: id(path, &meta.experiment_id.0)?,
        name: owned(meta.run_name)
            .or(owned(meta.name))
            .unwrap_or_default(),
        user_id: owned(meta.user_id).unwrap_or_default(),
        status: status.to_owned(),
        start_time: meta.start_time,
        end_time: meta.end_time,
        deleted_time: meta.deleted_time,
        lifecycle_stage: meta.lifecycle_stage,
        artifact_uri: meta.artifact_uri.unwrap_or_default(),
        params: pairs(&path.join("params"))?,
        tags: pairs(&path.join("tags"))?,
        metrics: metrics(&path.join("metrics"))?,
        datasets,
        model_inputs,
        model_outputs: model_outputs(path)?,
    })
}

fn dataset(run: &Path, link: LinkMeta) -> Result<(Dataset, Vec<KeyValue>)> {
    let experiment = run.parent().unwrap_or(run);
    let meta: DatasetMeta = tree::meta(&experiment.join("datasets").join(&link.source_id.0))?;
    let dataset = Dataset {
        name: meta.name.0,
        digest: meta.digest.0,
        source_type: meta.source_type.0,
        source: meta.source,
        schema: meta.schema,
        profile: meta.profile,
    };
    let tags = link.tags.into_iter().map(|(key, value)| KeyValue {
        key,
        value: value.0,
    });
    Ok((dataset, tags.collect()))
}

fn model_outputs(run: &Path) -> Result<Vec<(String, i64)>> {
    let read = |folder| {
        let link: LinkMeta = tree::meta(folder)?;
        Ok((link.destination_id.0, link.step))
    };
    let folders = folders(&run.join("outputs"))?;
    folders.iter().map(|folder| read(folder)).collect()
}

fn metrics(path: &Path) -> Result<Vec<Metric>> {
    let mut metrics = Vec::new();
    for (key, file) in tree::keyed_files(path)? {
        for (place, line) in tree::text(&file)?.lines().enumerate() {
            let fields: Vec<_> = line.split(' ').collect();
            let metric = point(&key, &fields).ok_or_else(|| {
                wrong_line(&file, place + 1, "this is no metric (time, value and step)")
            })?;
            metrics.push(metric);
        }
    }
    Ok(metrics)
}

/// A time, a value, and a step, which old versions of MLflow did not write.
pub fn point(key: &str, fields: &[&str]) -> Option<Metric> {
    let step = fields.get(2).copied().unwrap_or("0");
    Some(Metric {
        key: key.to_owned(),
        timestamp: fields.first()?.parse().ok()?,
        value: fields.get(1)?.parse().ok()?,
        step: step.parse().ok()?,
    })
}
