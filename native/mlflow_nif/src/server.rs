//! The tracking server on the BEAM. It has threads and a runtime of its own: what it serves never
//! waits for the engine's requests, nor they for it.

use std::net::SocketAddr;
use std::panic::RefUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use mlflow_core::Error;
use mlflow_server::{Config, Server, StartError};
use rustler::{Atom, Env, Resource, ResourceArc, Term};

use crate::engine::runtime;
use crate::reply::{Caller, answer};
use crate::server_news::News;
use crate::store::Database;
use crate::terms::{BatchOfNews, ErrorTerm, ServerConfigTerm};
use crate::{NifResult, Started, atoms};

pub struct RunningServer {
    /// `None` once stopped.
    server: Mutex<Option<Server>>,
    address: SocketAddr,
    news: Arc<News>,
}

#[rustler::resource_impl]
impl Resource for RunningServer {}

// A panic in a NIF leaves no server half-changed: it is only started, asked and taken away.
impl RefUnwindSafe for RunningServer {}

impl RunningServer {
    fn start(config: Config, database: &Database) -> Result<Self, StartError> {
        let news = Arc::new(News::default());
        let store = database.store().clone();
        let server = Server::start(config, store, database.path(), news.clone())?;
        Ok(Self {
            address: server.address(),
            server: Mutex::new(Some(server)),
            news,
        })
    }

    fn stop(&self) {
        let server = self
            .server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(server) = server {
            server.stop();
        }
        self.news.close();
    }

    /// Answers as soon as there is anything to tell, and with all there is by then.
    fn tell_news(&self, env: Env, reference: Term) -> Result<(), Error> {
        let runtime = runtime()?;
        let reply = Caller::new(env.pid(), reference).promise();
        let news = self.news.clone();
        runtime.spawn(async move {
            let told = news.next().await.map(BatchOfNews::from);
            reply.send(answer::<_, Error>(Ok(told)));
        });
        Ok(())
    }
}

impl Drop for RunningServer {
    /// Whoever waits for news of a server that nobody holds any more waits in vain.
    fn drop(&mut self) {
        self.news.close();
    }
}

#[rustler::nif(schedule = "DirtyIo")]
fn server_start(
    config: ServerConfigTerm,
    database: ResourceArc<Database>,
) -> NifResult<ResourceArc<RunningServer>> {
    let server = RunningServer::start(config.into(), &database)?;
    Ok(ResourceArc::new(server))
}

/// Its address and its port.
#[rustler::nif]
fn server_address(server: ResourceArc<RunningServer>) -> (String, u16) {
    (server.address.ip().to_string(), server.address.port())
}

/// Accepts no more, and waits for the requests under way.
#[rustler::nif(schedule = "DirtyIo")]
fn server_stop(server: ResourceArc<RunningServer>) -> Atom {
    server.stop();
    atoms::ok()
}

#[rustler::nif]
fn server_news_start(env: Env, server: ResourceArc<RunningServer>, reference: Term) -> Started {
    Started(server.tell_news(env, reference).map_err(ErrorTerm::from))
}
