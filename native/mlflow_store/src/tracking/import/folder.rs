//! An `mlruns` folder: MLflow's file store, and the registry in its folder `models`.

mod registry;
mod runs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::meta::{ExperimentMeta, LoggedModelMeta, owned};
use super::records::{
    ExperimentRecord, LoggedModelRecord, ModelMetric, RegisteredModelRecord, RunRecord, Source,
};
use super::tree::{self, folders, has_meta, name, pairs, wrong};
use crate::error::{Result, StoreError};

pub struct Folder {
    root: PathBuf,
    /// The folders of experiments, deleted ones among them.
    experiments: Vec<PathBuf>,
}

/// A run's folder, and its name, which is the run's id.
pub struct RunFolder {
    id: String,
    path: PathBuf,
}

/// What an experiment's folder has beside its runs.
const NO_RUNS: [&str; 5] = ["artifacts", "datasets", "models", "tags", "traces"];

impl Folder {
    pub fn open(root: &Path) -> Result<Self> {
        let mut experiments = folders(root)?;
        experiments.extend(folders(&root.join(".trash"))?);
        experiments.retain(|folder| has_meta(folder));
        if experiments.is_empty() && folders(&root.join("models"))?.is_empty() {
            return Err(StoreError::invalid(format!(
                "{} has no experiments, which are folders with a meta.yaml: give the path of an \
                 mlruns folder",
                root.display()
            )));
        }
        Ok(Self {
            root: root.to_owned(),
            experiments,
        })
    }

    fn within(&self, inner: impl Fn(&Path) -> Result<Vec<PathBuf>>) -> Result<Vec<PathBuf>> {
        let found: Result<Vec<_>> = self.experiments.iter().map(|path| inner(path)).collect();
        Ok(found?.into_iter().flatten().collect())
    }
}

fn run_folders(experiment: &Path) -> Result<Vec<PathBuf>> {
    let mut found = folders(experiment)?;
    found.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        !name.is_some_and(|name| NO_RUNS.contains(&name))
    });
    Ok(found)
}

fn id(path: &Path, text: &str) -> Result<i64> {
    text.parse()
        .map_err(|_| wrong(path, format!("the experiment id {text:?} is no number")))
}

impl Source for Folder {
    type Run = RunFolder;
    type LoggedModel = PathBuf;
    type RegisteredModel = PathBuf;

    fn experiments(&self) -> Result<Vec<ExperimentRecord>> {
        let read = |path: &PathBuf| {
            let meta: ExperimentMeta = tree::meta(path)?;
            let creation_time = meta.creation_time.unwrap_or(0);
            Ok(ExperimentRecord {
                id: id(path, &meta.experiment_id.0)?,
                name: meta.name.0,
                artifact_location: meta.artifact_location,
                lifecycle_stage: meta.lifecycle_stage,
                creation_time,
                last_update_time: meta.last_update_time.unwrap_or(creation_time),
                tags: pairs(&path.join("tags"))?,
            })
        };
        self.experiments.iter().map(read).collect()
    }

    fn runs(&self) -> Result<Vec<RunFolder>> {
        let paths = self.within(run_folders)?.into_iter();
        let runs = paths.filter(|path| has_meta(path)).map(|path| {
            Ok(RunFolder {
                id: name(&path)?,
                path,
            })
        });
        runs.collect()
    }

    fn run_id<'a>(&self, run: &'a RunFolder) -> &'a str {
        &run.id
    }

    fn run(&self, run: &RunFolder) -> Result<RunRecord> {
        runs::read(run)
    }

    fn logged_models(&self) -> Result<Vec<PathBuf>> {
        self.within(|experiment| folders(&experiment.join("models")))
    }

    fn logged_model(&self, path: &PathBuf) -> Result<LoggedModelRecord> {
        let meta: LoggedModelMeta = tree::meta(path)?;
        Ok(LoggedModelRecord {
            model_id: meta.model_id.0,
            experiment_id: id(path, &meta.experiment_id.0)?,
            name: meta.name.0,
            artifact_location: meta.artifact_location,
            creation_time: meta.creation_timestamp,
            last_updated_time: meta.last_updated_timestamp,
            status: meta.status,
            status_message: meta.status_message,
            lifecycle_stage: meta.lifecycle_stage.unwrap_or_else(|| "active".to_owned()),
            model_type: owned(meta.model_type),
            source_run_id: owned(meta.source_run_id),
            params: pairs(&path.join("params"))?,
            tags: pairs(&path.join("tags"))?,
            metrics: model_metrics(&path.join("metrics"))?,
        })
    }

    fn registered_models(&self) -> Result<Vec<PathBuf>> {
        folders(&self.root.join("models"))
    }

    fn registered_model(&self, path: &PathBuf) -> Result<RegisteredModelRecord> {
        registry::read(path)
    }

    /// Traces, and folders that say nothing of what they are.
    fn left_out(&self) -> Result<BTreeMap<String, u64>> {
        let mut left_out = BTreeMap::new();
        let traces = self.within(|experiment| folders(&experiment.join("traces")))?;
        if !traces.is_empty() {
            left_out.insert("traces".to_owned(), traces.len() as u64);
        }
        let known =
            |path: &Path| has_meta(path) || path.ends_with("models") || path.ends_with(".trash");
        let outer = folders(&self.root)?;
        let unknown = outer.into_iter().filter(|path| !known(path));
        let inner = self.within(run_folders)?;
        for path in unknown.chain(inner.into_iter().filter(|path| !has_meta(path))) {
            left_out.insert(format!("{} (no meta.yaml)", path.display()), 1);
        }
        Ok(left_out)
    }
}

/// Lines of a time, a value, a step and a run, and perhaps of a dataset's name and digest.
fn model_metrics(path: &Path) -> Result<Vec<ModelMetric>> {
    let mut metrics = Vec::new();
    for (key, file) in tree::keyed_files(path)? {
        for (place, line) in tree::text(&file)?.lines().enumerate() {
            let fields: Vec<_> = line.split(' ').collect();
            let metric = runs::point(&key, &fields);
            let (Some(metric), Some(run_id)) = (metric, fields.get(3)) else {
                return Err(tree::wrong_line(&file, place + 1, "this is no metric"));
            };
            metrics.push(ModelMetric {
                metric,
                run_id: (*run_id).to_owned(),
                dataset_name: fields.get(4).map(|&text| text.to_owned()),
                dataset_digest: fields.get(5).map(|&text| text.to_owned()),
            });
        }
    }
    Ok(metrics)
}
