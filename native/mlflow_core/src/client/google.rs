//! Google identity tokens, for MLflow behind Cloud Run or the Identity-Aware Proxy.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::target::CONFIG;
use super::text;
use crate::error::{Error, ErrorKind, Result};

const METADATA_HOST: &str = "metadata.google.internal";
const IDENTITY_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/identity";

/// The metadata server is a link away, or not there at all.
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);

/// `gcloud` is a Python program that may have to refresh its own credentials first.
const GCLOUD_TIMEOUT: Duration = Duration::from_secs(20);

/// How long before its end a token is replaced, and how long one without an end is kept.
const MARGIN: Duration = Duration::from_secs(300);

/// A token, or why there is none.
type Fetched = std::result::Result<String, String>;

pub(super) struct GoogleIdentity {
    audience: String,
    metadata_host: String,
    gcloud: OsString,
    http: reqwest::Client,
    /// Held while a token is fetched, so that many callers cause one fetch.
    cached: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    renew_at: SystemTime,
}

impl GoogleIdentity {
    pub fn new(audience: String, metadata_host: Option<String>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(METADATA_TIMEOUT)
            .build()
            .map_err(|cause| {
                let message = format!("no HTTP client for Google's metadata server: {cause}");
                Error::new(ErrorKind::Config, CONFIG, message)
            })?;
        Ok(Self {
            audience,
            metadata_host: metadata_host.unwrap_or_else(|| METADATA_HOST.to_owned()),
            gcloud: "gcloud".into(),
            http,
            cached: Mutex::new(None),
        })
    }

    pub async fn token(&self, operation: &'static str) -> Result<String> {
        let mut cached = self.cached.lock().await;
        if let Some(token) = cached
            .as_ref()
            .filter(|token| SystemTime::now() < token.renew_at)
        {
            return Ok(token.text.clone());
        }
        let text = self
            .fetch()
            .await
            .map_err(|message| Error::new(ErrorKind::Unauthenticated, operation, message))?;
        let token = cached.insert(Token {
            renew_at: renew_at(&text),
            text,
        });
        Ok(token.text.clone())
    }

    /// Another caller may have fetched a new token since: only the refused one is dropped.
    pub async fn forget(&self, refused: &str) {
        let mut cached = self.cached.lock().await;
        cached.take_if(|token| token.text == refused);
    }

    async fn fetch(&self) -> Fetched {
        let metadata = match self.ask_metadata_server().await {
            Ok(token) => return Ok(token),
            Err(reason) => reason,
        };
        let audience = format!("--audiences={}", self.audience);
        let gcloud = match self.ask_gcloud(&[&audience]).await {
            Ok(token) => return Ok(token),
            Err(reason) => reason,
        };
        // User accounts cannot choose an audience; `gcloud` refuses the option for them.
        if let Ok(token) = self.ask_gcloud(&[]).await {
            return Ok(token);
        }
        Err(format!(
            "no Google identity token for {}: the metadata server {} gave none ({metadata}), nor \
             did gcloud ({gcloud}); run on Google Cloud with a service account, or `gcloud auth \
             login`",
            self.audience, self.metadata_host
        ))
    }

    async fn ask_metadata_server(&self) -> Fetched {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("audience", &self.audience)
            .append_pair("format", "full")
            .finish();
        let response = self
            .http
            .get(format!(
                "http://{}{IDENTITY_PATH}?{query}",
                self.metadata_host
            ))
            .header("Metadata-Flavor", "Google")
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|cause| text::message(&cause.without_url().to_string()))?;
        let body = response
            .text()
            .await
            .map_err(|cause| cause.without_url().to_string())?;
        well_formed(&body)
    }

    async fn ask_gcloud(&self, options: &[&str]) -> Fetched {
        let run = Command::new(&self.gcloud)
            .args(["auth", "print-identity-token"])
            .args(options)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(GCLOUD_TIMEOUT, run)
            .await
            .map_err(|_| format!("no answer within {GCLOUD_TIMEOUT:?}"))?
            .map_err(|cause| cause.to_string())?;
        if !output.status.success() {
            return Err(text::snippet(&output.stderr));
        }
        well_formed(&String::from_utf8_lossy(&output.stdout))
    }
}

/// A token is three dotted parts; anything else is a page or a message that must not be sent.
fn well_formed(answer: &str) -> Fetched {
    let token = answer.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '=');
    if token.split('.').count() == 3 && token.chars().all(allowed) {
        Ok(token.to_owned())
    } else {
        Err("what it answered is not a token".to_owned())
    }
}

fn renew_at(token: &str) -> SystemTime {
    #[derive(Deserialize)]
    struct Claims {
        exp: Option<u64>,
    }

    let expiry = token
        .split('.')
        .nth(1)
        .and_then(|payload| {
            BASE64_URL_SAFE_NO_PAD
                .decode(payload.trim_end_matches('='))
                .ok()
        })
        .and_then(|json| serde_json::from_slice::<Claims>(&json).ok())
        .and_then(|claims| claims.exp)
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    match expiry {
        Some(expiry) => expiry.checked_sub(MARGIN).unwrap_or(SystemTime::UNIX_EPOCH),
        None => SystemTime::now() + MARGIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_is_renewed_five_minutes_before_its_end() {
        let renewal = renew_at(&jwt(r#"{"exp":4102444800}"#));
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_500);
        assert_eq!(renewal, expected);
    }

    #[test]
    fn a_token_with_no_readable_end_is_kept_for_five_minutes() {
        for claims in ["{}", "junk", r#"{"exp":18446744073709551615}"#] {
            let left = renew_at(&jwt(claims))
                .duration_since(SystemTime::now())
                .unwrap();
            assert!(
                left <= MARGIN && left > MARGIN - Duration::from_secs(5),
                "{claims}: {left:?}"
            );
        }
    }

    #[test]
    fn pages_are_not_tokens() {
        assert!(well_formed("<html>a.b.c</html>").is_err());
        assert!(well_formed("").is_err());
        assert_eq!(well_formed("a.b.c\n").unwrap(), "a.b.c");
    }

    #[cfg(unix)]
    mod gcloud {
        use std::os::unix::fs::PermissionsExt;

        use super::*;

        /// An identity whose metadata server is not there and whose `gcloud` is this script.
        fn identity(directory: &tempfile::TempDir, script: &str) -> GoogleIdentity {
            let path = directory.path().join("gcloud");
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            let mut identity =
                GoogleIdentity::new("https://mlflow.test".to_owned(), Some("127.0.0.1:1".into()))
                    .unwrap();
            identity.gcloud = path.into();
            identity
        }

        #[tokio::test]
        async fn stands_in_for_the_metadata_server() {
            let directory = tempfile::tempdir().unwrap();
            let script = r#"[ "$*" = "auth print-identity-token --audiences=https://mlflow.test" ] && echo a.b.c"#;
            assert_eq!(
                identity(&directory, script).token("test").await.unwrap(),
                "a.b.c"
            );
        }

        #[tokio::test]
        async fn is_asked_without_audience_for_a_user_account() {
            let directory = tempfile::tempdir().unwrap();
            let script = r#"[ "$#" = 2 ] && echo d.e.f"#;
            assert_eq!(
                identity(&directory, script).token("test").await.unwrap(),
                "d.e.f"
            );
        }

        #[tokio::test]
        async fn says_why_there_is_no_token() {
            let directory = tempfile::tempdir().unwrap();
            let identity = identity(&directory, "echo 'no account' >&2; exit 1");
            let error = identity.token("test").await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unauthenticated);
            for part in [
                "https://mlflow.test",
                "127.0.0.1:1",
                "no account",
                "gcloud auth login",
            ] {
                assert!(error.message.contains(part), "{part} in {error}");
            }
        }
    }
}
