//! The calls that speak to the server, one variant each.

use std::time::{SystemTime, UNIX_EPOCH};

use mlflow_core::client::Client;
use mlflow_core::model::{Page, Param, Tag};
use mlflow_core::sync;
use rustler::{Encoder, NifTaggedEnum, ResourceArc};

use crate::outbox::{DeliveredTerm, OpenLog};
use crate::reply::{Answer, answer, done};
use crate::survey::survey;
use crate::terms::{
    BatchTerm, CreateRunTerm, ExperimentTerm, MetricTerm, OrderTerm, PointTerm, PreviewTerm,
    ReportTerm, RunTerm, RunUpdateTerm, SearchTerm, from_point, points, tags,
};

#[derive(NifTaggedEnum)]
#[rustler(decode)]
pub enum Request {
    CreateExperiment(String, Option<String>, Vec<(String, String)>),
    GetExperiment(String),
    GetExperimentByName(String),
    SearchExperiments(SearchTerm),
    UpdateExperiment(String, String),
    DeleteExperiment(String),
    RestoreExperiment(String),
    SetExperimentTag(String, String, String),
    CreateRun(CreateRunTerm),
    GetRun(String),
    UpdateRun(String, RunUpdateTerm),
    DeleteRun(String),
    RestoreRun(String),
    SearchRuns(Vec<String>, SearchTerm),
    SurveyRuns(Vec<String>, SearchTerm, String),
    LogMetric(String, PointTerm),
    LogParam(String, String, String),
    LogBatch(String, BatchTerm),
    SetTag(String, String, String),
    DeleteTag(String, String),
    GetMetricHistory(String, String),
    Health,
    Version,
    ServerClock,
    History(String, Vec<String>),
    Sync(Box<OrderTerm>),
    Plan(Box<OrderTerm>),
    Deliver(ResourceArc<OpenLog>, String),
}

impl Request {
    pub async fn perform(self, client: &Client) -> Answer {
        match self {
            Self::CreateExperiment(name, location, pairs) => answer(
                client
                    .create_experiment(&name, location.as_deref(), &tags(pairs))
                    .await,
            ),
            Self::GetExperiment(id) => {
                answer(client.get_experiment(&id).await.map(ExperimentTerm::from))
            }
            Self::GetExperimentByName(name) => answer(
                client
                    .get_experiment_by_name(&name)
                    .await
                    .map(ExperimentTerm::from),
            ),
            Self::SearchExperiments(search) => {
                let found = client.search_experiments(&search.experiments()).await;
                answer(found.map(page::<_, ExperimentTerm>))
            }
            Self::UpdateExperiment(id, name) => done(client.update_experiment(&id, &name).await),
            Self::DeleteExperiment(id) => done(client.delete_experiment(&id).await),
            Self::RestoreExperiment(id) => done(client.restore_experiment(&id).await),
            Self::SetExperimentTag(id, key, value) => {
                done(client.set_experiment_tag(&id, &key, &value).await)
            }
            Self::CreateRun(run) => answer(client.create_run(&run.into()).await.map(RunTerm::from)),
            Self::GetRun(id) => answer(client.get_run(&id).await.map(RunTerm::from)),
            Self::UpdateRun(id, update) => done(client.update_run(&id, &update.into()).await),
            Self::DeleteRun(id) => done(client.delete_run(&id).await),
            Self::RestoreRun(id) => done(client.restore_run(&id).await),
            Self::SearchRuns(experiments, search) => {
                let found = client.search_runs(&search.runs(experiments)).await;
                answer(found.map(page::<_, RunTerm>))
            }
            Self::SurveyRuns(experiments, search, tag) => {
                let found = client.search_runs(&search.runs(experiments)).await;
                answer(found.map(|page| survey(page, &tag)))
            }
            Self::LogMetric(id, point) => done(client.log_metric(&id, &from_point(point)).await),
            Self::LogParam(id, key, value) => {
                done(client.log_param(&id, &Param { key, value }).await)
            }
            Self::LogBatch(id, entities) => done(log_all(client, &id, entities).await),
            Self::SetTag(id, key, value) => done(client.set_tag(&id, &Tag { key, value }).await),
            Self::DeleteTag(id, key) => done(client.delete_tag(&id, &key).await),
            Self::GetMetricHistory(id, key) => {
                let history = client.get_metric_history(&id, &key).await;
                answer(history.map(terms::<_, MetricTerm>))
            }
            Self::Health => done(client.health().await),
            Self::Version => answer(client.version().await),
            Self::ServerClock => answer(client.server_clock().await.map(|time| time.map(unix_ms))),
            Self::History(id, keys) => {
                let history = client.get_metric_histories(&id, keys).await;
                answer(history.map(points))
            }
            Self::Plan(order) => {
                let preview = sync::preview(client, (*order).into()).await;
                answer(preview.map(PreviewTerm::from))
            }
            Self::Sync(order) => {
                let report = sync::carry_out(client, (*order).into()).await;
                answer::<_, mlflow_core::Error>(Ok(ReportTerm::from(report)))
            }
            Self::Deliver(log, run_id) => {
                let delivered = mlflow_outbox::deliver(client, log.handle(), &run_id).await;
                answer(delivered.map(DeliveredTerm::from))
            }
        }
    }
}

async fn log_all(client: &Client, run_id: &str, entities: BatchTerm) -> mlflow_core::Result<()> {
    let (params, tags, metrics) = entities.into_parts();
    client.log_entities(run_id, &params, &tags, &metrics).await
}

/// A clock before 1970 is as wrong as one that says 1970.
fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as u64
}

fn page<T, Mirror: From<T> + Encoder>(page: Page<T>) -> (Vec<Mirror>, Option<String>) {
    (terms(page.items), page.next_page_token)
}

fn terms<T, Mirror: From<T>>(items: Vec<T>) -> Vec<Mirror> {
    items.into_iter().map(Mirror::from).collect()
}
