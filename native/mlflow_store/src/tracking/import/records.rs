//! What a source holds, as it is written here.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::tracking::entities::{Dataset, KeyValue, Metric};

pub struct ExperimentRecord {
    pub id: i64,
    pub name: String,
    pub artifact_location: Option<String>,
    pub lifecycle_stage: String,
    pub creation_time: i64,
    pub last_update_time: i64,
    pub tags: Vec<KeyValue>,
}

pub struct RunRecord {
    pub run_id: String,
    pub experiment_id: i64,
    pub name: String,
    pub user_id: String,
    pub status: String,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub deleted_time: Option<i64>,
    pub lifecycle_stage: String,
    pub artifact_uri: String,
    pub params: Vec<KeyValue>,
    pub tags: Vec<KeyValue>,
    pub metrics: Vec<Metric>,
    pub datasets: Vec<(Dataset, Vec<KeyValue>)>,
    pub model_inputs: Vec<String>,
    pub model_outputs: Vec<(String, i64)>,
}

pub struct LoggedModelRecord {
    pub model_id: String,
    pub experiment_id: i64,
    pub name: String,
    pub artifact_location: String,
    pub creation_time: i64,
    pub last_updated_time: i64,
    pub status: i64,
    pub status_message: Option<String>,
    pub lifecycle_stage: String,
    pub model_type: Option<String>,
    pub source_run_id: Option<String>,
    pub params: Vec<KeyValue>,
    pub tags: Vec<KeyValue>,
    pub metrics: Vec<ModelMetric>,
}

pub struct ModelMetric {
    pub metric: Metric,
    pub run_id: String,
    pub dataset_name: Option<String>,
    pub dataset_digest: Option<String>,
}

pub struct RegisteredModelRecord {
    pub name: String,
    pub creation_time: i64,
    pub last_updated_time: i64,
    pub description: Option<String>,
    pub tags: Vec<KeyValue>,
    pub aliases: Vec<(String, i64)>,
    pub versions: Vec<VersionRecord>,
}

pub struct VersionRecord {
    pub version: i64,
    pub creation_time: i64,
    pub last_updated_time: i64,
    pub description: Option<String>,
    pub user_id: Option<String>,
    pub current_stage: String,
    pub source: Option<String>,
    pub storage_location: Option<String>,
    pub run_id: Option<String>,
    pub run_link: Option<String>,
    pub model_id: Option<String>,
    pub status: String,
    pub status_message: Option<String>,
    pub tags: Vec<KeyValue>,
}

/// Where things are imported from. Each is named first, and then read by itself.
pub trait Source {
    type Run;
    type LoggedModel;
    type RegisteredModel;

    fn experiments(&self) -> Result<Vec<ExperimentRecord>>;
    fn runs(&self) -> Result<Vec<Self::Run>>;
    fn run_id<'a>(&self, run: &'a Self::Run) -> &'a str;
    fn run(&self, run: &Self::Run) -> Result<RunRecord>;
    fn logged_models(&self) -> Result<Vec<Self::LoggedModel>>;
    fn logged_model(&self, model: &Self::LoggedModel) -> Result<LoggedModelRecord>;
    fn registered_models(&self) -> Result<Vec<Self::RegisteredModel>>;
    fn registered_model(&self, model: &Self::RegisteredModel) -> Result<RegisteredModelRecord>;
    fn left_out(&self) -> Result<BTreeMap<String, u64>>;
}
