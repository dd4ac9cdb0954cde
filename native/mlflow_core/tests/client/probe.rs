//! What the client tells of the way to its server.

use std::time::{Duration, UNIX_EPOCH};

use mlflow_core::ErrorKind;
use mlflow_core::client::{Client, ClientConfig, ProxyConfig};

use super::support::{Reply, Server};
use super::{client, config};

#[tokio::test]
async fn the_servers_clock_is_the_date_of_whatever_it_answers() {
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    let server = Server::start([
        Reply::text("OK").header("Date", date),
        Reply::html(503, "<p>not now</p>").header("Date", date),
        Reply::text("OK"),
        Reply::text("OK").header("Date", "yesterday"),
        Reply::hang_up(),
    ])
    .await;
    let client = client(&server);
    let told = Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert_eq!(client.server_clock().await.unwrap(), told);
    assert_eq!(client.server_clock().await.unwrap(), told);
    assert_eq!(client.server_clock().await.unwrap(), None);
    assert_eq!(client.server_clock().await.unwrap(), None);
    let error = client.server_clock().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ConnectionLost);
    assert_eq!(server.finish().len(), 5, "nothing is tried twice");
}

#[tokio::test]
async fn the_proxy_is_told_without_its_password() {
    let server = Server::start([]).await;
    let proxied = |no_proxy: &str| {
        let proxy = ProxyConfig {
            http: Some("http://pia:pr0xy@proxy.test:3128".to_owned()),
            https: None,
            no_proxy: Some(no_proxy.to_owned()),
        };
        let config = ClientConfig {
            proxy,
            ..config(&server)
        };
        Client::new(config).unwrap().proxy()
    };
    assert_eq!(proxied(""), Some("http://proxy.test:3128/".to_owned()));
    assert_eq!(proxied("127.0.0.1"), None);
    assert_eq!(client(&server).proxy(), None);
}
