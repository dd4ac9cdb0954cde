//! Connections: accepting them, keeping them within their limits, and letting them end well.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use mlflow_store::tracking::experiments;
use mlflow_store::{Readers, Store, StoreError};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use crate::app::{self, App};
use crate::config::Config;
use crate::observer::Observer;
use crate::router::router;

const WORKER_THREADS: usize = 2;
/// Threads for artifacts, which reads of the database do not keep waiting.
const FILE_THREADS: usize = 8;
/// When the process has no file descriptors left, accepting fails at once, again and again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A running server. Dropping it stops it at once; [`stop`](Self::stop) lets requests end.
pub struct Server {
    runtime: Option<Runtime>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    patience: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Database(#[from] mlflow_store::tracking::Refusal),
    #[error(
        "cannot listen on {address} ({source}): choose another port, or stop what listens there"
    )]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot start the server's threads: {0}")]
    Threads(io::Error),
}

impl Server {
    /// Serves what `store` holds, which was opened from the file at `database`.
    pub fn start(
        config: Config,
        store: Store,
        database: &Path,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, StartError> {
        let root = config.default_artifact_root.clone();
        store.run(move |conn| Ok(experiments::ensure_default(conn, &root, app::now())))??;
        let readers = Readers::open(database)?;
        let listener = listen(config.address)?;
        let address = listener.local_addr().map_err(StartError::Threads)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .max_blocking_threads(app::READERS + FILE_THREADS)
            .thread_name("mlflow_server")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;

        let (stop, stopped) = watch::channel(false);
        let patience = config.shutdown_timeout;
        let app = App::new(config, store, readers, observer);
        runtime.spawn(serve(listener, app, stopped));
        Ok(Self {
            runtime: Some(runtime),
            address,
            stop,
            patience,
        })
    }

    /// With the port that was taken, where any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, and waits for the requests under way, but not for ever.
    pub fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Some(runtime) = self.runtime.take() {
            let patience = self.patience;
            runtime.block_on(async {
                tokio::time::timeout(patience, self.stop.closed())
                    .await
                    .ok()
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn listen(address: SocketAddr) -> Result<StdListener, StartError> {
    let listen = || {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|source| StartError::Listen { address, source })
}

/// Until it is told to stop, and then until the last connection has ended.
async fn serve(listener: StdListener, app: App, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let room = Arc::new(Semaphore::new(app.config().most_connections));
    let graceful = GracefulShutdown::new();
    let idle = app.config().idle_timeout;
    let router = router(app.clone());

    loop {
        // What has no room waits in the listener's backlog.
        let accepted = tokio::select! {
            permit = room.clone().acquire_owned() => permit,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        let Ok(permit) = accepted else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match stream {
            Ok((stream, _peer)) => {
                let connection = graceful.watch(connection(stream, router.clone(), idle));
                let connected = app.metrics().connected();
                tokio::spawn(async move {
                    // A client that hangs up is none of ours to report.
                    let _ = connection.await;
                    drop((connected, permit));
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
type Connection = http1::Connection<TokioIo<Stream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router, idle: Duration) -> Connection {
    // Without it an answer's last piece may wait 40 ms for an acknowledgement.
    let _ = stream.set_nodelay(true);
    // A client that does not read what it asked for holds its connection no longer than this.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(idle));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        )
}
