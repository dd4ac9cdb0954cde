//! The tables that hold one record per row, described as data.
//!
//! Column names in SQL only ever come from here, never from a caller.

use crate::error::{Result, StoreError};

/// What a column holds, and so which JSON values it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    /// A number, or the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, which JSON has no number
    /// for and MLflow spells the same.
    Real,
    Boolean,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub unique: bool,
}

/// Every table has a text `id`, and the `inserted_at` and `updated_at` that the store keeps.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [Column],
}

impl Kind {
    /// For messages: "takes …".
    pub(crate) const fn article(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "a 64-bit integer",
            Self::Real => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
            Self::Boolean => "a boolean",
            Self::Json => "any JSON",
        }
    }
}

impl Column {
    const fn of(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            unique: false,
        }
    }

    const fn unique(self) -> Self {
        Self {
            unique: true,
            ..self
        }
    }
}

impl Table {
    /// The column of that name, or an error that names the nearest one.
    pub fn column(&self, name: &str) -> Result<&'static Column> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .ok_or_else(|| {
                let table = self.name;
                let nearest = self.nearest(name);
                StoreError::invalid(format!(
                    "{table} has no column {name:?}: did you mean {nearest:?}?"
                ))
            })
    }

    fn nearest(&self, name: &str) -> &'static str {
        let likeness = |column: &&Column| strsim::jaro_winkler(column.name, name);
        self.columns
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
            .map_or("id", |column| column.name)
    }

    /// The columns as an SQL list, in the order in which rows are decoded.
    pub(crate) fn select_list(&self) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|column| format!("{}.{}", self.name, column.name))
            .collect();
        names.join(", ")
    }
}

pub fn by_name(name: &str) -> Option<&'static Table> {
    ALL.iter().copied().find(|table| table.name == name)
}

pub static ALL: &[&Table] = &[
    &MODEL_RUNS,
    &MODEL_TRIALS,
    &MLFLOW_EXPERIMENTS,
    &MLFLOW_RUNS,
];

pub(crate) const fn text(name: &'static str) -> Column {
    Column::of(name, Kind::Text)
}

pub(crate) const fn integer(name: &'static str) -> Column {
    Column::of(name, Kind::Integer)
}

const fn real(name: &'static str) -> Column {
    Column::of(name, Kind::Real)
}

const fn boolean(name: &'static str) -> Column {
    Column::of(name, Kind::Boolean)
}

pub(crate) const fn json(name: &'static str) -> Column {
    Column::of(name, Kind::Json)
}

pub static MODEL_RUNS: Table = Table {
    name: "model_runs",
    columns: &[
        text("id").unique(),
        text("run_id").unique(),
        text("state"),
        integer("search_space_version"),
        integer("max_params"),
        integer("requested_trials"),
        integer("completed_trials"),
        real("best_metric"),
        text("error_message"),
        json("metadata"),
        json("bridge_payload"),
        json("bridge_result"),
        text("mlflow_experiment_id"),
        integer("started_at"),
        integer("finished_at"),
        integer("inserted_at"),
        integer("updated_at"),
    ],
};

pub static MODEL_TRIALS: Table = Table {
    name: "model_trials",
    columns: &[
        text("id").unique(),
        text("trial_id").unique(),
        text("model_run_id"),
        text("mlflow_experiment_id"),
        text("name"),
        text("status"),
        json("metrics"),
        json("parameters"),
        json("hyperparameters"),
        json("tags"),
        boolean("spectral_norm"),
        real("final_accuracy"),
        real("final_loss"),
        real("best_metric_value"),
        text("mlflow_run_id"),
        text("artifact_uri"),
        integer("duration_ms"),
        integer("rank"),
        json("warnings"),
        text("candidate_id"),
        text("pulse_id"),
        json("bridge_payload"),
        integer("started_at"),
        integer("completed_at"),
        integer("inserted_at"),
        integer("updated_at"),
    ],
};

pub static MLFLOW_EXPERIMENTS: Table = Table {
    name: "mlflow_experiments",
    columns: &[
        text("id").unique(),
        text("mlflow_experiment_id").unique(),
        text("name"),
        text("artifact_location"),
        text("lifecycle_stage"),
        json("tags"),
        text("model_run_id"),
        integer("synced_at"),
        integer("inserted_at"),
        integer("updated_at"),
    ],
};

pub static MLFLOW_RUNS: Table = Table {
    name: "mlflow_runs",
    columns: &[
        text("id").unique(),
        text("mlflow_run_id").unique(),
        text("mlflow_experiment_id"),
        text("run_name"),
        text("status"),
        integer("start_time"),
        integer("end_time"),
        text("artifact_uri"),
        text("lifecycle_stage"),
        json("params"),
        json("metrics"),
        json("tags"),
        text("model_trial_id").unique(),
        text("model_run_id"),
        text("base"),
        integer("points_seq"),
        text("claimed_by"),
        integer("claimed_until"),
        json("sync_error"),
        integer("synced_at"),
        integer("inserted_at"),
        integer("updated_at"),
        integer("digest"),
    ],
};
