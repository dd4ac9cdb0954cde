//! `experiments/…`

use serde::Serialize;

use super::wire;
use crate::client::{Client, Endpoint};
use crate::error::Result;
use crate::model::{Experiment, Page, Tag, ViewType};
use crate::validate;

const CREATE: Endpoint = Endpoint::create("experiments/create");
const GET: Endpoint = Endpoint::get("experiments/get");
const GET_BY_NAME: Endpoint = Endpoint::get("experiments/get-by-name");
const SEARCH: Endpoint = Endpoint::search("experiments/search");
const UPDATE: Endpoint = Endpoint::write("experiments/update");
const DELETE: Endpoint = Endpoint::write("experiments/delete");
const RESTORE: Endpoint = Endpoint::write("experiments/restore");
const SET_TAG: Endpoint = Endpoint::write("experiments/set-experiment-tag");

/// MLflow's own client asks for as many; servers take an absent `max_results` for zero.
const PAGE: u32 = 1000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchExperiments {
    pub filter: Option<String>,
    pub max_results: Option<u32>,
    pub order_by: Vec<String>,
    pub view_type: Option<ViewType>,
    pub page_token: Option<String>,
}

#[derive(Serialize)]
struct ById<'a> {
    experiment_id: &'a str,
}

impl Client {
    /// The new experiment's id.
    pub async fn create_experiment(
        &self,
        name: &str,
        artifact_location: Option<&str>,
        tags: &[Tag],
    ) -> Result<String> {
        #[derive(Serialize)]
        struct Body<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            artifact_location: Option<&'a str>,
            tags: &'a [Tag],
        }

        validate::experiment_name(CREATE.name, name)?;
        tags.iter()
            .try_for_each(|tag| validate::tag(CREATE.name, tag))?;
        let body = Body {
            name,
            artifact_location,
            tags,
        };
        self.post(&CREATE, &body, wire::experiment_id).await
    }

    pub async fn get_experiment(&self, id: &str) -> Result<Experiment> {
        validate::experiment_id(GET.name, id)?;
        self.get(&GET, &[("experiment_id", id)], wire::experiment)
            .await
    }

    pub async fn get_experiment_by_name(&self, name: &str) -> Result<Experiment> {
        validate::experiment_name(GET_BY_NAME.name, name)?;
        self.get(&GET_BY_NAME, &[("experiment_name", name)], wire::experiment)
            .await
    }

    pub async fn search_experiments(&self, search: &SearchExperiments) -> Result<Page<Experiment>> {
        #[derive(Serialize)]
        struct Body<'a> {
            max_results: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            filter: Option<&'a str>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            order_by: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            view_type: Option<ViewType>,
            #[serde(skip_serializing_if = "Option::is_none")]
            page_token: Option<&'a str>,
        }

        let body = Body {
            max_results: search.max_results.unwrap_or(PAGE),
            filter: search.filter.as_deref(),
            order_by: &search.order_by,
            view_type: search.view_type,
            page_token: search.page_token.as_deref(),
        };
        self.post(&SEARCH, &body, wire::experiments).await
    }

    pub async fn update_experiment(&self, id: &str, new_name: &str) -> Result<()> {
        #[derive(Serialize)]
        struct Body<'a> {
            experiment_id: &'a str,
            new_name: &'a str,
        }

        validate::experiment_id(UPDATE.name, id)?;
        validate::experiment_name(UPDATE.name, new_name)?;
        self.post(
            &UPDATE,
            &Body {
                experiment_id: id,
                new_name,
            },
            wire::done,
        )
        .await
    }

    pub async fn delete_experiment(&self, id: &str) -> Result<()> {
        validate::experiment_id(DELETE.name, id)?;
        self.post(&DELETE, &ById { experiment_id: id }, wire::done)
            .await
    }

    pub async fn restore_experiment(&self, id: &str) -> Result<()> {
        validate::experiment_id(RESTORE.name, id)?;
        self.post(&RESTORE, &ById { experiment_id: id }, wire::done)
            .await
    }

    pub async fn set_experiment_tag(&self, id: &str, key: &str, value: &str) -> Result<()> {
        #[derive(Serialize)]
        struct Body<'a> {
            experiment_id: &'a str,
            #[serde(flatten)]
            tag: &'a Tag,
        }

        let tag = &Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        validate::experiment_id(SET_TAG.name, id)?;
        validate::tag(SET_TAG.name, tag)?;
        self.post(
            &SET_TAG,
            &Body {
                experiment_id: id,
                tag,
            },
            wire::done,
        )
        .await
    }
}
