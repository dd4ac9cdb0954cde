//! TCP that acknowledges at once.
//!
//! A server whose sockets lack `TCP_NODELAY` sends a response's headers, then holds its body back
//! until the headers are acknowledged, and Linux delays that acknowledgement by 40 ms. MLflow's
//! server is such a one, so every request on a kept connection would take 40 ms longer than it
//! needs. `TCP_QUICKACK` ends the delay, but the kernel takes it back as it sees fit: it has to be
//! set again around every read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// What every dialer answers with.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Dialing<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Connects to the host of a URI, whatever its scheme.
#[derive(Clone)]
pub(super) struct TcpDialer {
    pub http: HttpConnector,
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
        let forwards = self.forwards;
        Box::pin(async move {
            let tcp = connecting.await?;
            Ok(QuickAckStream { tcp, forwards })
        })
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
