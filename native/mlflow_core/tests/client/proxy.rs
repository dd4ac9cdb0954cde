//! Through a proxy.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mlflow_core::ErrorKind;
use mlflow_core::client::{Auth, Client, ClientConfig, ProxyConfig};

use super::support::{Reply, Server};
use super::{RUN, config};

fn proxied(proxy: &Server, tracking_uri: &str, no_proxy: &str) -> Client {
    let url = Some(format!("http://pia:pr0xy@{}", proxy.address));
    Client::new(ClientConfig {
        tracking_uri: tracking_uri.to_owned(),
        auth: Auth::Bearer("t0ken".to_owned().into()),
        proxy: ProxyConfig {
            http: url.clone(),
            https: url,
            no_proxy: Some(no_proxy.to_owned()),
        },
        // No certificate is looked at before the tunnel stands.
        tls: mlflow_core::client::TlsConfig {
            insecure: true,
            ..Default::default()
        },
        max_retries: 0,
        ..config(proxy)
    })
    .unwrap()
}

fn proxy_authorization() -> String {
    format!("Basic {}", BASE64_STANDARD.encode("pia:pr0xy"))
}

#[tokio::test]
async fn http_is_forwarded() {
    let proxy = Server::start([Reply::done()]).await;
    proxied(&proxy, "http://mlflow.test:5000/ml", "")
        .delete_run(RUN)
        .await
        .unwrap();
    let request = &proxy.finish()[0];
    assert_eq!(
        request.line(),
        "POST http://mlflow.test:5000/ml/api/2.0/mlflow/runs/delete"
    );
    assert_eq!(request.header("host"), Some("mlflow.test:5000"));
    assert_eq!(
        request.header("proxy-authorization"),
        Some(&*proxy_authorization())
    );
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
}

#[tokio::test]
async fn excepted_hosts_are_reached_directly() {
    let proxy = Server::start([]).await;
    let server = Server::start([Reply::done()]).await;
    proxied(&proxy, &server.uri(), "127.0.0.1")
        .delete_run(RUN)
        .await
        .unwrap();
    let request = &server.finish()[0];
    assert_eq!(request.line(), "POST /api/2.0/mlflow/runs/delete");
    assert_eq!(request.header("proxy-authorization"), None);
    proxy.finish();
}

#[tokio::test]
async fn https_asks_for_a_tunnel_and_tells_the_proxy_nothing_else() {
    let proxy = Server::start([Reply::new(407, "text/plain", "who are you?")]).await;
    let client = proxied(&proxy, "https://mlflow.test", "");
    let error = client.delete_run(RUN).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connect, "{error}");
    let shown = format!("through the proxy http://{}/", proxy.address);
    assert!(error.message.contains(&shown), "{error}");
    assert!(
        error.message.contains("proxy authorization required"),
        "{error}"
    );
    assert!(!error.message.contains("pr0xy"), "{error}");
    let request = &proxy.finish()[0];
    assert_eq!(request.line(), "CONNECT mlflow.test:443");
    assert_eq!(
        request.header("proxy-authorization"),
        Some(&*proxy_authorization())
    );
    assert_eq!(request.header("authorization"), None);
}
