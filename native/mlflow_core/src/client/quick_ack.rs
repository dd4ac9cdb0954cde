//! TCP that acknowledges at once.
//!
//! A server whose sockets lack `TCP_NODELAY` sends a response's headers, then holds its body back
//! until the headers are acknowledged, and Linux delays that acknowledgement by 40 ms. MLflow's
//! server is such a one, so every request on a kept connection would take 40 ms longer than it
//! needs. `TCP_QUICKACK` ends the delay, but the kernel takes it back as it sees fit: it has to be
//! set again around every read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tower_service::Service;

/// What every dialer answers with.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Dialing<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Connects to the host of a URI, whatever its scheme.
#[derive(Clone)]
pub(super) struct TcpDialer {
    pub http: HttpConnector,
    pub pace: Arc<Pace>,
    /// Whether what is dialled is a proxy that wants to be told the whole URI.
    pub forwards: bool,
}

impl Service<Uri> for TcpDialer {
    type Response = QuickAckStream;
    type Error = BoxError;
    type Future = Dialing<QuickAckStream>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connecting = self.http.call(destination);
        let turn = self.pace.next();
        let forwards = self.forwards;
        Box::pin(async move {
            sleep_until(turn).await;
            let tcp = connecting.await?;
            Ok(QuickAckStream { tcp, forwards })
        })
    }
}

/// Keeps new connections apart.
///
/// The worker processes of MLflow's server share one listening socket, and the one that wakes first
/// takes every connection that is waiting. Connections that are opened together are thus all served
/// by one single-threaded process, for as long as they are kept, while the others have nothing to
/// do. One that comes a little later is taken by a process that is idle.
#[derive(Default)]
pub(super) struct Pace {
    next: Mutex<Option<Instant>>,
}

impl Pace {
    const GAP: Duration = Duration::from_millis(20);
    /// Who opens very many at once spreads them well enough.
    const LONGEST_WAIT: Duration = Duration::from_millis(200);

    /// When the next connection may be opened: at once, unless another one has just been.
    fn next(&self) -> Instant {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.clamp(now, now + Self::LONGEST_WAIT));
        *next = Some(turn + Self::GAP);
        turn
    }
}

pub(super) struct QuickAckStream {
    tcp: TokioIo<TcpStream>,
    forwards: bool,
}

impl QuickAckStream {
    #[cfg(target_os = "linux")]
    fn acknowledge_at_once(&self) {
        // Where this fails there is only time to lose: the read goes on as it would without.
        let _ = socket2::SockRef::from(self.tcp.inner()).set_tcp_quickack(true);
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge_at_once(&self) {}
}

impl Connection for QuickAckStream {
    fn connected(&self) -> Connected {
        self.tcp.connected().proxy(self.forwards)
    }
}

impl Read for QuickAckStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.acknowledge_at_once();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        self.acknowledge_at_once();
        polled
    }
}

impl Write for QuickAckStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_burst_are_kept_apart_but_never_for_long() {
        let pace = Pace::default();
        let started = Instant::now();
        let turns: Vec<_> = (0..100).map(|_| pace.next()).collect();
        assert!(turns[0] < started + Pace::GAP, "the first need not wait");
        assert!(turns[3] >= turns[0] + Pace::GAP * 3);
        assert!(turns[99] <= Instant::now() + Pace::LONGEST_WAIT);
    }
}
