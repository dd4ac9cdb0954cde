//! The way to the server: straight, through a forwarding proxy, or through a tunnel.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tower_service::Service;

use super::config::{ProxyConfig, without_userinfo};
use super::quick_ack::{BoxError, Dialing, QuickAckStream, TcpDialer};
use super::target::CONFIG;
use crate::error::{Error, ErrorKind, Result};

/// How long one address may take to accept, lest a dead one use up the whole attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The proxy between here and the server.
pub(super) struct Proxy(Intercept);

impl Proxy {
    /// The proxy that `config` wants for this server, if any.
    pub fn for_server(config: &ProxyConfig, server: &Uri) -> Result<Option<Self>> {
        let chosen = match server.scheme_str() {
            Some("https") => &config.https,
            _ => &config.http,
        };
        let Some(proxy) = chosen.as_deref().filter(|proxy| !proxy.is_empty()) else {
            return Ok(None);
        };
        let everywhere = Matcher::builder().all(proxy).build();
        let is_http = everywhere
            .intercept(server)
            .is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")));
        if !is_http {
            let message = format!(
                "proxy {:?} is no http or https proxy: write http://host:port",
                without_userinfo(proxy)
            );
            return Err(Error::new(ErrorKind::Config, CONFIG, message));
        }
        let no_proxy = config.no_proxy.as_deref().unwrap_or_default();
        let matcher = Matcher::builder().all(proxy).no(no_proxy).build();
        Ok(matcher.intercept(server).map(Self))
    }

    /// Without credentials.
    pub fn shown(&self) -> String {
        self.0.uri().to_string()
    }

    pub fn is_https(&self) -> bool {
        self.0.uri().scheme_str() == Some("https")
    }

    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.0.basic_auth()
    }
}

#[derive(Clone)]
pub(super) enum Dialer {
    Direct(TcpDialer),
    Forward {
        proxy: Uri,
        dialer: HttpsConnector<TcpDialer>,
    },
    Tunnel(Tunnel<HttpsConnector<TcpDialer>>),
}

impl Dialer {
    pub fn new(proxy: Option<&Proxy>, to_https: bool, tls: Arc<rustls::ClientConfig>) -> Self {
        let mut http = HttpConnector::new();
        // TLS is the concern of the layer above.
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));

        let Some(proxy) = proxy else {
            return Self::Direct(TcpDialer {
                http,
                pace: Arc::default(),
                forwards: false,
            });
        };
        let dialer = HttpsConnector::from((
            TcpDialer {
                http,
                pace: Arc::default(),
                forwards: !to_https,
            },
            tls,
        ));
        let uri = proxy.0.uri().clone();
        if !to_https {
            return Self::Forward { proxy: uri, dialer };
        }
        let tunnel = Tunnel::new(uri, dialer);
        Self::Tunnel(match proxy.authorization() {
            Some(authorization) => tunnel.with_auth(authorization.clone()),
            None => tunnel,
        })
    }
}

impl Service<Uri> for Dialer {
    type Response = MaybeHttpsStream<QuickAckStream>;
    type Error = BoxError;
    type Future = Dialing<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        match self {
            Self::Direct(dialer) => dialer.poll_ready(cx),
            Self::Forward { dialer, .. } => dialer.poll_ready(cx),
            Self::Tunnel(tunnel) => tunnel.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        match self {
            Self::Direct(dialer) => {
                let dialing = dialer.call(server);
                Box::pin(async move { Ok(dialing.await?.into()) })
            }
            Self::Forward { proxy, dialer } => dialer.call(proxy.clone()),
            Self::Tunnel(tunnel) => {
                let tunnelling = tunnel.call(server);
                Box::pin(async move { Ok(tunnelling.await?) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy_for(server: &'static str, proxy: &str, no_proxy: &str) -> Result<Option<String>> {
        let config = ProxyConfig {
            http: Some(proxy.to_owned()),
            https: None,
            no_proxy: Some(no_proxy.to_owned()),
        };
        let proxy = Proxy::for_server(&config, &Uri::from_static(server))?;
        Ok(proxy.map(|proxy| proxy.shown()))
    }

    #[test]
    fn a_proxy_is_for_its_scheme_and_not_for_the_excepted() {
        let proxy = "http://ada:s3cret@proxy:3128";
        let shown = Some("http://proxy:3128/".to_owned());
        assert_eq!(proxy_for("http://mlflow.test", proxy, "").unwrap(), shown);
        assert_eq!(
            proxy_for("http://mlflow.test", "proxy:3128", "").unwrap(),
            shown
        );
        assert_eq!(proxy_for("https://mlflow.test", proxy, "").unwrap(), None);
        assert_eq!(
            proxy_for("http://mlflow.test", proxy, "a.test, mlflow.test").unwrap(),
            None
        );
        assert_eq!(proxy_for("http://mlflow.test", "", "").unwrap(), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
        for proxy in [
            "socks5://ada:s3cret@proxy:1080",
            "http://ada:s3cret@bad host",
        ] {
            let error = proxy_for("http://mlflow.test", proxy, "").unwrap_err();
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(!error.message.contains("s3cret"), "{error}");
        }
    }
}
