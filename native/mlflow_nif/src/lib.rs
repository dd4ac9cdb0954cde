//! The NIF between the BEAM and the engine: decode, call, encode. It holds no logic of its own.
//!
//! No function here waits: work goes to the runtime or to the store's thread, and its answer
//! comes back as a message. Opening and closing touch files and so run on dirty IO schedulers. What
//! is logged to the outbox goes to the page cache at once, on the caller's own scheduler, in pieces
//! that take far less than a millisecond.

mod engine;
mod outbox;
mod outbox_entries;
mod reply;
mod request;
mod server;
mod server_news;
mod store;
mod store_import;
mod store_request;
mod survey;
mod terms;

use std::path::Path;

use mlflow_core::client::Client;
use rustler::{Atom, Env, ResourceArc, Term};

use engine::{CallOptions, Engine};
use request::Request;
use store::{CheckupTerm, Database};
use store_request::StoreRequest;
use survey::RunsPage;
use terms::{ConfigTerm, ErrorTerm, Json, LimitsTerm, RunTerm};

mod atoms {
    rustler::atoms! { ok }
}

type NifResult<T> = Result<T, ErrorTerm>;

#[rustler::nif(schedule = "DirtyIo")]
fn engine_new(config: ConfigTerm) -> NifResult<ResourceArc<Engine>> {
    let client = Client::new(config.into())?;
    Ok(ResourceArc::new(Engine::new(client)))
}

#[rustler::nif]
fn engine_limits(engine: ResourceArc<Engine>) -> LimitsTerm {
    engine.limits().into()
}

#[rustler::nif]
fn call_start(
    env: Env,
    engine: ResourceArc<Engine>,
    reference: Term,
    options: CallOptions,
    request: Request,
) -> Started {
    start_call(env, engine, reference, options, request)
}

/// [`call_start`] for requests that may bring a run, a trial and thousands of points.
#[rustler::nif(schedule = "DirtyCpu")]
fn call_start_large(
    env: Env,
    engine: ResourceArc<Engine>,
    reference: Term,
    options: CallOptions,
    request: Request,
) -> Started {
    start_call(env, engine, reference, options, request)
}

fn start_call(
    env: Env,
    engine: ResourceArc<Engine>,
    reference: Term,
    options: CallOptions,
    request: Request,
) -> Started {
    Started(
        engine
            .call(env, reference, options, request)
            .map_err(ErrorTerm::from),
    )
}

/// A page may hold thousands of runs, and a run thousands of params.
#[rustler::nif(schedule = "DirtyCpu")]
fn page_runs(page: ResourceArc<RunsPage>, ids: Vec<String>) -> Vec<RunTerm> {
    page.pick(&ids)
}

/// The proxy on the way to the server, without its credentials.
#[rustler::nif]
fn engine_proxy(engine: ResourceArc<Engine>) -> Option<String> {
    engine.proxy()
}

#[rustler::nif(schedule = "DirtyIo")]
fn store_open(path: &str) -> NifResult<ResourceArc<Database>> {
    Ok(ResourceArc::new(Database::open(path)?))
}

#[rustler::nif]
fn store_start(
    env: Env,
    database: ResourceArc<Database>,
    reference: Term,
    request: StoreRequest,
) -> Started {
    Started(database.call(env, reference, request))
}

/// [`store_start`] for requests that take more than a moment to decode.
#[rustler::nif(schedule = "DirtyCpu")]
fn store_start_large(
    env: Env,
    database: ResourceArc<Database>,
    reference: Term,
    request: StoreRequest,
) -> Started {
    Started(database.call(env, reference, request))
}

/// Examines a database file and changes nothing about it.
#[rustler::nif(schedule = "DirtyIo")]
fn store_check(path: &str) -> NifResult<CheckupTerm> {
    Ok(mlflow_store::check(Path::new(path))?.into())
}

#[rustler::nif(schedule = "DirtyIo")]
fn store_close(database: ResourceArc<Database>) -> Atom {
    database.close();
    atoms::ok()
}

/// A name for whoever takes leases, from which its process can be told alive or dead.
#[rustler::nif]
fn owner() -> String {
    mlflow_store::owner::unique()
}

#[rustler::nif(schedule = "DirtyIo")]
fn owner_gone(owner: &str) -> bool {
    mlflow_store::owner::is_gone(owner)
}

#[rustler::nif]
fn json_encode(term: Json) -> String {
    term.0.to_string()
}

/// `:ok` or `{:error, %MLflow.Error{}}`, where rustler's own `Result` would say `{:ok, {}}`.
struct Started(NifResult<()>);

impl rustler::Encoder for Started {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match &self.0 {
            Ok(()) => atoms::ok().encode(env),
            Err(error) => env.error_tuple(error),
        }
    }
}

rustler::init!("Elixir.MLflow.Native");
