//! Batches are taken for what a server reads in them.

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

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

/// What a server reads in a batch's body.
#[derive(Debug, Default, Deserialize, PartialEq)]
struct Sent {
    run_id: String,
    params: Vec<Param>,
    tags: Vec<Tag>,
    metrics: Vec<Metric>,
}

impl Sent {
    #[track_caller]
    fn new(batch: &Batch) -> Self {
        let sent: Self = serde_json::from_slice(&batch.body).unwrap();
        let counts = [sent.params.len(), sent.tags.len(), sent.metrics.len()];
        assert_eq!(counts, [batch.params, batch.tags, batch.metrics]);
        assert_eq!(sent.run_id, RUN);
        sent
    }

    fn all(batches: &[Batch]) -> Self {
        let mut all = Self::default();
        for sent in batches.iter().map(Self::new) {
            all.params.extend(sent.params);
            all.tags.extend(sent.tags);
            all.metrics.extend(sent.metrics);
        }
        all
    }
}

fn batches(
    params: &[Param],
    tags: &[Tag],
    metrics: &[Metric],
    limits: &BatchLimits,
) -> Result<Vec<Batch>> {
    let mut rest = Batches::new(RUN, params, tags, metrics)?;
    std::iter::from_fn(|| rest.next_batch(limits).transpose()).collect()
}

fn cut(params: &[Param], tags: &[Tag], metrics: &[Metric], limits: &BatchLimits) -> Vec<Batch> {
    batches(params, tags, metrics, limits).unwrap()
}

#[test]
fn a_batch_is_filled_with_everything_there_is() {
    let limits = BatchLimits::default();
    let batches = cut(&params(150), &tags(120), &points(1500), &limits);
    let counts: Vec<_> = batches
        .iter()
        .map(|batch| (batch.params, batch.tags, batch.metrics))
        .collect();
    assert_eq!(counts, [(100, 100, 800), (50, 20, 700)]);
}

#[test]
fn nothing_makes_no_batch() {
    assert_eq!(cut(&[], &[], &[], &BatchLimits::default()), []);
}

#[test]
fn what_is_there_twice_is_sent_once() {
    let batches = cut(
        &[param("a", "1"), param("b", "2"), param("a", "1")],
        &[tag("x", "old"), tag("y", "1"), tag("x", "new")],
        &[
            metric("m", f64::NAN, 1),
            metric("n", 0.5, 1),
            metric("m", 0.0, 1),
            metric("m", f64::NAN, 1),
            metric("n", 0.5, 2),
            metric("m", 0.0, 0),
        ],
        &BatchLimits::default(),
    );
    let expected = Sent {
        run_id: String::new(),
        params: vec![param("a", "1"), param("b", "2")],
        tags: vec![tag("x", "new"), tag("y", "1")],
        metrics: vec![
            metric("m", f64::NAN, 1),
            metric("n", 0.5, 1),
            metric("m", 0.0, 1),
            metric("n", 0.5, 2),
            metric("m", 0.0, 0),
        ],
    };
    assert_eq!(Sent::all(&batches), expected);
}

#[test]
fn what_no_server_takes_is_refused_before_anything_is_cut() {
    let long = "x".repeat(8001);
    for (params, tags, metrics, culprit) in [
        (
            vec![param("lr", "0.1"), param("lr", "0.2")],
            vec![],
            vec![],
            "\"lr\"",
        ),
        (vec![param("p", &long)], vec![], vec![], "\"p\""),
        (vec![], vec![tag("t", &long)], vec![], "\"t\""),
        (vec![], vec![], vec![metric("", 0.5, 1)], "empty key"),
    ] {
        let refusal = Batches::new(RUN, &params, &tags, &metrics);
        let error = refusal.map(|_| ()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(culprit), "{error}");
    }
    assert!(Batches::new("../x", &[], &[], &[]).is_err());
}

#[test]
fn a_param_with_two_values_is_told_with_both() {
    let params = [param("lr", "0.1"), param("lr", "0.2")];
    let error = batches(&params, &[], &[], &BatchLimits::default()).unwrap_err();
    for part in ["\"lr\"", "\"0.1\"", "\"0.2\""] {
        assert!(error.message.contains(part), "{part} in {error}");
    }
}

#[test]
fn the_last_byte_is_used_and_no_more() {
    let tags = [tag("a", "\"\\\n\u{1}ü"), tag("b", "x")];
    let whole = cut(&[], &tags, &[], &BatchLimits::default());
    let exact = BatchLimits {
        bytes: whole[0].body.len(),
        ..BatchLimits::default()
    };
    assert_eq!(cut(&[], &tags, &[], &exact), whole);
    let less = BatchLimits {
        bytes: exact.bytes - 1,
        ..exact
    };
    assert_eq!(cut(&[], &tags, &[], &less).len(), 2);
}

#[test]
fn what_fits_nowhere_is_refused() {
    let limits = BatchLimits {
        bytes: 200,
        ..BatchLimits::default()
    };
    let tags = [tag("big", &"x".repeat(200))];
    let error = batches(&params(3), &tags, &points(3), &limits).unwrap_err();
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

/// Params or tags: keys that are their index, so that none is there twice, and values that need
/// escaping.
fn entries<T: std::fmt::Debug>(entry: fn(&str, &str) -> T) -> impl Strategy<Value = Vec<T>> {
    vec("[a\"\\\\\n\u{1}ü😀]{0,12}", 0..60).prop_map(move |values| {
        let keyed = values.iter().enumerate();
        keyed
            .map(|(index, value)| entry(&index.to_string(), value))
            .collect()
    })
}

/// Any values, and now and then a point that comes late.
fn series() -> impl Strategy<Value = Vec<Metric>> {
    vec((any::<f64>(), prop::bool::weighted(0.1)), 0..120).prop_map(|points| {
        let points = points.iter().zip(0..);
        points
            .map(|((value, is_late), step)| {
                let step = if *is_late { -step } else { step };
                metric("m\n", *value, step)
            })
            .collect()
    })
}

fn expect_within(limits: &BatchLimits, batch: &Batch) {
    let count = batch.metrics + batch.params + batch.tags;
    assert!(count > 0 && count <= limits.entities);
    assert!(batch.params <= limits.params);
    assert!(batch.tags <= limits.tags);
    assert!(batch.metrics <= limits.metrics);
    assert!(batch.body.len() <= limits.bytes);
}

proptest! {
    #[test]
    fn no_limit_is_exceeded_and_nothing_is_lost_or_moved(
        limits in limits(),
        params in entries(param),
        tags in entries(tag),
        metrics in series(),
    ) {
        let batches = cut(&params, &tags, &metrics, &limits);
        batches.iter().for_each(|batch| expect_within(&limits, batch));
        let sent = Sent::all(&batches);
        prop_assert_eq!(sent, Sent { run_id: String::new(), params, tags, metrics });
    }

    /// As by a client that learns what its server takes.
    #[test]
    fn what_was_refused_for_its_size_goes_in_smaller_parts(
        sizes in vec((limits(), any::<bool>()), 1..200),
        params in entries(param),
        tags in entries(tag),
        metrics in series(),
    ) {
        let mut rest = Batches::new(RUN, &params, &tags, &metrics).unwrap();
        let mut taken = Vec::new();
        for (limits, is_refused) in &sizes {
            match rest.next_batch(limits).unwrap() {
                Some(batch) if *is_refused => rest.put_back(&batch),
                Some(batch) => {
                    expect_within(limits, &batch);
                    taken.push(batch);
                }
                None => break,
            }
        }
        while let Some(batch) = rest.next_batch(&BatchLimits::default()).unwrap() {
            taken.push(batch);
        }
        let sent = Sent::all(&taken);
        prop_assert_eq!(sent, Sent { run_id: String::new(), params, tags, metrics });
    }

    #[test]
    fn of_points_that_are_there_twice_the_first_is_sent(
        points in vec((0..3usize, 0..4i64, 0..3i64, 0..2i64), 0..60),
    ) {
        let points: Vec<Metric> = points.into_iter().map(|(key, value, step, timestamp)| Metric {
            timestamp,
            ..metric(["a", "b", "c"][key], value as f64, step)
        }).collect();
        let sent = Sent::all(&cut(&[], &[], &points, &BatchLimits::default()));
        prop_assert_eq!(sent.metrics, Metric::distinct(points));
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
        let batches = cut(&params(counts.0), &tags(counts.1), &points(counts.2), &limits);
        let total = counts.0 + counts.1 + counts.2 as usize;
        let least = [
            counts.0.div_ceil(limits.params),
            counts.1.div_ceil(limits.tags),
            total.div_ceil(per_batch),
        ];
        prop_assert_eq!(Some(batches.len()), least.into_iter().max());
    }
}
