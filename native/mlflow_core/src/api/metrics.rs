//! `metrics/…`

use std::collections::{BTreeMap, HashSet};

use tokio::task::{JoinError, JoinSet};

use super::wire;
use crate::client::{Client, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Metric;
use crate::validate;

const GET_HISTORY: Endpoint = Endpoint::get("metrics/get-history");

/// The most a server gives at once. Always asked for, because without it some servers give nothing
/// but a token that never moves.
const PAGE: &str = "25000";

/// How many histories are read at once: enough to hide the time that each takes to travel, and
/// few enough to leave a server's workers to others.
const IN_FLIGHT: usize = 4;

impl Client {
    /// Every point of several metrics, in the order of the keys. Each has a deadline of its own; if
    /// one cannot be read, the call fails.
    pub async fn get_metric_histories(
        &self,
        run_id: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Metric>> {
        let mut waiting = keys.into_iter().enumerate();
        let mut reading = JoinSet::new();
        let mut histories = BTreeMap::new();
        loop {
            while reading.len() < IN_FLIGHT
                && let Some((place, key)) = waiting.next()
            {
                let (client, run_id) = (self.clone(), run_id.to_owned());
                reading.spawn(async move {
                    let history = client.get_metric_history(&run_id, &key).await;
                    history.map(|points| (place, points))
                });
            }
            match reading.join_next().await {
                Some(history) => histories.extend([history.map_err(lost)??]),
                None => return Ok(histories.into_values().flatten().collect()),
            }
        }
    }

    /// Every point of a metric, in the server's order. MLflow answers for an unknown run, too: with
    /// no points.
    pub async fn get_metric_history(&self, run_id: &str, key: &str) -> Result<Vec<Metric>> {
        validate::run_id(GET_HISTORY.name, run_id)?;
        validate::metric_key(GET_HISTORY.name, key)?;
        let deadline = self.deadline();
        let mut points = Vec::new();
        let mut tokens = HashSet::new();
        let mut token = String::new();
        loop {
            let mut query = vec![
                ("run_id", run_id),
                ("metric_key", key),
                ("max_results", PAGE),
            ];
            if !token.is_empty() {
                query.push(("page_token", &token));
            }
            let page = self
                .get_by(deadline, &GET_HISTORY, &query, wire::metrics)
                .await?;
            let is_empty = page.items.is_empty();
            points.extend(page.items);
            let Some(next) = page.next_page_token else {
                // Pages are cut by offset, so points that arrive meanwhile make pages overlap.
                return Ok(Metric::distinct(points));
            };
            if is_empty || !tokens.insert(next.clone()) {
                return Err(stuck(run_id, key, points.len()));
            }
            token = next;
        }
    }
}

fn stuck(run_id: &str, key: &str, points: usize) -> Error {
    let key = validate::quoted(key);
    let message = format!(
        "the pages of metric {key} of run {run_id} do not end: after {points} points the server \
         gave a page token with nothing new behind it"
    );
    Error::new(ErrorKind::BadResponse, GET_HISTORY.name, message)
}

fn lost(cause: JoinError) -> Error {
    let message = format!("the reading of a history ended without an answer: {cause}");
    Error::new(ErrorKind::Bug, GET_HISTORY.name, message)
}
