//! `runs/log-batch`, which carries most of what is ever logged: its body is read without a copy of
//! every word, and once more, slowly, where that tells what is wrong with it.

mod body;

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::batch::{self, Batch};
use mlflow_store::tracking::entities::{KeyValue, Metric};
use mlflow_store::tracking::metrics::{Gathered, ModelMetric, Point};
use mlflow_store::tracking::validate::{self, Place};

use self::body::{Body, MetricBody, PairBody};
use super::logging::log;
use crate::answer::Answered;
use crate::app::App;
use crate::call::Call;

pub async fn log_batch(app: App, call: Call) -> Answered {
    call.check_content_type()?;
    let batch = match Body::quickly(&call.body) {
        Some(body) => checked(body)?,
        None => {
            let message = call.message(&body::SCHEMA)?;
            checked(Body::of_message(&message))?
        }
    };
    log(app, batch.run_id.clone(), move |conn, _| {
        batch::log(conn, &batch)
    })
    .await
}

/// In the order of MLflow's own checks.
fn checked(body: Body) -> Result<Batch, Refusal> {
    for metric in &body.metrics {
        let (name, digest) = metric.dataset();
        validate::dataset_of_metric(name, digest)?;
    }
    validate::run_id(&body.run_id)?;
    let mut points = Gathered::with_capacity(body.metrics.len());
    for (index, metric) in body.metrics.iter().enumerate() {
        let MetricBody {
            key,
            value,
            timestamp,
            step,
            ..
        } = metric;
        let is_new = points.add(key, Point::new(*value, *timestamp, *step));
        let place = Place::In("metrics", index);
        validate::metric(place, key, *value, *timestamp, !is_new)?;
    }
    let mut params = pairs(&body.params);
    for (index, param) in params.iter_mut().enumerate() {
        validate::param(Place::In("params", index), param)?;
    }
    let mut tags = pairs(&body.tags);
    for (index, tag) in tags.iter_mut().enumerate() {
        validate::tag(Place::In("tags", index), tag)?;
    }
    validate::batch_size(body.metrics.len(), params.len(), tags.len())?;
    validate::unique_params(&params)?;
    Ok(Batch {
        run_id: body.run_id.to_string(),
        points: points.into_points(),
        params,
        tags,
        model_metrics: body.metrics.iter().filter_map(of_model).collect(),
    })
}

fn pairs(bodies: &[PairBody]) -> Vec<KeyValue> {
    let pair = |body: &PairBody| KeyValue {
        key: body.key.to_string(),
        value: body.value.to_string(),
    };
    bodies.iter().map(pair).collect()
}

fn of_model(body: &MetricBody) -> Option<ModelMetric> {
    let model_id = body.model_id.as_deref().filter(|id| !id.is_empty())?;
    let (dataset_name, dataset_digest) = body.dataset();
    Some(ModelMetric {
        metric: Metric {
            key: body.key.to_string(),
            value: body.value,
            timestamp: body.timestamp,
            step: body.step,
        },
        model_id: model_id.to_owned(),
        dataset_name: dataset_name.map(str::to_owned),
        dataset_digest: dataset_digest.map(str::to_owned),
    })
}
