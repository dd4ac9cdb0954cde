//! The operations of the embedded store, one variant each.

mod claim_terms;
mod filter_terms;
mod job_terms;
mod point_terms;
mod side_terms;

use std::time::{SystemTime, UNIX_EPOCH};

use mlflow_store::history;
use mlflow_store::jobs::{self, JobState, NewJob};
use mlflow_store::runs::{self, RunRef};
use mlflow_store::sides::{self, RemoteRun};
use mlflow_store::tables::{self, Table};
use mlflow_store::{
    Connection, Record, Result, Seen, StoreError, experiments, points, record, trials,
};
use rustler::NifTaggedEnum;
use serde_json::Value;

use self::claim_terms::{ClaimTerm, claim_term};
use self::filter_terms::{FilterTerm, HistoryFilterTerm};
use self::job_terms::{JobErrorTerm, JobFilterTerm, NewJobTerm, json, jsons};
use self::point_terms::{ReportedPoint, recorded, reported, terms};
use self::side_terms::{AsReadTerm, RemoteRunTerm, RunSides, trial_side_term};
use crate::reply::{Answer, answer, done};
use crate::terms::{Json, PointTerm};

#[derive(NifTaggedEnum)]
#[rustler(decode)]
pub enum StoreRequest {
    // Rows of any table.
    Insert(String, Json),
    Update(String, String, Json),
    Upsert(String, String, Json),
    Get(String, String, Json),
    List(String, FilterTerm),

    // Trials and their points.
    CreateTrial(Json, Vec<ReportedPoint>),
    UpdateTrial(String, Json, Vec<ReportedPoint>),
    FindTrial(String),
    DueTrials(u32),
    TrialsWithoutRun(Option<String>),
    AppendPoints(String, Vec<ReportedPoint>),
    PullIntoTrial(String, AsReadTerm, Json, Vec<PointTerm>),
    LoadForSync(String, u32),
    PointHistory(String, Option<String>),

    // Runs and experiments.
    ClaimRun(ClaimTerm),
    ReleaseRun(String),
    AbandonRun(String, i64),
    LocalSides(Vec<RemoteRunTerm>),
    PutRuns(Vec<Json>),
    PutRun(Json),
    PutSyncError(String, Json),
    UnlinkRun(String, String),
    RunIdsInExperiment(String),
    InStep(Vec<Seen>),
    FindExperiment(String),

    AppendRunPoints(String, Vec<PointTerm>),
    RunPointHistory(String, Option<String>),

    // The history of syncs.
    RecordSync(Json, Vec<Json>),
    SyncHistory(HistoryFilterTerm),
    Conflicts(HistoryFilterTerm),
    PruneHistory(String, i64, u32),

    // Jobs.
    InsertJobs(Vec<NewJobTerm>),
    FetchJobs(String, String, u32, i64),
    RenewJobs(String, Vec<i64>, i64),
    CompleteJob(i64, String, Json),
    CancelJob(i64, String, JobErrorTerm),
    FailJob(i64, String, JobErrorTerm, i64),
    SnoozeJob(i64, String, JobErrorTerm, i64),
    CancelWaitingJob(i64),
    RetryJob(i64),
    RescueJobs(String),
    ReleaseJobs(String),
    PruneJobs(String, i64),
    GetJob(i64),
    ListJobs(JobFilterTerm),
    CountJobs(String),
    NextDueJob(String),
}

impl StoreRequest {
    pub fn perform(self, conn: &Connection) -> Answer {
        let now = now();
        match self {
            Self::Insert(table, row) => row_answer((|| {
                record::insert(conn, by_name(&table)?, object(row)?, now)
            })()),
            Self::Update(table, id, row) => row_answer((|| {
                record::update(conn, by_name(&table)?, &id, object(row)?, now)
            })()),
            Self::Upsert(table, column, row) => row_answer((|| {
                record::upsert(conn, by_name(&table)?, &column, object(row)?, now)
            })()),
            Self::Get(table, column, value) => {
                found_answer((|| record::get(conn, by_name(&table)?, &column, value.0))())
            }
            Self::List(table, filter) => rows_answer((|| {
                record::list(conn, by_name(&table)?, &filter.try_into()?)
            })()),

            Self::CreateTrial(row, points) => row_answer((|| {
                trials::create(conn, object(row)?, &reported(points), now)
            })()),
            Self::UpdateTrial(id, row, points) => row_answer((|| {
                trials::update(conn, &id, object(row)?, &reported(points), now)
            })()),
            Self::FindTrial(id) => found_answer(trials::find(conn, &id)),
            Self::DueTrials(limit) => rows_answer(trials::due(conn, limit)),
            Self::TrialsWithoutRun(experiment_id) => {
                rows_answer(trials::without_run(conn, experiment_id.as_deref()))
            }
            Self::AppendPoints(id, points) => {
                answer(points::append(conn, &id, &reported(points), now))
            }
            Self::PullIntoTrial(id, read, changes, points) => answer((|| {
                let points: Vec<_> = points.into_iter().map(recorded).collect();
                let read = read.try_into()?;
                let pulled = trials::pull(conn, &id, &read, object(changes)?, &points, now)?;
                Ok::<_, StoreError>((pulled.new_points, pulled.version))
            })()),
            Self::LoadForSync(id, limit) => {
                answer(sides::of_trial(conn, &id, limit).map(|side| side.map(trial_side_term)))
            }
            Self::PointHistory(id, key) => {
                answer(points::history(conn, &id, key.as_deref()).map(terms))
            }

            Self::ClaimRun(claim) => answer(runs::claim(conn, &claim.at(now)).map(claim_term)),
            Self::ReleaseRun(id) => row_answer(runs::release(conn, &id, now)),
            Self::AbandonRun(id, seen) => row_answer(runs::abandon(conn, &id, seen, now)),
            Self::LocalSides(asked) => {
                let asked: Vec<_> = asked.into_iter().map(RemoteRun::from).collect();
                answer(sides::of_runs(conn, &asked).map(RunSides))
            }
            Self::PutRuns(rows) => answer((|| {
                let rows = rows.into_iter().map(object).collect::<Result<_>>()?;
                runs::settle_all(conn, rows, now)
            })()),
            Self::PutRun(row) => row_answer((|| runs::settle(conn, object(row)?, now))()),
            Self::PutSyncError(trial_id, error) => {
                let trial = RunRef::Trial(&trial_id);
                row_answer(runs::record_error(conn, trial, error.0, now))
            }
            Self::UnlinkRun(trial, run) => done(runs::unlink(conn, &trial, &run, now)),
            Self::RunIdsInExperiment(id) => answer(runs::ids_in_experiment(conn, &id)),
            Self::InStep(seen) => answer(mlflow_store::in_step(conn, &seen)),
            Self::FindExperiment(id) => found_answer(experiments::find(conn, &id)),

            Self::AppendRunPoints(run_id, points) => {
                let points: Vec<_> = points.into_iter().map(recorded).collect();
                answer(points::append_of_run(conn, &run_id, &points))
            }
            Self::RunPointHistory(run_id, key) => {
                answer(points::history_of_run(conn, &run_id, key.as_deref()).map(terms))
            }

            Self::RecordSync(attempt, conflicts) => answer((|| {
                let conflicts = conflicts.into_iter().map(object).collect::<Result<_>>()?;
                history::record(conn, object(attempt)?, conflicts)
            })()),
            Self::SyncHistory(filter) => {
                rows_answer((|| history::attempts(conn, &filter.try_into()?))())
            }
            Self::Conflicts(filter) => {
                rows_answer((|| history::conflicts(conn, &filter.try_into()?))())
            }
            Self::PruneHistory(instance, before, limit) => {
                answer(history::prune(conn, &instance, before, limit))
            }

            Self::InsertJobs(new) => {
                let new = new.into_iter().map(NewJob::from).collect();
                answer(jobs::insert_all(conn, new, now).map(|inserted| {
                    let inserted = inserted.into_iter();
                    inserted
                        .map(|(job, conflict)| (json(job), conflict))
                        .collect::<Vec<_>>()
                }))
            }
            Self::FetchJobs(instance, owner, limit, lease) => {
                let fetched = jobs::fetch(conn, &instance, &owner, limit, now, lease);
                answer(fetched.map(jsons))
            }
            Self::RenewJobs(owner, ids, lease) => {
                answer(jobs::renew(conn, &owner, &ids, now, lease))
            }
            Self::CompleteJob(id, owner, result) => answer(
                jobs::complete(conn, id, &owner, Some(result.0), now).map(|job| job.map(json)),
            ),
            Self::CancelJob(id, owner, error) => {
                answer(jobs::cancel(conn, id, &owner, error.into(), now).map(|job| job.map(json)))
            }
            Self::FailJob(id, owner, error, retry_at) => {
                let failed = jobs::fail(conn, id, &owner, error.into(), retry_at, now);
                answer(failed.map(|job| job.map(json)))
            }
            Self::SnoozeJob(id, owner, error, until) => {
                let snoozed = jobs::snooze(conn, id, &owner, until, error.into(), now);
                answer(snoozed.map(|job| job.map(json)))
            }
            Self::CancelWaitingJob(id) => {
                answer(jobs::cancel_waiting(conn, id, now).map(|job| job.map(json)))
            }
            Self::RetryJob(id) => answer(jobs::retry(conn, id, now).map(|job| job.map(json))),
            Self::RescueJobs(instance) => answer(jobs::rescue(conn, &instance, now)),
            Self::ReleaseJobs(owner) => answer(jobs::release(conn, &owner, now)),
            Self::PruneJobs(instance, before) => answer(jobs::prune(conn, &instance, before)),
            Self::GetJob(id) => answer(jobs::get(conn, id).map(|job| job.map(json))),
            Self::ListJobs(filter) => {
                answer((|| jobs::list(conn, &filter.try_into()?))().map(jsons))
            }
            Self::CountJobs(instance) => answer(jobs::counts(conn, &instance).map(|counts| {
                let count = |(state, n): (JobState, u64)| (state.to_string(), Value::from(n));
                Json(counts.into_iter().map(count).collect())
            })),
            Self::NextDueJob(instance) => answer(jobs::next_due(conn, &instance)),
        }
    }
}

fn now() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since_epoch.as_millis() as i64
}

fn by_name(table: &str) -> Result<&'static Table> {
    tables::by_name(table)
        .ok_or_else(|| StoreError::invalid(format!("there is no table {table:?}")))
}

fn object(json: Json) -> Result<Record> {
    json.into_object()
        .ok_or_else(|| StoreError::invalid("a row must be a map of its columns"))
}

fn row_answer(row: Result<Record>) -> Answer {
    answer(row.map(|row| Json(Value::Object(row))))
}

fn found_answer(row: Result<Option<Record>>) -> Answer {
    answer(row.map(|row| row.map(|row| Json(Value::Object(row)))))
}

fn rows_answer(rows: Result<Vec<Record>>) -> Answer {
    answer(rows.map(|rows| {
        rows.into_iter()
            .map(|r| Json(Value::Object(r)))
            .collect::<Vec<_>>()
    }))
}
