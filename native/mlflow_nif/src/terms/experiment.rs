//! Experiments, and the search options that experiments and runs share.

use mlflow_core::api::{SearchExperiments, SearchRuns};
use mlflow_core::model::{Experiment, ViewType};
use rustler::{NifMap, NifStruct, NifUnitEnum};

use super::StringMap;
use super::run::StageTerm;

#[derive(NifStruct)]
#[module = "MLflow.Experiment"]
#[rustler(encode)]
pub struct ExperimentTerm {
    experiment_id: String,
    name: String,
    artifact_location: Option<String>,
    lifecycle_stage: StageTerm,
    creation_time: Option<i64>,
    last_update_time: Option<i64>,
    tags: StringMap,
}

impl From<Experiment> for ExperimentTerm {
    fn from(experiment: Experiment) -> Self {
        Self {
            experiment_id: experiment.experiment_id,
            name: experiment.name,
            artifact_location: experiment.artifact_location,
            lifecycle_stage: StageTerm(experiment.lifecycle_stage),
            creation_time: experiment.creation_time,
            last_update_time: experiment.last_update_time,
            tags: experiment.tags.into(),
        }
    }
}

#[derive(NifUnitEnum)]
enum ViewTypeTerm {
    ActiveOnly,
    DeletedOnly,
    All,
}

impl From<ViewTypeTerm> for ViewType {
    fn from(term: ViewTypeTerm) -> Self {
        match term {
            ViewTypeTerm::ActiveOnly => Self::ActiveOnly,
            ViewTypeTerm::DeletedOnly => Self::DeletedOnly,
            ViewTypeTerm::All => Self::All,
        }
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct SearchTerm {
    filter: Option<String>,
    max_results: Option<u32>,
    order_by: Vec<String>,
    view_type: Option<ViewTypeTerm>,
    page_token: Option<String>,
}

impl SearchTerm {
    pub fn runs(self, experiment_ids: Vec<String>) -> SearchRuns {
        SearchRuns {
            experiment_ids,
            filter: self.filter,
            max_results: self.max_results,
            order_by: self.order_by,
            view_type: self.view_type.map(ViewType::from),
            page_token: self.page_token,
        }
    }

    pub fn experiments(self) -> SearchExperiments {
        SearchExperiments {
            filter: self.filter,
            max_results: self.max_results,
            order_by: self.order_by,
            view_type: self.view_type.map(ViewType::from),
            page_token: self.page_token,
        }
    }
}
