//! Entities → the fewest log-batch requests that a server takes.

mod body;
mod distinct;

use bytes::Bytes;

use self::body::Body;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Metric, Param, Tag};
use crate::validate::{self, quoted};

const OPERATION: &str = "runs/log-batch";

/// One `runs/log-batch` as it is sent, and how much it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub body: Bytes,
    pub metrics: usize,
    pub params: usize,
    pub tags: usize,
}

/// How much of everything a server takes in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Metrics, params and tags together.
    pub entities: usize,
    pub metrics: usize,
    pub params: usize,
    pub tags: usize,
    /// The request's body.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            entities: 1000,
            metrics: 1000,
            params: 100,
            tags: 100,
            // MLflow's limit is 1 MB; the rest is for a proxy that wraps the body.
            bytes: 990_000,
        }
    }
}

/// Entities on their way into batches, each filled up with params, then tags, then metrics, each
/// kind in its order. What is there twice is sent once; of a tag's values the last one counts; a
/// param with two values is refused, as the server would refuse it.
///
/// Every entity is written once, straight into the body it is sent in. The limits may be others for
/// every batch, and a batch that was refused for its size is [put back](Self::put_back).
pub struct Batches<'a> {
    run_id: &'a str,
    params: Queue<'a, Param>,
    tags: Queue<'a, Tag>,
    metrics: Queue<'a, Metric>,
}

impl<'a> Batches<'a> {
    /// Nothing is taken if MLflow would not take all of it.
    pub fn new(
        run_id: &'a str,
        params: &'a [Param],
        tags: &'a [Tag],
        metrics: &'a [Metric],
    ) -> Result<Self> {
        validate::run_id(OPERATION, run_id)?;
        let mut checks = params.iter().map(|param| validate::param(OPERATION, param));
        checks.try_for_each(|check| check)?;
        let mut checks = tags.iter().map(|tag| validate::tag(OPERATION, tag));
        checks.try_for_each(|check| check)?;
        let mut checks = metrics
            .iter()
            .map(|metric| validate::metric(OPERATION, metric));
        checks.try_for_each(|check| check)?;
        Ok(Self {
            run_id,
            params: Queue::new(distinct::params(params)?),
            tags: Queue::new(distinct::tags(tags)),
            metrics: Queue::new(distinct::metrics(metrics)),
        })
    }

    /// The next batch, or `None` when everything is in one.
    pub fn next_batch(&mut self, limits: &BatchLimits) -> Result<Option<Batch>> {
        let left = self.len();
        if left == 0 {
            return Ok(None);
        }
        let mut body = Body::begin(self.run_id, left.min(limits.entities), limits)?;
        let params = body.fill(&mut self.params, limits.params)?;
        let tags = body.fill(&mut self.tags, limits.tags)?;
        let metrics = body.fill(&mut self.metrics, limits.metrics)?;
        if params + tags + metrics == 0 {
            return Err(self.too_large(limits));
        }
        Ok(Some(Batch {
            body: body.finish(),
            metrics,
            params,
            tags,
        }))
    }

    /// Has the entities of the batch that was made last go into the next one.
    pub fn put_back(&mut self, batch: &Batch) {
        self.params.put_back(batch.params);
        self.tags.put_back(batch.tags);
        self.metrics.put_back(batch.metrics);
    }

    /// How many entities are in no batch yet.
    fn len(&self) -> usize {
        self.params.len() + self.tags.len() + self.metrics.len()
    }

    /// What does not fit into an empty batch fits nowhere.
    fn too_large(&self, limits: &BatchLimits) -> Error {
        let (params, tags, metrics) = (self.params.peek(), self.tags.peek(), self.metrics.peek());
        let (what, key) = params
            .map(|param| ("param", &param.key))
            .or(tags.map(|tag| ("tag", &tag.key)))
            .or(metrics.map(|metric| ("metric", &metric.key)))
            .unzip();
        let message = format!(
            "{} {} alone exceeds a request's limits: {limits:?}",
            what.unwrap_or_default(),
            quoted(key.map_or("", String::as_str))
        );
        Error::new(ErrorKind::Invalid, OPERATION, message)
    }
}

/// The entities of a kind, in their order, and how many of them are in a batch.
struct Queue<'a, T> {
    entities: Vec<&'a T>,
    taken: usize,
}

impl<'a, T> Queue<'a, T> {
    fn new(entities: Vec<&'a T>) -> Self {
        Self { entities, taken: 0 }
    }

    fn peek(&self) -> Option<&'a T> {
        self.entities.get(self.taken).copied()
    }

    fn len(&self) -> usize {
        self.entities.len() - self.taken
    }

    fn put_back(&mut self, count: usize) {
        self.taken = self.taken.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests;
