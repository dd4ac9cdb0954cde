//! Entities → the fewest log-batch requests that a server takes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::iter::Peekable;
use std::vec::IntoIter;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Metric, Param, Tag};
use crate::validate::{self, quoted};

const OPERATION: &str = "runs/log-batch";

/// What one `runs/log-batch` carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Batch {
    pub metrics: Vec<Metric>,
    pub params: Vec<Param>,
    pub tags: Vec<Tag>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.metrics.len() + self.params.len() + self.tags.len()
    }

    /// Whether MLflow takes every one of the entities.
    pub(crate) fn check(&self) -> Result<()> {
        let params = self.params.iter();
        let tags = self.tags.iter();
        let metrics = self.metrics.iter();
        params
            .map(|param| validate::param(OPERATION, param))
            .chain(tags.map(|tag| validate::tag(OPERATION, tag)))
            .chain(metrics.map(|metric| validate::metric(OPERATION, metric)))
            .collect()
    }

    /// The request as it is sent.
    pub(crate) fn body<'a>(&'a self, run_id: &'a str) -> impl Serialize {
        #[derive(Serialize)]
        struct Body<'a> {
            run_id: &'a str,
            #[serde(flatten)]
            batch: &'a Batch,
        }

        Body {
            run_id,
            batch: self,
        }
    }
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

/// Cuts the entities into batches, each filled up with params, then tags, then metrics, each kind
/// in its order. What is there twice is sent once; of a tag's values the last one counts; a param
/// with two values is refused, as the server would refuse it.
pub fn batches(
    run_id: &str,
    params: Vec<Param>,
    tags: Vec<Tag>,
    metrics: Vec<Metric>,
    limits: &BatchLimits,
) -> Result<Vec<Batch>> {
    let mut params = distinct_params(params)?.into_iter().peekable();
    let mut tags = last_tags(tags).into_iter().peekable();
    let mut metrics = Metric::distinct(metrics).into_iter().peekable();
    let frame = size(&Batch::default().body(run_id))?;
    let mut batches = Vec::new();
    loop {
        let mut room = Room {
            entities: limits.entities,
            bytes: limits.bytes.saturating_sub(frame),
        };
        let batch = Batch {
            params: room.fill(&mut params, limits.params)?,
            tags: room.fill(&mut tags, limits.tags)?,
            metrics: room.fill(&mut metrics, limits.metrics)?,
        };
        if !batch.is_empty() {
            batches.push(batch);
            continue;
        }
        // What does not fit into an empty batch fits nowhere.
        return match (params.peek(), tags.peek(), metrics.peek()) {
            (None, None, None) => Ok(batches),
            (Some(param), ..) => Err(too_large("param", &param.key, limits)),
            (_, Some(tag), _) => Err(too_large("tag", &tag.key, limits)),
            (.., Some(metric)) => Err(too_large("metric", &metric.key, limits)),
        };
    }
}

/// What is left of a batch under construction.
struct Room {
    entities: usize,
    bytes: usize,
}

impl Room {
    /// As many of the next entities as fit.
    fn fill<T: Serialize>(
        &mut self,
        source: &mut Peekable<IntoIter<T>>,
        limit: usize,
    ) -> Result<Vec<T>> {
        let mut taken = Vec::new();
        while taken.len() < limit && self.entities > 0 {
            let Some(entity) = source.peek() else { break };
            let comma = usize::from(!taken.is_empty());
            let Some(left) = self.bytes.checked_sub(size(entity)? + comma) else {
                break;
            };
            self.bytes = left;
            self.entities -= 1;
            taken.extend(source.next());
        }
        Ok(taken)
    }
}

fn distinct_params(params: Vec<Param>) -> Result<Vec<Param>> {
    let mut index: HashMap<String, usize> = HashMap::with_capacity(params.len());
    let mut distinct: Vec<Param> = Vec::with_capacity(params.len());
    for param in params {
        match index.entry(param.key.clone()) {
            Entry::Vacant(place) => {
                place.insert(distinct.len());
                distinct.push(param);
            }
            Entry::Occupied(place) => {
                let earlier = &distinct[*place.get()];
                if earlier.value != param.value {
                    return Err(two_values(earlier, &param));
                }
            }
        }
    }
    Ok(distinct)
}

fn last_tags(tags: Vec<Tag>) -> Vec<Tag> {
    let mut index: HashMap<String, usize> = HashMap::with_capacity(tags.len());
    let mut distinct: Vec<Tag> = Vec::with_capacity(tags.len());
    for tag in tags {
        match index.entry(tag.key.clone()) {
            Entry::Vacant(place) => {
                place.insert(distinct.len());
                distinct.push(tag);
            }
            Entry::Occupied(place) => distinct[*place.get()] = tag,
        }
    }
    distinct
}

/// The exact length of the JSON, without writing it anywhere.
fn size(value: &impl Serialize) -> Result<usize> {
    struct Counter(usize);

    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).map_err(|cause| {
        let message = format!("an entity cannot be written as JSON: {cause}");
        Error::new(ErrorKind::Bug, OPERATION, message)
    })?;
    Ok(counter.0)
}

fn two_values(one: &Param, two: &Param) -> Error {
    let message = format!(
        "param {} has two values, {} and {}; MLflow's params never change",
        quoted(&one.key),
        quoted(&one.value),
        quoted(&two.value)
    );
    Error::new(ErrorKind::Invalid, OPERATION, message)
}

fn too_large(what: &str, key: &str, limits: &BatchLimits) -> Error {
    let message = format!(
        "{what} {} alone exceeds a request's limits: {limits:?}",
        quoted(key)
    );
    Error::new(ErrorKind::Invalid, OPERATION, message)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::model::MetricValue;

    const RUN: &str = "0123456789abcdef0123456789abcdef";

    fn param(key: &str, value: &str) -> Param {
        Param {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    fn tag(key: &str, value: &str) -> Tag {
        Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    fn metric(key: &str, value: f64, step: i64) -> Metric {
        Metric {
            key: key.to_owned(),
            value: MetricValue(value),
            timestamp: 1,
            step,
        }
    }

    fn points(count: i64) -> Vec<Metric> {
        (0..count).map(|step| metric("loss", 0.5, step)).collect()
    }

    fn params(count: usize) -> Vec<Param> {
        (0..count)
            .map(|index| param(&format!("p{index}"), "v"))
            .collect()
    }

    fn tags(count: usize) -> Vec<Tag> {
        (0..count)
            .map(|index| tag(&format!("t{index}"), "v"))
            .collect()
    }

    fn wire_size(batch: &Batch) -> usize {
        serde_json::to_vec(&batch.body(RUN)).unwrap().len()
    }

    fn cut(
        params: Vec<Param>,
        tags: Vec<Tag>,
        metrics: Vec<Metric>,
        limits: &BatchLimits,
    ) -> Vec<Batch> {
        batches(RUN, params, tags, metrics, limits).unwrap()
    }

    #[test]
    fn a_batch_is_filled_with_everything_there_is() {
        let batches = cut(
            params(150),
            tags(120),
            points(1500),
            &BatchLimits::default(),
        );
        let counts: Vec<_> = batches
            .iter()
            .map(|batch| (batch.params.len(), batch.tags.len(), batch.metrics.len()))
            .collect();
        assert_eq!(counts, [(100, 100, 800), (50, 20, 700)]);
    }

    #[test]
    fn nothing_makes_no_batch() {
        assert_eq!(cut(vec![], vec![], vec![], &BatchLimits::default()), []);
    }

    #[test]
    fn what_is_there_twice_is_sent_once() {
        let batches = cut(
            vec![param("a", "1"), param("b", "2"), param("a", "1")],
            vec![tag("x", "old"), tag("y", "1"), tag("x", "new")],
            vec![
                metric("m", f64::NAN, 1),
                metric("m", 0.0, 1),
                metric("m", f64::NAN, 1),
            ],
            &BatchLimits::default(),
        );
        let expected = Batch {
            params: vec![param("a", "1"), param("b", "2")],
            tags: vec![tag("x", "new"), tag("y", "1")],
            metrics: vec![metric("m", f64::NAN, 1), metric("m", 0.0, 1)],
        };
        assert_eq!(batches, [expected]);
    }

    #[test]
    fn a_param_with_two_values_is_refused() {
        let params = vec![param("lr", "0.1"), param("lr", "0.2")];
        let error = batches(RUN, params, vec![], vec![], &BatchLimits::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        for part in ["\"lr\"", "\"0.1\"", "\"0.2\""] {
            assert!(error.message.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn the_last_byte_is_used_and_no_more() {
        let tags = vec![tag("a", "\"\\\n\u{1}ü"), tag("b", "x")];
        let whole = Batch {
            tags: tags.clone(),
            ..Batch::default()
        };
        let exact = BatchLimits {
            bytes: wire_size(&whole),
            ..BatchLimits::default()
        };
        assert_eq!(cut(vec![], tags.clone(), vec![], &exact), [whole]);
        let less = BatchLimits {
            bytes: exact.bytes - 1,
            ..exact
        };
        assert_eq!(cut(vec![], tags, vec![], &less).len(), 2);
    }

    #[test]
    fn what_fits_nowhere_is_refused() {
        let limits = BatchLimits {
            bytes: 200,
            ..BatchLimits::default()
        };
        let large = "x".repeat(200);
        let error =
            batches(RUN, params(3), vec![tag("big", &large)], points(3), &limits).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("tag \"big\""), "{error}");
    }

    fn limits() -> impl Strategy<Value = BatchLimits> {
        (
            1..40usize,
            1..40usize,
            1..10usize,
            1..10usize,
            260..2000usize,
        )
            .prop_map(|(entities, metrics, params, tags, bytes)| BatchLimits {
                entities,
                metrics,
                params,
                tags,
                bytes,
            })
    }

    /// Keys that are their index, so that none is there twice, and values that need escaping.
    fn values() -> impl Strategy<Value = Vec<String>> {
        vec("[a\"\\\\\n\u{1}ü😀]{0,12}", 0..60)
    }

    proptest! {
        #[test]
        fn no_limit_is_exceeded_and_nothing_is_lost_or_moved(
            limits in limits(),
            param_values in values(),
            tag_values in values(),
            metric_values in vec(any::<f64>(), 0..120),
        ) {
            let keyed = |(index, value): (usize, &String)| (index.to_string(), value.clone());
            let params: Vec<Param> = param_values.iter().enumerate().map(keyed)
                .map(|(key, value)| Param { key, value }).collect();
            let tags: Vec<Tag> = tag_values.iter().enumerate().map(keyed)
                .map(|(key, value)| Tag { key, value }).collect();
            let metrics: Vec<Metric> = metric_values.iter().zip(0..)
                .map(|(value, step)| metric("m\n", *value, step)).collect();

            let batches = cut(params.clone(), tags.clone(), metrics.clone(), &limits);
            for batch in &batches {
                prop_assert!(!batch.is_empty());
                prop_assert!(batch.len() <= limits.entities);
                prop_assert!(batch.params.len() <= limits.params);
                prop_assert!(batch.tags.len() <= limits.tags);
                prop_assert!(batch.metrics.len() <= limits.metrics);
                prop_assert!(wire_size(batch) <= limits.bytes);
            }
            let sent = |batches: &[Batch]| (
                batches.iter().flat_map(|batch| batch.params.clone()).collect::<Vec<_>>(),
                batches.iter().flat_map(|batch| batch.tags.clone()).collect::<Vec<_>>(),
                batches.iter().flat_map(|batch| batch.metrics.clone()).collect::<Vec<_>>(),
            );
            prop_assert_eq!(sent(&batches), (params, tags, metrics));
        }

        /// Where, as with MLflow, a batch of metrics alone may be as large as any.
        #[test]
        fn there_are_as_few_batches_as_can_be(
            per_batch in 2..30usize,
            kinds in (1..15usize, 1..15usize),
            counts in (0..60usize, 0..60usize, 0..100i64),
        ) {
            let limits = BatchLimits {
                entities: per_batch,
                metrics: per_batch,
                params: kinds.0.min(per_batch / 2).max(1),
                tags: kinds.1.min(per_batch / 2).max(1),
                bytes: usize::MAX,
            };
            let batches = cut(params(counts.0), tags(counts.1), points(counts.2), &limits);
            let total = counts.0 + counts.1 + counts.2 as usize;
            let least = [
                counts.0.div_ceil(limits.params),
                counts.1.div_ceil(limits.tags),
                total.div_ceil(per_batch),
            ];
            prop_assert_eq!(Some(batches.len()), least.into_iter().max());
        }
    }
}
