//! What the server does not take, and what becomes of requests when it is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mlflow_core::ErrorKind;
use mlflow_core::client::{Client, ClientConfig, RequestCounts, ServerProfile, SessionOptions};
use mlflow_core::model::{Metric, MetricValue, Param};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::support::{Received, Reply, Server};
use super::{RUN, client, config};

fn points(count: i64) -> Vec<Metric> {
    let point = |step| Metric {
        key: "loss".to_owned(),
        value: MetricValue(0.5),
        timestamp: 1,
        step,
    };
    (0..count).map(point).collect()
}

fn params(count: usize, value: &str) -> Vec<Param> {
    let param = |index| Param {
        key: format!("p{index}"),
        value: value.to_owned(),
    };
    (0..count).map(param).collect()
}

async fn log(client: &Client, metrics: i64) -> mlflow_core::Result<()> {
    let points = points(metrics);
    client.log_entities(RUN, &[], &[], &points).await
}

fn count(request: &Received, kind: &str) -> usize {
    request.json()[kind].as_array().map_or(0, Vec::len)
}

fn metric_counts(requests: &[Received]) -> Vec<usize> {
    requests
        .iter()
        .map(|request| count(request, "metrics"))
        .collect()
}

fn steps(requests: &[Received]) -> Vec<i64> {
    let metrics = |request: &Received| request.json()["metrics"].as_array().cloned();
    requests
        .iter()
        .filter_map(metrics)
        .flatten()
        .map(|metric: Value| metric["step"].as_i64().unwrap())
        .collect()
}

fn at_most(limit: usize) -> Reply {
    let message = format!("A batch logging request can contain at most {limit} metrics.");
    Reply::error(400, "INVALID_PARAMETER_VALUE", &message)
}

/// A port on which nobody listens any more.
async fn dead_port() -> String {
    let server = Server::start([]).await;
    let (uri, address) = (server.uri(), server.address);
    server.finish();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    uri
}

/// Takes connections and requests, and never answers; counts the requests.
async fn silent_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(1..) = tcp.read(&mut buffer).await {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (uri, requests)
}

#[tokio::test]
async fn a_batch_that_is_too_much_is_sent_in_parts() {
    let replies = [at_most(300), at_most(300)]
        .into_iter()
        .chain(vec![Reply::done(); 4]);
    let server = Server::start(replies).await;
    let client = client(&server);
    log(&client, 1000).await.unwrap();
    assert_eq!(client.limits().batch.metrics, 250);
    let requests = server.finish();
    assert_eq!(metric_counts(&requests), [1000, 500, 250, 250, 250, 250]);
    assert_eq!(steps(&requests[2..]), (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_one_session_learned_all_know() {
    let replies = [at_most(500)].into_iter().chain(vec![Reply::done(); 4]);
    let server = Server::start(replies).await;
    let client = client(&server);
    let session = || client.session(SessionOptions::default());
    log(&session(), 1000).await.unwrap();
    log(&session(), 1000).await.unwrap();
    assert_eq!(metric_counts(&server.finish()), [1000, 500, 500, 500, 500]);
}

#[tokio::test]
async fn what_is_left_of_a_large_upload_is_cut_again_too() {
    let replies = [Reply::done(), at_most(500)]
        .into_iter()
        .chain(vec![Reply::done(); 4]);
    let server = Server::start(replies).await;
    log(&client(&server), 3000).await.unwrap();
    let requests = server.finish();
    assert_eq!(metric_counts(&requests), [1000, 1000, 500, 500, 500, 500]);
    assert_eq!(steps(&requests[2..]), (1000..3000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_cut_by_its_bytes() {
    for refusal in [
        Reply::html(413, "<html>Request Entity Too Large</html>"),
        Reply::error(
            400,
            "INVALID_PARAMETER_VALUE",
            "Batched logging API requests must be at most 300000 bytes",
        ),
    ] {
        let server = Server::start([refusal, Reply::done(), Reply::done(), Reply::done()]).await;
        let client = client(&server);
        let large = params(90, &"x".repeat(5000));
        client.log_entities(RUN, &large, &[], &[]).await.unwrap();
        let limits = client.limits().batch;
        assert_eq!(limits.entities, 1000);
        assert!((200_000..300_000).contains(&limits.bytes), "{limits:?}");
        let requests = server.finish();
        let sent = requests.iter().skip(1).map(|got| count(got, "params"));
        assert_eq!(sent.sum::<usize>(), 90);
        assert!(
            requests[1..]
                .iter()
                .all(|got| got.body.len() <= limits.bytes)
        );
    }
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_sent_in_parts() {
    let late = Reply::done().after(Duration::from_secs(30));
    for slow in [late, Reply::html(504, "<html>Gateway Timeout</html>")] {
        let server = Server::start([slow, Reply::done(), Reply::done()]).await;
        let client = Client::new(ClientConfig {
            attempt_timeout: Duration::from_millis(300),
            ..config(&server)
        })
        .unwrap();
        log(&client, 1000).await.unwrap();
        assert_eq!(client.limits().batch.metrics, 500);
        assert_eq!(metric_counts(&server.finish()), [1000, 500, 500]);
    }
}

#[tokio::test]
async fn a_small_batch_that_takes_too_long_is_sent_again_as_it_is() {
    let slow = Reply::done().after(Duration::from_secs(30));
    let server = Server::start([slow, Reply::done()]).await;
    let client = Client::new(ClientConfig {
        attempt_timeout: Duration::from_millis(300),
        ..config(&server)
    })
    .unwrap();
    log(&client, 100).await.unwrap();
    assert_eq!(client.limits().batch.metrics, 1000);
    assert_eq!(metric_counts(&server.finish()), [100, 100]);
}

#[tokio::test]
async fn one_bad_entity_is_no_reason_to_send_parts() {
    for message in [
        "Changing param values is not allowed. Param with key='limit' was already logged",
        "'metrics[7].key' exceeds the maximum length of 250 characters",
        "Got invalid value for metric",
    ] {
        let refusal = Reply::error(400, "INVALID_PARAMETER_VALUE", message);
        let server = Server::start([refusal]).await;
        let error = log(&client(&server), 1000).await.unwrap_err();
        assert_eq!((error.kind, error.attempts), (ErrorKind::Invalid, 1));
        assert_eq!(error.message, message);
        server.finish();
    }
}

#[tokio::test]
async fn what_is_refused_however_small_teaches_nothing() {
    let server = Server::start(vec![at_most(0); 8]).await;
    let client = client(&server);
    let error = log(&client, 1000).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(client.limits().batch.metrics, 1000);
    let sent = metric_counts(&server.finish());
    assert_eq!(sent, [1000, 500, 250, 125, 62, 31, 15, 10]);
}

#[tokio::test]
async fn too_many_requests_are_not_too_large_ones() {
    let server = Server::start([
        Reply::error(429, "REQUEST_LIMIT_EXCEEDED", "request limit exceeded"),
        Reply::done(),
    ])
    .await;
    let client = client(&server);
    log(&client, 1000).await.unwrap();
    assert_eq!(client.limits().batch.metrics, 1000);
    assert_eq!(metric_counts(&server.finish()), [1000, 1000]);
}

#[tokio::test]
async fn nothing_is_sent_of_what_holds_something_no_server_takes() {
    let server = Server::start([]).await;
    let mut points = points(2000);
    points[1500].key = String::new();
    let logging = client(&server);
    let error = logging.log_entities(RUN, &[], &[], &points).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Invalid);
    server.finish();
}

#[test]
fn limits_begin_with_the_server_s() {
    let limits = |tracking_uri: &str, server, rate_limit| {
        let config = ClientConfig {
            tracking_uri: tracking_uri.to_owned(),
            server,
            rate_limit,
            ..ClientConfig::default()
        };
        let limits = Client::new(config).unwrap().limits();
        (limits.profile, limits.batch.metrics, limits.rate)
    };
    let azure = "https://westeurope.api.azureml.ms/mlflow/v1.0/subscriptions/0";
    let databricks = "https://dbc-a1b2345c-d6e7.cloud.databricks.com";
    let own = "http://127.0.0.1:5000";
    use ServerProfile::{Azure, Databricks, Mlflow};
    assert_eq!(limits(own, None, None), (Mlflow, 1000, None));
    assert_eq!(limits(azure, None, None), (Azure, 200, None));
    assert_eq!(
        limits(databricks, None, None),
        (Databricks, 1000, Some(40.0))
    );
    assert_eq!(
        limits(databricks, None, Some(90)),
        (Databricks, 1000, Some(90.0))
    );
    assert_eq!(limits(own, Some(Azure), None), (Azure, 200, None));
    assert_eq!(limits(azure, Some(Mlflow), None), (Mlflow, 1000, None));
}

#[tokio::test]
async fn too_many_requests_of_one_session_hold_the_others() {
    let wait = Reply::error(429, "REQUEST_LIMIT_EXCEEDED", "slow down").header("Retry-After", "1");
    let server = Server::start([wait, Reply::done(), Reply::done()]).await;
    let client = client(&server);
    let hasty = client.session(SessionOptions {
        total_timeout: Some(Duration::from_millis(500)),
        ..SessionOptions::default()
    });
    let started = Instant::now();
    let refused = hasty.delete_run(RUN).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.attempts),
        (ErrorKind::RateLimited, 1)
    );
    let held = hasty.session(SessionOptions {
        total_timeout: Some(Duration::from_millis(100)),
        ..SessionOptions::default()
    });
    let error = held.delete_run(RUN).await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::RateLimited, 0));
    assert!(error.retry_after.unwrap() <= Duration::from_secs(1));
    assert_eq!(held.requests(), RequestCounts::default());
    assert!(client.limits().paused_for > Duration::ZERO);
    client.delete_run(RUN).await.unwrap();
    client.delete_run(RUN).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    server.finish();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_asked_for_ever() {
    let client = Client::new(ClientConfig {
        tracking_uri: dead_port().await,
        backoff_base: Duration::from_millis(1),
        max_retries: 20,
        ..ClientConfig::default()
    })
    .unwrap();
    let error = client.get_run(RUN).await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Connect, 5));
    for part in ["refused", "5 times in a row", "tried again in"] {
        assert!(error.message.contains(part), "{part} in {error}");
    }
    assert!(client.limits().circuit_open.is_some());
    let error = client.get_run(RUN).await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Connect, 0));
    assert!(error.retry_after.is_some(), "{error:?}");
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_lost_outcome_stays_unknown_when_the_circuit_opens() {
    let (tracking_uri, _) = silent_server().await;
    let client = Client::new(ClientConfig {
        tracking_uri,
        attempt_timeout: Duration::from_millis(100),
        backoff_base: Duration::from_millis(1),
        max_retries: 20,
        ..ClientConfig::default()
    })
    .unwrap();
    let error = client.delete_run(RUN).await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Timeout, 5));
    assert!(error.retry_after.is_some(), "{error:?}");
    assert_eq!(
        client.delete_run(RUN).await.unwrap_err().kind,
        ErrorKind::Connect
    );
}

#[tokio::test]
async fn a_thousand_calls_to_a_silent_server_end_soon() {
    let (tracking_uri, requests) = silent_server().await;
    let client = Client::new(ClientConfig {
        tracking_uri,
        attempt_timeout: Duration::from_secs(1),
        ..ClientConfig::default()
    })
    .unwrap();
    let started = Instant::now();
    // At most so many at once, as with a queue of jobs.
    let places = Arc::new(tokio::sync::Semaphore::new(50));
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let (client, places) = (client.clone(), Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                client.get_run(RUN).await
            })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(error.retry_after.is_some(), "{error:?}");
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let requests = requests.load(Ordering::SeqCst);
    assert!(requests <= 55, "{requests}");
}

#[tokio::test]
async fn health_tells_when_the_server_is_back() {
    let tracking_uri = dead_port().await;
    let client = Client::new(ClientConfig {
        tracking_uri: tracking_uri.clone(),
        max_retries: 0,
        ..ClientConfig::default()
    })
    .unwrap();
    for _ in 0..6 {
        client.get_run(RUN).await.unwrap_err();
    }
    assert_eq!(client.health().await.unwrap_err().attempts, 1);
    let address = tracking_uri.strip_prefix("http://").unwrap();
    let server = Server::start_at(address, [Reply::text("OK"), Reply::done()]).await;
    client.health().await.unwrap();
    assert_eq!(client.limits().circuit_open, None);
    client.delete_run(RUN).await.unwrap();
    server.finish();
}
