//! Whom to trust, and how to prove who is asking.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::config::TlsConfig;
use super::target::CONFIG;
use crate::error::{Error, ErrorKind, Result};

/// For connections that turn out to need TLS.
pub(super) fn client_config(config: &TlsConfig) -> Result<ClientConfig> {
    let roots = if config.insecure {
        RootCertStore::empty()
    } else {
        roots(config)?
    };
    build(config, roots)
}

/// For a route that has no TLS on it: nothing is read from disk.
pub(super) fn unused_config() -> Result<ClientConfig> {
    build(&TlsConfig::default(), RootCertStore::empty())
}

fn build(config: &TlsConfig, roots: RootCertStore) -> Result<ClientConfig> {
    // Chosen here, because the process's default belongs to the application.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| refuse(format!("TLS cannot be set up: {cause}")))?;
    let builder = if config.insecure {
        let verifier = Arc::new(AnyServer(provider));
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
    } else {
        builder.with_root_certificates(roots)
    };
    let Some(path) = &config.client_cert else {
        return Ok(builder.with_no_client_auth());
    };
    let (chain, key) = identity(path)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|cause| unusable("client certificate", path, cause))
}

fn roots(config: &TlsConfig) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let Some(path) = &config.ca_cert else {
        // One broken certificate among the system's many is no reason to trust none of them.
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = store.add_parsable_certificates(found.certs);
        return if added > 0 {
            Ok(store)
        } else {
            Err(refuse(
                "this system has no CA certificates: install them, or name a CA file",
            ))
        };
    };
    let (file, directory) = if path.is_dir() {
        (None, Some(path))
    } else {
        (Some(path), None)
    };
    let found = rustls_native_certs::load_certs_from_paths(
        file.map(AsRef::as_ref),
        directory.map(AsRef::as_ref),
    );
    if let Some(cause) = found.errors.into_iter().next() {
        return Err(unusable("CA certificate", path, cause));
    }
    for certificate in found.certs {
        store
            .add(certificate)
            .map_err(|cause| unusable("CA certificate", path, cause))?;
    }
    if store.is_empty() {
        return Err(unusable(
            "CA certificate",
            path,
            "there is no PEM certificate in it",
        ));
    }
    Ok(store)
}

fn identity(path: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let unusable = |cause: &dyn std::fmt::Display| unusable("client certificate", path, cause);
    let pem = std::fs::read(path).map_err(|cause| unusable(&cause))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|cause| unusable(&cause))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        unusable(&"it must hold the certificate and its unencrypted private key, both as PEM")
    })?;
    Ok((chain, key))
}

fn unusable(what: &str, path: &Path, cause: impl std::fmt::Display) -> Error {
    refuse(format!("{what} {} cannot be used: {cause}", path.display()))
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, CONFIG, message)
}

/// Trusts whoever answers, but still checks that they hold the key they show.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
