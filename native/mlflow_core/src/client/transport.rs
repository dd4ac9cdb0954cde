//! One request out, one whole response in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::config::ClientConfig;
use super::dialer::{Dialer, Proxy};
use super::failure::Route;
use super::target::{CONFIG, Target};
use super::tls;
use crate::error::{Error, ErrorKind, Result};

/// Shorter than the 5 s after which uvicorn hangs up, so that a kept connection is still good.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

pub(super) struct Transport {
    http: Client<HttpsConnector<Dialer>, Full<Bytes>>,
    proxy: Option<Proxy>,
    forwards: bool,
    route: Route,
    max_response_bytes: usize,
}

pub(super) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Transport {
    pub fn new(config: &ClientConfig, target: &Target) -> Result<Self> {
        let server: Uri = target.as_str().parse().map_err(|cause| {
            let message = format!("tracking_uri {:?} is not a URL: {cause}", target.as_str());
            Error::new(ErrorKind::Config, CONFIG, message)
        })?;
        let proxy = Proxy::for_server(&config.proxy, &server)?;
        let needs_tls = target.is_https || proxy.as_ref().is_some_and(Proxy::is_https);
        let tls = Arc::new(if needs_tls {
            tls::client_config(&config.tls)?
        } else {
            tls::unused_config()?
        });
        let dialer = Dialer::new(proxy.as_ref(), target.is_https, Arc::clone(&tls));
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_ALIVE)
            .build(HttpsConnector::from((dialer, tls)));
        Ok(Self {
            http,
            forwards: proxy.is_some() && !target.is_https,
            route: Route::new(&target.host_and_port, proxy.as_ref()),
            proxy,
            max_response_bytes: config.max_response_bytes,
        })
    }

    pub fn proxy(&self) -> Option<String> {
        self.proxy.as_ref().map(Proxy::shown)
    }

    pub async fn exchange(
        &self,
        operation: &'static str,
        mut request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response> {
        if self.forwards
            && let Some(authorization) = self.proxy.as_ref().and_then(Proxy::authorization)
        {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let connection = capture_connection(&mut request);
        match timeout(limit, self.send(operation, request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let connected = connection.connection_metadata().is_some();
                Err(self.route.timed_out(operation, limit, connected))
            }
        }
    }

    async fn send(
        &self,
        operation: &'static str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response> {
        let response = self
            .http
            .request(request)
            .await
            .map_err(|cause| self.route.failed(operation, &cause, cause.is_connect()))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.max_response_bytes)
            .collect()
            .await
            .map_err(|cause| self.route.failed(operation, cause.as_ref(), false))?
            .to_bytes();
        Ok(Response {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}
