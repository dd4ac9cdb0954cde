//! The tracking URI, taken apart once.

use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::config::{Auth, Secret, without_userinfo};
use crate::error::{Error, ErrorKind, Result};

pub(super) const CONFIG: &str = "configuration";

pub(super) struct Target {
    /// Scheme, host, port and path prefix, with neither credentials nor a trailing slash.
    base: String,
    pub origin: String,
    pub host: String,
    pub host_and_port: String,
    pub is_https: bool,
    /// From the userinfo part, if there is one.
    pub auth: Auth,
}

impl Target {
    pub fn parse(tracking_uri: &str) -> Result<Self> {
        let shown = without_userinfo(tracking_uri);
        let refuse = |problem: &str| {
            let message = format!("tracking_uri {shown:?} {problem}");
            Error::new(ErrorKind::Config, CONFIG, message)
        };
        if !tracking_uri.contains("://") {
            let example = if shown.is_empty() {
                "127.0.0.1:5000"
            } else {
                &shown
            };
            return Err(refuse(&format!(
                "has no scheme: write \"http://{example}\" or https"
            )));
        }
        let url = Url::parse(tracking_uri)
            .map_err(|cause| refuse(&format!("is not a URL ({cause}): write http://host:port")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse(
                "is not http or https: give the URL of an `mlflow server`",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse(
                "must end with the path: take away what follows ? or #",
            ));
        }
        let auth = userinfo(&url);
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(refuse("names no host"));
        };
        let origin = url.origin().ascii_serialization();
        let path = url[Position::BeforePath..].trim_end_matches('/');
        Ok(Self {
            base: format!("{origin}{path}"),
            host: host.to_owned(),
            host_and_port: format!("{host}:{port}"),
            is_https: url.scheme() == "https",
            origin,
            auth,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.base
    }

    pub fn url(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.base)
    }
}

fn userinfo(url: &Url) -> Auth {
    if url.username().is_empty() && url.password().is_none() {
        return Auth::None;
    }
    let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Auth::Basic {
        username: decode(url.username()),
        password: Secret::from(decode(url.password().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_credentials_and_prefix_apart() {
        let target = Target::parse("https://ada:p%40ss@mlflow.test/team/ml/").unwrap();
        assert_eq!(target.as_str(), "https://mlflow.test/team/ml");
        assert_eq!(target.url("/health"), "https://mlflow.test/team/ml/health");
        assert_eq!(target.origin, "https://mlflow.test");
        assert_eq!(target.host_and_port, "mlflow.test:443");
        let password = Secret::from("p@ss".to_owned());
        assert_eq!(
            target.auth,
            Auth::Basic {
                username: "ada".to_owned(),
                password
            }
        );
    }

    #[test]
    fn says_what_to_write_instead() {
        for (uri, advice) in [
            ("127.0.0.1:5000", "write \"http://127.0.0.1:5000\""),
            ("localhost:5000", "write \"http://localhost:5000\""),
            ("", "write \"http://127.0.0.1:5000\""),
            ("sqlite:///mlflow.db", "give the URL of an `mlflow server`"),
            ("http://", "is not a URL"),
            ("http://host:99999", "is not a URL"),
            ("http://host/?a=b", "must end with the path"),
        ] {
            let error = Target::parse(uri).err().unwrap();
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(error.message.contains(advice), "{uri}: {error}");
        }
        let error = Target::parse("http://ada:s3cret@host:x").err().unwrap();
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
