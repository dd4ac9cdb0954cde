//! What both sides talk about: MLflow's entities, the trial, and MLflow's limits.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// MLflow's documented limits, in characters unless a name says otherwise.
pub mod limits {
    /// Keys of metrics, params and tags.
    pub const KEY: usize = 250;
    /// Param values (500 on servers before 2.8).
    pub const PARAM_VALUE: usize = 6000;
    /// Tag values (5000 on servers before 2.11).
    pub const TAG_VALUE: usize = 8000;
    /// Experiment names.
    pub const EXPERIMENT_NAME: usize = 500;
    /// To how many characters values of params are cut by servers that cut what is too long instead
    /// of refusing it: `MAX_PARAM_VAL_LENGTH` in `mlflow/utils/validation.py`, where 3.17.2 cuts
    /// (unless `MLFLOW_TRUNCATE_LONG_VALUES` is off) at 6000, and 2.9.2 refuses; before 2.8 it was
    /// 500.
    pub const PARAM_CUTS: [usize; 2] = [PARAM_VALUE, 500];
    /// The same for tags: `MAX_TAG_VAL_LENGTH` is 8000 in 3.17.2, and 5000 in 2.9.2.
    pub const TAG_CUTS: [usize; 2] = [TAG_VALUE, 5000];
    /// Length of a run id, all of it hex digits.
    pub const RUN_ID: usize = 32;
}

/// A run's status, kept even when the server invents a new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RunStatus {
    Scheduled,
    Running,
    Finished,
    Failed,
    Killed,
    Other(String),
}

impl RunStatus {
    /// Nothing more is expected of a run that has ended.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for RunStatus {
    fn from(name: String) -> Self {
        match name.as_str() {
            "SCHEDULED" => Self::Scheduled,
            "RUNNING" => Self::Running,
            "FINISHED" => Self::Finished,
            "FAILED" => Self::Failed,
            "KILLED" => Self::Killed,
            _ => Self::Other(name),
        }
    }
}

impl From<RunStatus> for String {
    fn from(status: RunStatus) -> Self {
        status.as_str().to_owned()
    }
}

/// Whether an experiment or run was deleted (MLflow keeps deleted ones for restoring).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LifecycleStage {
    Active,
    Deleted,
    Other(String),
}

impl LifecycleStage {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for LifecycleStage {
    fn from(name: String) -> Self {
        match name.as_str() {
            "active" => Self::Active,
            "deleted" => Self::Deleted,
            _ => Self::Other(name),
        }
    }
}

impl From<LifecycleStage> for String {
    fn from(stage: LifecycleStage) -> Self {
        stage.as_str().to_owned()
    }
}

/// A metric's value: any double, NaN and the infinities included.
///
/// Equality is MLflow's: NaN equals NaN, and ±Infinity equals ±1.7976931348623157e308, which is
/// what a server's database hands back for it.
#[derive(Clone, Copy, Debug)]
pub struct MetricValue(pub f64);

impl MetricValue {
    fn canonical(self) -> f64 {
        if self.0.is_nan() {
            f64::NAN
        } else {
            self.0.clamp(f64::MIN, f64::MAX)
        }
    }
}

impl PartialEq for MetricValue {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.canonical(), other.canonical());
        one == two || (one.is_nan() && two.is_nan())
    }
}

impl Eq for MetricValue {}

impl Hash for MetricValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Adding zero makes -0.0, which equals 0.0, the same bits.
        (self.canonical() + 0.0).to_bits().hash(state);
    }
}

impl fmt::Display for MetricValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            v if v.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("Infinity"),
            f64::NEG_INFINITY => f.write_str("-Infinity"),
            v => write!(f, "{v}"),
        }
    }
}

/// One point of a metric's series. `timestamp` is in ms since the epoch, fixed when the point was
/// recorded: it is part of the row's identity on the server, so a replay is absorbed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Metric {
    pub key: String,
    pub value: MetricValue,
    pub timestamp: i64,
    pub step: i64,
}

impl Metric {
    /// The points in their order, without those that are an earlier one again.
    pub fn distinct(mut points: Vec<Self>) -> Vec<Self> {
        let mut seen = HashSet::with_capacity(points.len());
        let is_new: Vec<bool> = points.iter().map(|point| seen.insert(point)).collect();
        let mut is_new = is_new.into_iter();
        points.retain(|_| is_new.next().unwrap_or(true));
        points
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    pub key: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// An MLflow experiment. Times are in ms since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    pub experiment_id: String,
    pub name: String,
    pub artifact_location: Option<String>,
    pub lifecycle_stage: LifecycleStage,
    pub creation_time: Option<i64>,
    pub last_update_time: Option<i64>,
    pub tags: BTreeMap<String, String>,
}

/// An MLflow run. Times are in ms since the epoch; `metrics` holds the latest point of each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub run_id: String,
    pub experiment_id: String,
    pub name: Option<String>,
    pub status: RunStatus,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub artifact_uri: Option<String>,
    pub lifecycle_stage: LifecycleStage,
    pub user_id: Option<String>,
    pub params: BTreeMap<String, String>,
    pub metrics: Vec<Metric>,
    pub tags: BTreeMap<String, String>,
}

/// A part of a longer list, and how to ask for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_page_token: Option<String>,
}

/// Which experiments or runs to search among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewType {
    ActiveOnly,
    DeletedOnly,
    All,
}

impl ViewType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActiveOnly => "ACTIVE_ONLY",
            Self::DeletedOnly => "DELETED_ONLY",
            Self::All => "ALL",
        }
    }
}

impl Serialize for ViewType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The application's side of a run. Times are in ms since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    pub id: String,
    pub name: Option<String>,
    pub status: RunStatus,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub artifact_uri: Option<String>,
    /// When it was last changed.
    pub version: Option<i64>,
    pub params: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// The points not yet known to be on the server, in the order they were recorded.
    pub points: Vec<Metric>,
}

impl Serialize for MetricValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for MetricValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = MetricValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(MetricValue(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(MetricValue(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(MetricValue(value as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                // Rust's own parser knows every spelling a server uses: NaN, Infinity, -inf, 1e5.
                text.parse()
                    .map(MetricValue)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
