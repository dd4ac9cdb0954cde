//! Who is asking, and that nobody else learns it.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use mlflow_core::ErrorKind;
use mlflow_core::client::{Auth, Client, ClientConfig, Secret, SessionOptions};

use super::support::{Reply, Server};
use super::{RUN, client, config};

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn basic(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{username}:{password}"))
    )
}

/// An identity token that ends so many seconds from now.
fn token(name: &str, seconds: i64) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let claims = format!(r#"{{"name":"{name}","exp":{}}}"#, now + seconds);
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test]
async fn credentials_are_sent_as_configured() {
    let server = Server::start(vec![Reply::done(); 5]).await;
    let with_auth = |auth| {
        Client::new(ClientConfig {
            auth,
            ..config(&server)
        })
        .unwrap()
    };
    let basic_auth = || Auth::Basic {
        username: "ada".to_owned(),
        password: secret("p:w"),
    };
    with_auth(Auth::None).delete_run(RUN).await.unwrap();
    with_auth(basic_auth()).delete_run(RUN).await.unwrap();
    with_auth(Auth::Bearer(secret("t0ken")))
        .delete_run(RUN)
        .await
        .unwrap();

    let uri = format!("http://pia:p%40ss@{}", server.address);
    let in_uri = ClientConfig {
        tracking_uri: uri,
        ..config(&server)
    };
    let client = Client::new(in_uri.clone()).unwrap();
    assert_eq!(client.tracking_uri(), server.uri());
    client.delete_run(RUN).await.unwrap();
    let both = Client::new(ClientConfig {
        auth: basic_auth(),
        ..in_uri
    })
    .unwrap();
    both.delete_run(RUN).await.unwrap();

    let requests = server.finish();
    let sent: Vec<_> = requests
        .iter()
        .map(|got| got.header("authorization"))
        .collect();
    let (ada, pia) = (basic("ada", "p:w"), basic("pia", "p@ss"));
    assert_eq!(
        sent,
        [
            None,
            Some(&*ada),
            Some("Bearer t0ken"),
            Some(&*pia),
            Some(&*ada)
        ]
    );
}

#[tokio::test]
async fn a_session_may_bring_its_own_token() {
    let server = Server::start(vec![Reply::done(); 2]).await;
    let client = Client::new(ClientConfig {
        auth: Auth::Bearer(secret("configured")),
        ..config(&server)
    })
    .unwrap();
    let bearer = Some(secret("own"));
    let session = client.session(SessionOptions {
        bearer,
        ..SessionOptions::default()
    });
    session.delete_run(RUN).await.unwrap();
    client.delete_run(RUN).await.unwrap();
    let requests = server.finish();
    assert_eq!(requests[0].header("authorization"), Some("Bearer own"));
    assert_eq!(
        requests[1].header("authorization"),
        Some("Bearer configured")
    );
}

#[tokio::test]
async fn a_token_that_is_no_header_is_refused() {
    let auth = Auth::Bearer(secret("t0ken\r\nHost: evil"));
    let error = Client::new(ClientConfig {
        auth,
        ..ClientConfig::default()
    })
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(!error.to_string().contains("t0ken"));

    let server = Server::start([]).await;
    let bearer = Some(secret("t0ken\n"));
    let session = client(&server).session(SessionOptions {
        bearer,
        ..SessionOptions::default()
    });
    assert_eq!(
        session.delete_run(RUN).await.unwrap_err().kind,
        ErrorKind::Config
    );
    server.finish();
}

#[tokio::test]
async fn an_echo_does_not_give_the_credentials_away() {
    let password = "hunter22";
    let encoded = BASE64_STANDARD.encode(format!("ada:{password}"));
    // The second echo is cut in the middle of the secret.
    let echo = format!(
        "{} Authorization: Basic {encoded}, password {password}",
        "x ".repeat(30)
    );
    for reply in [
        Reply::html(401, &echo),
        Reply::html(200, &format!("<html>{echo}")),
        Reply::error(403, "PERMISSION_DENIED", &echo),
        Reply::new(200, "application/json", format!(r#"{{"run":"{echo}"}}"#)),
    ] {
        let server = Server::start([reply]).await;
        let client = Client::new(ClientConfig {
            tracking_uri: format!("http://ada:{password}@{}", server.address),
            max_retries: 0,
            ..config(&server)
        })
        .unwrap();
        let error = client.get_run(RUN).await.unwrap_err();
        let shown = format!("{error} {error:?} {client:?}");
        assert!(
            !shown.contains(&encoded[..6]) && !shown.contains("hunter"),
            "{shown}"
        );
        server.finish();
    }
}

#[tokio::test]
async fn an_identity_token_is_fetched_once_and_kept() {
    let metadata = Server::start([Reply::text(&token("first", 3600))]).await;
    let server = Server::start(vec![Reply::done(); 3]).await;
    let client = Client::new(ClientConfig {
        auth: Auth::GoogleIdentity { audience: None },
        gce_metadata_host: Some(metadata.address.to_string()),
        ..config(&server)
    })
    .unwrap();
    let (one, two) = tokio::join!(client.delete_run(RUN), client.restore_run(RUN));
    one.and(two).unwrap();
    client.delete_run(RUN).await.unwrap();

    let bearer = format!("Bearer {}", token("first", 3600));
    let uri = server.uri();
    assert!(
        server
            .finish()
            .iter()
            .all(|got| got.header("authorization") == Some(&bearer))
    );
    let asked = &metadata.finish()[0];
    assert_eq!(asked.header("metadata-flavor"), Some("Google"));
    let audience: String = url::form_urlencoded::byte_serialize(uri.as_bytes()).collect();
    assert_eq!(
        asked.line(),
        format!(
            "GET /computeMetadata/v1/instance/service-accounts/default/identity?\
             audience={audience}&format=full"
        )
    );
}

#[tokio::test]
async fn an_identity_token_is_renewed_before_its_end_and_when_refused() {
    let metadata = Server::start([
        Reply::text(&token("nearly over", 290)),
        Reply::text(&token("revoked", 3600)),
        Reply::text(&token("good", 3600)),
    ])
    .await;
    let refusal = || Reply::error(401, "UNAUTHENTICATED", "no");
    let server = Server::start([Reply::done(), refusal(), Reply::done()]).await;
    let client = Client::new(ClientConfig {
        auth: Auth::GoogleIdentity {
            audience: Some("my audience".to_owned()),
        },
        gce_metadata_host: Some(metadata.address.to_string()),
        max_retries: 0,
        ..config(&server)
    })
    .unwrap();
    client.delete_run(RUN).await.unwrap();
    client.delete_run(RUN).await.unwrap();
    assert_eq!(client.requests().writes, 3);

    let requests = server.finish();
    let sent: Vec<_> = requests
        .iter()
        .filter_map(|got| got.header("authorization"))
        .collect();
    let names = ["nearly over", "revoked", "good"];
    for (bearer, name) in sent.iter().zip(names) {
        let claims = bearer.split('.').nth(1).unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
        assert!(String::from_utf8(claims).unwrap().contains(name), "{name}");
    }
    assert_eq!(sent.len(), 3);
    assert!(
        metadata.finish()[0]
            .target
            .contains("audience=my+audience&")
    );
}

#[tokio::test]
async fn a_second_refusal_is_final() {
    let metadata = Server::start([
        Reply::text(&token("a", 3600)),
        Reply::text(&token("b", 3600)),
    ])
    .await;
    let refusal = || Reply::error(401, "UNAUTHENTICATED", "no");
    let server = Server::start([refusal(), refusal()]).await;
    let client = Client::new(ClientConfig {
        auth: Auth::GoogleIdentity { audience: None },
        gce_metadata_host: Some(metadata.address.to_string()),
        ..config(&server)
    })
    .unwrap();
    let error = client.delete_run(RUN).await.unwrap_err();
    assert_eq!(
        (error.kind, error.attempts),
        (ErrorKind::Unauthenticated, 2)
    );
    server.finish();
    metadata.finish();
}
