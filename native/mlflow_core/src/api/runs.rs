//! `runs/…`

use serde::Serialize;

use super::wire;
use crate::client::{Client, Endpoint};
use crate::error::Result;
use crate::model::{Metric, Page, Param, Run, RunStatus, Tag, ViewType};
use crate::validate;

const CREATE: Endpoint = Endpoint::create("runs/create");
const GET: Endpoint = Endpoint::get("runs/get");
const UPDATE: Endpoint = Endpoint::write("runs/update");
const DELETE: Endpoint = Endpoint::write("runs/delete");
const RESTORE: Endpoint = Endpoint::write("runs/restore");
const SEARCH: Endpoint = Endpoint::search("runs/search");
const LOG_METRIC: Endpoint = Endpoint::write("runs/log-metric");
const LOG_PARAM: Endpoint = Endpoint::write("runs/log-parameter");
pub(super) const LOG_BATCH: Endpoint = Endpoint::write("runs/log-batch");
const SET_TAG: Endpoint = Endpoint::write("runs/set-tag");
const DELETE_TAG: Endpoint = Endpoint::write("runs/delete-tag");

/// Times are in ms since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreateRun {
    pub experiment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// What is `None` stays as it is. Times are in ms since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchRuns {
    pub experiment_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    #[serde(rename = "run_view_type", skip_serializing_if = "Option::is_none")]
    pub view_type: Option<ViewType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
}

/// The run and what to do with it, as one JSON object.
#[derive(Serialize)]
struct ForRun<'a, T: Serialize> {
    run_id: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

#[derive(Serialize)]
struct Nothing {}

impl Client {
    /// Not repeated when its outcome is unknown, since it would make a second run: look for the
    /// run by a tag of your own before you try again.
    pub async fn create_run(&self, run: &CreateRun) -> Result<Run> {
        validate::experiment_id(CREATE.name, &run.experiment_id)?;
        run.tags
            .iter()
            .try_for_each(|tag| validate::tag(CREATE.name, tag))?;
        self.post(&CREATE, run, wire::run).await
    }

    pub async fn get_run(&self, id: &str) -> Result<Run> {
        validate::run_id(GET.name, id)?;
        self.get(&GET, &[("run_id", id)], wire::run).await
    }

    pub async fn update_run(&self, id: &str, update: &RunUpdate) -> Result<()> {
        self.change(&UPDATE, id, update).await
    }

    pub async fn delete_run(&self, id: &str) -> Result<()> {
        self.change(&DELETE, id, &Nothing {}).await
    }

    pub async fn restore_run(&self, id: &str) -> Result<()> {
        self.change(&RESTORE, id, &Nothing {}).await
    }

    pub async fn search_runs(&self, search: &SearchRuns) -> Result<Page<Run>> {
        self.post(&SEARCH, search, wire::runs).await
    }

    pub async fn log_metric(&self, run_id: &str, metric: &Metric) -> Result<()> {
        validate::metric(LOG_METRIC.name, metric)?;
        self.change(&LOG_METRIC, run_id, metric).await
    }

    pub async fn log_param(&self, run_id: &str, param: &Param) -> Result<()> {
        validate::param(LOG_PARAM.name, param)?;
        self.change(&LOG_PARAM, run_id, param).await
    }

    pub async fn set_tag(&self, run_id: &str, tag: &Tag) -> Result<()> {
        validate::tag(SET_TAG.name, tag)?;
        self.change(&SET_TAG, run_id, tag).await
    }

    pub async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        #[derive(Serialize)]
        struct Key<'a> {
            key: &'a str,
        }

        validate::tag_key(DELETE_TAG.name, key)?;
        self.change(&DELETE_TAG, run_id, &Key { key }).await
    }

    async fn change(
        &self,
        endpoint: &Endpoint,
        run_id: &str,
        content: &impl Serialize,
    ) -> Result<()> {
        validate::run_id(endpoint.name, run_id)?;
        self.post(endpoint, &ForRun { run_id, content }, wire::done)
            .await
    }
}
