//! Metric values and points.

use mlflow_core::model::{Metric, MetricValue};
use rustler::{Decoder, Encoder, Env, Error, NifResult, NifStruct, Term};

use super::atoms;

/// The BEAM has no NaN and no infinity: `:nan`, `:infinity` and `:neg_infinity` stand for them.
#[derive(Clone, Copy)]
pub struct MetricValueTerm(pub f64);

impl Encoder for MetricValueTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self.0 {
            value if value.is_nan() => atoms::nan().encode(env),
            f64::INFINITY => atoms::infinity().encode(env),
            f64::NEG_INFINITY => atoms::neg_infinity().encode(env),
            value => value.encode(env),
        }
    }
}

impl<'a> Decoder<'a> for MetricValueTerm {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        if let Ok(value) = term.decode::<f64>() {
            return Ok(Self(value));
        }
        if let Ok(value) = term.decode::<i64>() {
            return Ok(Self(value as f64));
        }
        match term.decode::<rustler::Atom>()? {
            atom if atom == atoms::nan() => Ok(Self(f64::NAN)),
            atom if atom == atoms::infinity() => Ok(Self(f64::INFINITY)),
            atom if atom == atoms::neg_infinity() => Ok(Self(f64::NEG_INFINITY)),
            _ => Err(Error::BadArg),
        }
    }
}

/// `{key, value, step, timestamp}`: the form in which points go down, with no map to take apart.
pub type PointTerm = (String, MetricValueTerm, i64, i64);

pub fn from_point((key, value, step, timestamp): PointTerm) -> Metric {
    Metric {
        key,
        value: MetricValue(value.0),
        step,
        timestamp,
    }
}

pub fn points(metrics: Vec<Metric>) -> Vec<PointTerm> {
    metrics.into_iter().map(to_point).collect()
}

fn to_point(metric: Metric) -> PointTerm {
    (
        metric.key,
        MetricValueTerm(metric.value.0),
        metric.step,
        metric.timestamp,
    )
}

/// A point as a struct: how it comes up, and how a run's latest points go down again.
#[derive(NifStruct)]
#[module = "MLflow.Metric"]
pub struct MetricTerm {
    key: String,
    value: MetricValueTerm,
    step: i64,
    timestamp: i64,
}

impl From<Metric> for MetricTerm {
    fn from(metric: Metric) -> Self {
        Self {
            key: metric.key,
            value: MetricValueTerm(metric.value.0),
            step: metric.step,
            timestamp: metric.timestamp,
        }
    }
}

impl From<MetricTerm> for Metric {
    fn from(term: MetricTerm) -> Self {
        from_point((term.key, term.value, term.step, term.timestamp))
    }
}
