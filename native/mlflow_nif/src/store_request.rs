//! The operations of the embedded store, one variant each.

use std::time::{SystemTime, UNIX_EPOCH};

use mlflow_store::history::{self, HistoryFilter};
use mlflow_store::jobs::{self, JobFilter, JobState, NewJob};
use mlflow_store::runs::{self, Claim, ClaimOutcome, RunRef};
use mlflow_store::sides::{self, RemoteRun, RunSide, TrialSide};
use mlflow_store::tables::{self, Table};
use mlflow_store::{
    Connection, Filter, Order, Point, Record, RecordedPoint, Result, Seen, StoreError, experiments,
    points, record, trials,
};
use rustler::{Encoder, Env, NifMap, NifTaggedEnum, NifUnitEnum, Term};
use serde_json::Value;

use crate::reply::{Answer, answer, done};
use crate::terms::{Json, MetricValueTerm, PointTerm, RowEncoder};

/// `{key, value, step or nil, timestamp or nil}`: a point as it is reported.
type ReportedPoint = (String, MetricValueTerm, Option<i64>, Option<i64>);

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
    PullIntoTrial(String, i64, Json, Vec<PointTerm>),
    LoadForSync(String, u32),
    PointsAfter(String, i64, Option<u32>),
    PointHistory(String, Option<String>),

    // Runs and experiments.
    ClaimRun(ClaimTerm),
    ReleaseRun(String),
    AbandonRun(String, i64),
    LocalSides(Vec<RemoteRunTerm>),
    PutRuns(Vec<Json>),
    SettleSync(SettledTerm),
    PutSyncError(String, Json),
    UnlinkRun(String),
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
            Self::PullIntoTrial(id, version, changes, points) => answer((|| {
                let points: Vec<_> = points.into_iter().map(recorded).collect();
                let pulled = trials::pull(conn, &id, version, object(changes)?, &points, now)?;
                Ok::<_, StoreError>((pulled.new_points, pulled.version))
            })()),
            Self::LoadForSync(id, limit) => {
                answer(sides::of_trial(conn, &id, limit).map(|side| side.map(trial_side_term)))
            }
            Self::PointsAfter(id, seq, limit) => {
                let unsent = points::after(conn, &id, seq, limit);
                answer(unsent.map(|unsent| (terms(unsent.points), unsent.seq)))
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
            Self::SettleSync(settled) => row_answer(settled.perform(conn, now)),
            Self::PutSyncError(trial_id, error) => {
                let trial = RunRef::Trial(&trial_id);
                row_answer(runs::record_error(conn, trial, error.0, now))
            }
            Self::UnlinkRun(trial) => done(runs::unlink(conn, &trial, now)),
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

#[derive(NifMap)]
#[rustler(decode)]
pub struct FilterTerm {
    equals: Json,
    newest_first: bool,
    limit: Option<u32>,
    offset: u32,
}

impl TryFrom<FilterTerm> for Filter {
    type Error = StoreError;

    fn try_from(term: FilterTerm) -> Result<Self> {
        Ok(Self {
            equals: object(term.equals)?,
            order: if term.newest_first {
                Order::Newest
            } else {
                Order::Oldest
            },
            limit: term.limit,
            offset: term.offset,
        })
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct HistoryFilterTerm {
    instance: String,
    equals: Json,
    trial: Option<String>,
    run: Option<String>,
    since: Option<i64>,
    limit: Option<u32>,
}

impl TryFrom<HistoryFilterTerm> for HistoryFilter {
    type Error = StoreError;

    fn try_from(term: HistoryFilterTerm) -> Result<Self> {
        Ok(Self {
            instance: term.instance,
            equals: object(term.equals)?,
            trial: term.trial,
            run: term.run,
            since: term.since,
            limit: term.limit,
        })
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct ClaimTerm {
    model_trial_id: String,
    mlflow_experiment_id: Option<String>,
    model_run_id: Option<String>,
    lease: i64,
}

impl ClaimTerm {
    fn at(self, now: i64) -> Claim {
        Claim {
            model_trial_id: self.model_trial_id,
            mlflow_experiment_id: self.mlflow_experiment_id,
            model_run_id: self.model_run_id,
            owner: mlflow_store::owner::unique(),
            now,
            lease_ms: self.lease,
        }
    }
}

#[derive(NifUnitEnum)]
enum ClaimKind {
    Fresh,
    Unknown,
    Created,
    Busy,
}

/// The kind, the row, and a time in ms: since when an outcome is unknown, or until when another
/// holds the claim.
fn claim_term(outcome: ClaimOutcome) -> (ClaimKind, Json, i64) {
    let row = |row| Json(Value::Object(row));
    match outcome {
        ClaimOutcome::Fresh(fresh) => (ClaimKind::Fresh, row(fresh), 0),
        ClaimOutcome::Unknown { row: left, since } => (ClaimKind::Unknown, row(left), since),
        ClaimOutcome::Created(created) => (ClaimKind::Created, row(created), 0),
        ClaimOutcome::Busy { until } => (ClaimKind::Busy, Json::default(), until),
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct RemoteRunTerm {
    run_id: String,
    trial_tag: Option<String>,
}

impl From<RemoteRunTerm> for RemoteRun {
    fn from(term: RemoteRunTerm) -> Self {
        Self {
            mlflow_run_id: term.run_id,
            trial: term.trial_tag,
        }
    }
}

/// What a sync ends with: the run's record, its trial, and whether that is to be told.
#[derive(NifMap)]
#[rustler(decode)]
pub struct SettledTerm {
    run: Json,
    trial: Option<String>,
    link: bool,
}

impl SettledTerm {
    fn perform(self, conn: &Connection, now: i64) -> Result<Record> {
        let mut run = object(self.run)?;
        if let Some(trial) = self.trial {
            run.insert("model_trial_id".into(), trial.into());
        }
        if self.link {
            runs::settle(conn, run, now)
        } else {
            runs::put(conn, run, now)
        }
    }
}

/// `{record, trial, has_unsent}`, one for each run.
struct RunSides(Vec<RunSide>);

impl Encoder for RunSides {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let (mut runs, mut trials) = (RowEncoder::new(env), RowEncoder::new(env));
        let sides = self.0.iter().map(|side| {
            let run = runs.encode(side.run.as_deref());
            let trial = trials.encode(side.trial.as_deref());
            (run, trial, side.has_unsent)
        });
        sides.collect::<Vec<_>>().encode(env)
    }
}

/// The trial, its run's record, the unsent points, the watermark they reach, and whether there are
/// more.
type TrialSideTerm = (Json, Option<Json>, Vec<PointTerm>, i64, bool);

fn trial_side_term(side: TrialSide) -> TrialSideTerm {
    let row = |row| Json(Value::Object(row));
    let unsent = side.unsent;
    (
        row(side.trial),
        side.run.map(row),
        terms(unsent.points),
        unsent.seq,
        unsent.more,
    )
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct NewJobTerm {
    instance: String,
    action: String,
    args: Json,
    unique_key: Option<String>,
    lock_key: Option<String>,
    priority: u8,
    max_attempts: u32,
    scheduled_at: Option<i64>,
}

impl From<NewJobTerm> for NewJob {
    fn from(term: NewJobTerm) -> Self {
        Self {
            instance: term.instance,
            action: term.action,
            args: term.args.0,
            unique_key: term.unique_key,
            lock_key: term.lock_key,
            priority: term.priority,
            max_attempts: term.max_attempts,
            scheduled_at: term.scheduled_at,
        }
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct JobErrorTerm {
    kind: String,
    message: String,
}

impl From<JobErrorTerm> for jobs::JobError {
    fn from(term: JobErrorTerm) -> Self {
        Self::new(term.kind, term.message)
    }
}

#[derive(NifMap)]
#[rustler(decode)]
pub struct JobFilterTerm {
    instance: String,
    states: Vec<String>,
    action: Option<String>,
    limit: Option<u32>,
}

impl TryFrom<JobFilterTerm> for JobFilter {
    type Error = StoreError;

    fn try_from(term: JobFilterTerm) -> Result<Self> {
        let states = term.states.iter().map(|name| {
            JobState::from_name(name)
                .ok_or_else(|| StoreError::invalid(format!("{name:?} is no state of a job")))
        });
        Ok(Self {
            states: states.collect::<Result<_>>()?,
            instance: term.instance,
            action: term.action,
            limit: term.limit,
        })
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

fn json(job: jobs::Job) -> Json {
    Json(serde_json::to_value(job).unwrap_or_default())
}

fn jsons(jobs: Vec<jobs::Job>) -> Vec<Json> {
    jobs.into_iter().map(json).collect()
}

fn reported(points: Vec<ReportedPoint>) -> Vec<Point> {
    let point = |(key, value, step, timestamp): ReportedPoint| Point {
        key,
        value: value.0,
        step,
        timestamp,
    };
    points.into_iter().map(point).collect()
}

fn recorded((key, value, step, timestamp): PointTerm) -> RecordedPoint {
    RecordedPoint {
        key,
        value: value.0,
        step,
        timestamp,
    }
}

fn terms(points: Vec<RecordedPoint>) -> Vec<PointTerm> {
    let term = |p: RecordedPoint| (p.key, MetricValueTerm(p.value), p.step, p.timestamp);
    points.into_iter().map(term).collect()
}
