//! Connections: kept, dropped, and not HTTP at all.

use std::time::{Duration, Instant};

use mlflow_core::ErrorKind;
use mlflow_core::client::{Client, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::support::{Reply, Server};
use super::{RUN, client, config};

#[test]
fn a_client_is_made_without_a_runtime() {
    let client = Client::new(ClientConfig::default()).unwrap();
    assert_eq!(client.tracking_uri(), "http://127.0.0.1:5000");
}

#[test]
fn calls_can_be_spawned() {
    fn is_send(_: impl Future + Send) {}

    let client = Client::new(ClientConfig::default()).unwrap();
    is_send(client.create_experiment("trials", None, &[]));
    is_send(client.get_metric_history(RUN, "loss"));
    is_send(client.log_entities(RUN, &[], &[], &[]));
}

#[tokio::test]
async fn a_connection_is_kept() {
    let server = Server::start(vec![Reply::done(); 3]).await;
    let client = client(&server);
    for _ in 0..3 {
        client.delete_run(RUN).await.unwrap();
    }
    let connections: Vec<_> = server.finish().iter().map(|got| got.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_costs_nothing() {
    let server = Server::start([Reply::done().cut_after(usize::MAX), Reply::done()]).await;
    let client = Client::new(ClientConfig {
        max_retries: 0,
        ..config(&server)
    })
    .unwrap();
    client.delete_run(RUN).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.delete_run(RUN).await.unwrap();
    assert_eq!(client.requests().writes, 2);
    server.finish();
}

/// Headers in one segment and the body held back until they are acknowledged, as a server without
/// `TCP_NODELAY` sends them.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn acknowledgements_are_not_delayed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(false).unwrap();
        let mut buffer = [0; 4096];
        loop {
            if tcp.read(&mut buffer).await.unwrap() == 0 {
                return;
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n";
            tcp.write_all(head.as_bytes()).await.unwrap();
            tcp.write_all(b"OK").await.unwrap();
        }
    });
    let client = Client::new(ClientConfig {
        tracking_uri: format!("http://{address}"),
        ..ClientConfig::default()
    })
    .unwrap();
    let mut times = Vec::new();
    for _ in 0..21 {
        let started = Instant::now();
        client.health().await.unwrap();
        times.push(started.elapsed());
    }
    serving.abort();
    times.sort();
    assert!(
        times[10] < Duration::from_millis(20),
        "half take longer than {:?}",
        times[10]
    );
}

#[tokio::test]
async fn what_does_not_speak_http_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tracking_uri = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_u8().await.unwrap();
        // A TLS alert, which is what a TLS server says to plain HTTP.
        tcp.write_all(&[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46])
            .await
            .unwrap();
        tcp
    });
    let client = Client::new(ClientConfig {
        tracking_uri,
        ..ClientConfig::default()
    })
    .unwrap();
    let error = client.get_run(RUN).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotMlflow, "{error}");
    assert!(error.message.contains("https://"), "{error}");
    drop(serving.await);
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered() {
    let reply = Reply::done().after(Duration::from_millis(20));
    let server = Server::start(vec![reply; 50]).await;
    let client = client(&server);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.delete_run(RUN).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.finish().len(), 50);
}
