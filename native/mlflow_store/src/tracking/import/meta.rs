//! The `meta.yaml` files of an `mlruns` folder. What is of no use here is not looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
pub struct ExperimentMeta {
    pub experiment_id: Text,
    pub name: Text,
    pub artifact_location: Option<String>,
    pub lifecycle_stage: String,
    pub creation_time: Option<i64>,
    pub last_update_time: Option<i64>,
}

#[derive(Deserialize)]
pub struct RunMeta {
    pub experiment_id: Text,
    pub run_id: Option<Text>,
    pub run_uuid: Option<Text>,
    pub run_name: Option<Text>,
    /// Old versions kept the name there.
    pub name: Option<Text>,
    pub user_id: Option<Text>,
    pub status: Status,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub deleted_time: Option<i64>,
    pub lifecycle_stage: String,
    pub artifact_uri: Option<String>,
}

/// As its number, or as its name.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Status {
    Number(i64),
    Name(String),
}

impl Status {
    pub fn name(&self) -> Option<&str> {
        const NAMES: [&str; 5] = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];
        match self {
            Self::Number(number) => {
                let place = usize::try_from(number - 1).ok()?;
                NAMES.get(place).copied()
            }
            Self::Name(name) => NAMES.into_iter().find(|known| known == name),
        }
    }
}

#[derive(Deserialize)]
pub struct DatasetMeta {
    pub name: Text,
    pub digest: Text,
    pub source_type: Text,
    pub source: String,
    pub schema: Option<String>,
    pub profile: Option<String>,
}

/// An input or an output of a run.
#[derive(Deserialize)]
pub struct LinkMeta {
    pub source_type: String,
    pub source_id: Text,
    pub destination_id: Text,
    #[serde(default)]
    pub tags: BTreeMap<String, Text>,
    #[serde(default)]
    pub step: i64,
}

#[derive(Deserialize)]
pub struct LoggedModelMeta {
    pub model_id: Text,
    pub experiment_id: Text,
    pub name: Text,
    pub artifact_location: String,
    pub creation_timestamp: i64,
    pub last_updated_timestamp: i64,
    pub status: i64,
    pub status_message: Option<String>,
    pub lifecycle_stage: Option<String>,
    pub model_type: Option<Text>,
    pub source_run_id: Option<Text>,
}

#[derive(Deserialize)]
pub struct RegisteredModelMeta {
    pub name: Text,
    pub creation_timestamp: Option<i64>,
    pub last_updated_timestamp: Option<i64>,
    pub description: Option<Text>,
}

#[derive(Deserialize)]
pub struct VersionMeta {
    pub version: i64,
    pub creation_timestamp: Option<i64>,
    pub last_updated_timestamp: Option<i64>,
    pub description: Option<Text>,
    pub user_id: Option<Text>,
    pub current_stage: Option<String>,
    pub source: Option<Text>,
    pub storage_location: Option<Text>,
    pub run_id: Option<Text>,
    pub run_link: Option<Text>,
    pub model_id: Option<Text>,
    pub status: Option<String>,
    pub status_message: Option<Text>,
}

/// A text that may have been written without quotes and look like something else, such as the id 12.
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

pub fn owned(text: Option<Text>) -> Option<String> {
    text.map(|text| text.0)
}
