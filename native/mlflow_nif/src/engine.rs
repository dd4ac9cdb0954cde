//! One engine per instance: its MLflow client, and the runtime they all share.

use std::panic::RefUnwindSafe;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mlflow_core::client::{Client, Limits, SessionOptions};
use mlflow_core::{Error, ErrorKind};
use rustler::{Env, LocalPid, Monitor, NifMap, Resource, ResourceArc, Term};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use crate::reply::Caller;
use crate::request::Request;

/// The work is waiting for sockets; two threads keep it off the BEAM's schedulers.
const WORKER_THREADS: usize = 2;

pub struct Engine {
    client: Client,
}

#[rustler::resource_impl]
impl Resource for Engine {}

// A panic in a NIF cannot leave a client half-changed: calls only read it and send.
impl RefUnwindSafe for Engine {}

impl Engine {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads what is known, and waits for nothing.
    pub fn limits(&self) -> Limits {
        self.client.limits()
    }

    pub fn proxy(&self) -> Option<String> {
        self.client.proxy()
    }

    /// Spawns the request and returns at once; the answer goes to the caller as a message.
    pub fn call(
        &self,
        env: Env,
        reference: Term,
        options: CallOptions,
        request: Request,
    ) -> Result<(), Error> {
        let runtime = runtime()?;
        let client = self.client.session(options.into());
        let caller = env.pid();
        let reply = Caller::new(caller, reference).promise();
        let call = ResourceArc::new(Call::default());
        let task = runtime.spawn({
            let call = call.clone();
            async move {
                reply.send(request.perform(&client).await);
                // Held until here: the monitor lives as long as the resource does.
                drop(call);
            }
        });
        *call.task() = Some(task.abort_handle());
        // No monitor means that the caller is dead already.
        if env.monitor(&call, &caller).is_none() {
            call.abort();
        }
        Ok(())
    }
}

/// What a single call may say differently from its instance.
#[derive(NifMap)]
#[rustler(decode)]
pub struct CallOptions {
    bearer: Option<String>,
    total_timeout: Option<u64>,
}

impl From<CallOptions> for SessionOptions {
    fn from(options: CallOptions) -> Self {
        Self {
            bearer: options.bearer.map(Into::into),
            total_timeout: options.total_timeout.map(Duration::from_millis),
        }
    }
}

/// A call under way, given up when its caller dies.
#[derive(Default)]
struct Call {
    task: Mutex<Option<AbortHandle>>,
}

impl Call {
    fn task(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abort(&self) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
    }
}

#[rustler::resource_impl]
impl Resource for Call {
    const IMPLEMENTS_DOWN: bool = true;

    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        self.abort();
    }
}

pub fn runtime() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(WORKER_THREADS)
                .thread_name("mlflow_sync")
                .enable_all()
                .build()
        })
        .as_ref()
        .map_err(|error| {
            let message = format!("the native runtime could not start its threads: {error}");
            Error::new(ErrorKind::Bug, "native", message)
        })
}
