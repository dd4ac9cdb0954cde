//! Points as they are reported and as they are kept.

use mlflow_store::{Point, RecordedPoint};

use crate::terms::{MetricValueTerm, PointTerm};

/// `{key, value, step or nil, timestamp or nil}`: a point as it is reported.
pub type ReportedPoint = (String, MetricValueTerm, Option<i64>, Option<i64>);

pub fn reported(points: Vec<ReportedPoint>) -> Vec<Point> {
    let point = |(key, value, step, timestamp): ReportedPoint| Point {
        key,
        value: value.0,
        step,
        timestamp,
    };
    points.into_iter().map(point).collect()
}

pub fn recorded((key, value, step, timestamp): PointTerm) -> RecordedPoint {
    RecordedPoint {
        key,
        value: value.0,
        step,
        timestamp,
    }
}

pub fn terms(points: Vec<RecordedPoint>) -> Vec<PointTerm> {
    let term = |p: RecordedPoint| (p.key, MetricValueTerm(p.value), p.step, p.timestamp);
    points.into_iter().map(term).collect()
}
