//! What sets the searches of MLflow's resources apart: which words they know, and which they take
//! where.

use mlflow_store::tracking::python;

/// The texts that can be compared with `LIKE`.
pub const TEXT: &[&str] = &["!=", "=", "LIKE", "ILIKE", "IN", "NOT IN"];
pub const NULLABLE: &[&str] = &["!=", "=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"];
pub const NUMERIC: &[&str] = &[">", ">=", "!=", "=", "<", "<="];
pub const DATASET_KEYS: &[&str] = &["name", "digest", "context"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Runs,
    Experiments,
    RegisteredModels,
    ModelVersions,
}

#[derive(Debug)]
pub struct Dialect {
    pub resource: Resource,
    pub attributes: &'static [&'static str],
    pub numeric: &'static [&'static str],
    /// What can be compared with a list.
    pub listed: &'static [&'static str],
    pub order_by: &'static [&'static str],
}

pub const RUNS: Dialect = Dialect {
    resource: Resource::Runs,
    attributes: &[
        "run_id",
        "run_name",
        "user_id",
        "status",
        "start_time",
        "end_time",
        "artifact_uri",
        "created",
        "Created",
        "run name",
        "Run name",
        "Run Name",
    ],
    numeric: &["start_time", "end_time", "created", "Created"],
    listed: &["run_id"],
    order_by: &[
        "run_id",
        "run_name",
        "user_id",
        "status",
        "start_time",
        "end_time",
        "artifact_uri",
        "created",
        "Created",
    ],
};

pub const EXPERIMENTS: Dialect = Dialect {
    resource: Resource::Experiments,
    attributes: &["name", "experiment_id", "creation_time", "last_update_time"],
    numeric: &["creation_time", "last_update_time"],
    listed: &["experiment_id"],
    order_by: &["name", "experiment_id", "creation_time", "last_update_time"],
};

pub const REGISTERED_MODELS: Dialect = Dialect {
    resource: Resource::RegisteredModels,
    attributes: &["name"],
    numeric: &["creation_timestamp", "last_updated_timestamp"],
    listed: &["name"],
    order_by: &["timestamp", "last_updated_timestamp", "name"],
};

pub const MODEL_VERSIONS: Dialect = Dialect {
    resource: Resource::ModelVersions,
    attributes: &["name", "version_number", "run_id", "source_path"],
    numeric: &[
        "version_number",
        "creation_timestamp",
        "last_updated_timestamp",
    ],
    listed: &["name", "run_id"],
    order_by: &[
        "name",
        "version_number",
        "creation_timestamp",
        "last_updated_timestamp",
    ],
};

/// Other names of a run's attributes.
pub fn without_alias(key: &str) -> &str {
    match key {
        "created" | "Created" => "start_time",
        "run name" | "Run name" | "Run Name" => "run_name",
        key => key,
    }
}

/// `repr` of a set of texts. Python's own has no order that could be told beforehand.
pub fn set(texts: &[&str]) -> String {
    let list = python::repr_list(texts.iter().copied());
    format!("{{{}}}", list.trim_matches(['[', ']']))
}
