//! Whom the client trusts, and what it says when it does not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlflow_core::ErrorKind;
use mlflow_core::client::{Client, ClientConfig, ProxyConfig, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::support::{Reply, Server};
use super::{RUN, config};

/// A certificate authority of our own, with what it has signed.
struct Authority {
    directory: tempfile::TempDir,
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            directory,
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn sign(&self, host: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A PEM file with a client's certificate and key.
    fn client_identity(&self) -> PathBuf {
        let (certificate, key) = self.sign("client");
        let path = self.file("client.pem");
        std::fs::write(&path, certificate.pem() + &key.serialize_pem()).unwrap();
        path
    }

    /// A server for `host`, which may want to see a certificate of this authority.
    fn acceptor(&self, host: &str, wants_client: bool) -> TlsAcceptor {
        let (certificate, key) = self.sign(host);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn client(server: &Server, tls: TlsConfig) -> Client {
    let tracking_uri = format!("https://{}", server.address);
    Client::new(ClientConfig {
        tracking_uri,
        tls,
        ..config(server)
    })
    .unwrap()
}

fn trusting(ca: &Path) -> TlsConfig {
    TlsConfig {
        ca_cert: Some(ca.to_owned()),
        ..TlsConfig::default()
    }
}

#[tokio::test]
async fn the_named_authority_is_trusted_from_a_file_or_a_directory() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("127.0.0.1", false);
    let server = Server::start_tls([Reply::done(), Reply::done()], acceptor).await;
    client(&server, trusting(&authority.file("ca.pem")))
        .delete_run(RUN)
        .await
        .unwrap();
    // In a directory, certificates go by names that OpenSSL gives them.
    let directory = authority.file("authorities");
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(authority.file("ca.pem"), directory.join("0123abcd.0")).unwrap();
    client(&server, trusting(&directory))
        .delete_run(RUN)
        .await
        .unwrap();
    server.finish();
}

#[tokio::test]
async fn nobody_else_is_trusted() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let server = Server::start_tls([], stranger.acceptor("127.0.0.1", false)).await;
    let misnamed = Server::start_tls([], authority.acceptor("mlflow.test", false)).await;
    for server in [server, misnamed] {
        let tls = trusting(&authority.file("ca.pem"));
        let error = client(&server, tls).delete_run(RUN).await.unwrap_err();
        assert_eq!((error.kind, error.attempts), (ErrorKind::Tls, 1), "{error}");
        assert!(
            error.message.contains(&server.address.to_string()),
            "{error}"
        );
        assert!(error.message.contains("certificate"), "{error}");
        server.finish();
    }
}

#[tokio::test]
async fn anybody_is_if_so_wished() {
    let authority = Authority::new();
    let server = Server::start_tls([Reply::done()], authority.acceptor("mlflow.test", false)).await;
    let tls = TlsConfig {
        insecure: true,
        ..TlsConfig::default()
    };
    client(&server, tls).delete_run(RUN).await.unwrap();
    server.finish();
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let authority = Authority::new();
    let server = Server::start_tls([Reply::done()], authority.acceptor("127.0.0.1", true)).await;
    let tls = TlsConfig {
        client_cert: Some(authority.client_identity()),
        ..trusting(&authority.file("ca.pem"))
    };
    client(&server, tls).delete_run(RUN).await.unwrap();
    server.finish();
}

/// A proxy that answers one CONNECT, then carries bytes to where `server` really is.
async fn tunnel_to(server: SocketAddr) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut inside, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(inside.read_u8().await.unwrap());
        }
        inside
            .write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
            .await
            .unwrap();
        let mut outside = TcpStream::connect(server).await.unwrap();
        // However the connection ends, what was asked for is known.
        let _ = copy_bidirectional(&mut inside, &mut outside).await;
        String::from_utf8(asked).unwrap()
    });
    (address, serving)
}

#[tokio::test]
async fn a_tunnel_leads_to_the_server_and_no_one_in_between() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("mlflow.test", false);
    let server = Server::start_tls([Reply::done()], acceptor).await;
    let (proxy, serving) = tunnel_to(server.address).await;
    let client = Client::new(ClientConfig {
        tracking_uri: "https://mlflow.test:8443/ml".to_owned(),
        proxy: ProxyConfig {
            https: Some(proxy.to_string()),
            ..ProxyConfig::default()
        },
        tls: trusting(&authority.file("ca.pem")),
        ..config(&server)
    })
    .unwrap();
    client.delete_run(RUN).await.unwrap();
    drop(client);
    assert!(
        serving
            .await
            .unwrap()
            .starts_with("CONNECT mlflow.test:8443 HTTP/1.1\r\n")
    );
    assert_eq!(
        server.finish()[0].line(),
        "POST /ml/api/2.0/mlflow/runs/delete"
    );
}

#[tokio::test]
async fn a_plain_server_is_no_tls_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        tcp
    });
    let client = Client::new(ClientConfig {
        tracking_uri: format!("https://{address}"),
        tls: TlsConfig {
            insecure: true,
            ..TlsConfig::default()
        },
        ..ClientConfig::default()
    })
    .unwrap();
    let error = client.delete_run(RUN).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Tls, "{error}");
    assert!(error.message.contains("write http://"), "{error}");
    drop(serving.await);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for path in [directory.path().join("missing.pem"), empty] {
        for tls in [
            trusting(&path),
            TlsConfig {
                insecure: true,
                client_cert: Some(path.clone()),
                ca_cert: None,
            },
        ] {
            let tracking_uri = "https://mlflow.test".to_owned();
            let config = ClientConfig {
                tracking_uri,
                tls,
                ..ClientConfig::default()
            };
            let error = Client::new(config).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(error.message.contains(&*path.to_string_lossy()), "{error}");
        }
    }
}
