//! What one log-batch call carries, any number of entities.

use mlflow_core::model::{Metric, Param, Tag};
use rustler::NifMap;

use super::PointTerm;
use super::metric::from_point;

#[derive(NifMap)]
#[rustler(decode)]
pub struct BatchTerm {
    metrics: Vec<PointTerm>,
    params: Vec<(String, String)>,
    tags: Vec<(String, String)>,
}

impl BatchTerm {
    pub fn into_parts(self) -> (Vec<Param>, Vec<Tag>, Vec<Metric>) {
        let metrics = self.metrics.into_iter().map(from_point).collect();
        (params(self.params), tags(self.tags), metrics)
    }
}

pub fn params(pairs: Vec<(String, String)>) -> Vec<Param> {
    pairs
        .into_iter()
        .map(|(key, value)| Param { key, value })
        .collect()
}

pub fn tags(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs
        .into_iter()
        .map(|(key, value)| Tag { key, value })
        .collect()
}
