//! What is logged on its way down, taken from the BEAM's terms without a copy, and what was refused
//! on its way up.

use mlflow_core::model::limits;
use mlflow_outbox::{Appended, Entry, EntryRef, OutboxError, Rejected};
use rustler::{Atom, Encoder, Env, NifMap, NifUnitEnum, Term};

use crate::terms::{ErrorTerm, MetricValueTerm, StatusTerm};

mod atoms {
    rustler::atoms! { ok, full, metric, param, tag, status }
}

#[derive(Clone, Copy, NifUnitEnum)]
pub enum PairKind {
    Param,
    Tag,
}

/// `{key, value, step, timestamp}`. MLflow's limits are told at once, to the one who can do
/// something about it.
pub fn point(term: Term<'_>) -> Result<EntryRef<'_>, OutboxError> {
    let (key, value, step, timestamp): (Term, MetricValueTerm, Term, Term) =
        term.decode().map_err(|_| {
            OutboxError::invalid("a point is {key, value, step, timestamp} with a number as value")
        })?;
    let key = key_of("metric", key)?;
    Ok(EntryRef::Metric {
        key,
        value: value.0,
        step: integer(key, "step", step)?,
        timestamp: integer(key, "timestamp", timestamp)?,
    })
}

/// `{key, text}`.
pub fn pair(kind: PairKind, term: Term<'_>) -> Result<EntryRef<'_>, OutboxError> {
    let (name, longest) = match kind {
        PairKind::Param => ("param", limits::PARAM_VALUE),
        PairKind::Tag => ("tag", limits::TAG_VALUE),
    };
    let (key, value): (Term, Term) = term
        .decode()
        .map_err(|_| OutboxError::invalid(format!("a {name} is {{key, text}}")))?;
    let key = key_of(name, key)?;
    let value = text(name, value)?;
    at_most(longest, value, || format!("the value of {name} {key:?}"))?;
    Ok(match kind {
        PairKind::Param => EntryRef::Param { key, value },
        PairKind::Tag => EntryRef::Tag { key, value },
    })
}

fn key_of<'a>(name: &str, term: Term<'a>) -> Result<&'a str, OutboxError> {
    let key = text(name, term)?;
    if key.is_empty() {
        return Err(OutboxError::invalid(format!("a {name} has an empty key")));
    }
    at_most(limits::KEY, key, || format!("the key of a {name}"))?;
    Ok(key)
}

fn text<'a>(name: &str, term: Term<'a>) -> Result<&'a str, OutboxError> {
    term.decode()
        .map_err(|_| OutboxError::invalid(format!("a {name} holds text that is not UTF-8")))
}

fn integer(key: &str, name: &str, term: Term) -> Result<i64, OutboxError> {
    term.decode().map_err(|_| {
        let message = format!("the {name} of metric {key:?} must be an integer of 64 bits");
        OutboxError::invalid(message)
    })
}

fn at_most(limit: usize, text: &str, what: impl FnOnce() -> String) -> Result<(), OutboxError> {
    // No text has more characters than bytes, and counting characters takes longer.
    if text.len() <= limit || text.chars().count() <= limit {
        return Ok(());
    }
    let message = format!(
        "{} has {} characters; MLflow takes at most {limit}",
        what(),
        text.chars().count()
    );
    Err(OutboxError::invalid(message))
}

/// `:ok`, `:full` when a full request's worth is waiting, or `{:error, %MLflow.Error{}}`.
pub struct AppendedTerm(pub Result<Appended, OutboxError>);

impl Encoder for AppendedTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match &self.0 {
            Ok(Appended { full: false }) => atoms::ok().encode(env),
            Ok(Appended { full: true }) => atoms::full().encode(env),
            Err(error) => env.error_tuple(ErrorTerm::from(error.clone())),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
pub struct RejectedTerm {
    kind: String,
    message: String,
    rejected_at: i64,
    entry: EntryTerm,
}

impl From<Rejected> for RejectedTerm {
    fn from(rejected: Rejected) -> Self {
        Self {
            kind: rejected.kind,
            message: rejected.message,
            rejected_at: rejected.at,
            entry: EntryTerm(rejected.entry),
        }
    }
}

/// `{:metric, key, value, step, timestamp}`, `{:param, key, value}`, `{:tag, key, value}` or
/// `{:status, status, end_time}`.
struct EntryTerm(Entry);

impl Encoder for EntryTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let kind: Atom = match &self.0 {
            Entry::Metric(_) => atoms::metric(),
            Entry::Param(_) => atoms::param(),
            Entry::Tag(_) => atoms::tag(),
            Entry::Status { .. } => atoms::status(),
        };
        match &self.0 {
            Entry::Metric(metric) => {
                let value = MetricValueTerm(metric.value.0);
                (kind, &metric.key, value, metric.step, metric.timestamp).encode(env)
            }
            Entry::Param(param) => (kind, &param.key, &param.value).encode(env),
            Entry::Tag(tag) => (kind, &tag.key, &tag.value).encode(env),
            Entry::Status { status, end_time } => {
                (kind, StatusTerm(status.clone()), end_time).encode(env)
            }
        }
    }
}
