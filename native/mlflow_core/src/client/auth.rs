//! The `Authorization` header, and keeping what is in it out of everything else.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

use super::config::{Auth, Secret};
use super::google::GoogleIdentity;
use super::target::CONFIG;
use crate::error::{Error, ErrorKind, Result};

pub(super) enum Credentials {
    None,
    Basic { username: String, password: Secret },
    Bearer(Secret),
    Google(GoogleIdentity),
}

impl Credentials {
    /// `origin` is the tracking server's, the default audience of an identity token.
    pub fn new(auth: Auth, origin: &str, gce_metadata_host: Option<String>) -> Result<Self> {
        let credentials = match auth {
            Auth::None => Self::None,
            Auth::Basic { username, password } => Self::Basic { username, password },
            Auth::Bearer(token) => Self::Bearer(token),
            Auth::GoogleIdentity { audience } => {
                let audience = audience.unwrap_or_else(|| origin.to_owned());
                Self::Google(GoogleIdentity::new(audience, gce_metadata_host)?)
            }
        };
        if let Self::Bearer(token) = &credentials {
            Authorization::bearer(CONFIG, token.expose())?;
        }
        Ok(credentials)
    }

    pub async fn authorization(&self, operation: &'static str) -> Result<Option<Authorization>> {
        match self {
            Self::None => Ok(None),
            Self::Basic { username, password } => {
                Authorization::basic(operation, username, password.expose()).map(Some)
            }
            Self::Bearer(token) => Authorization::bearer(operation, token.expose()).map(Some),
            Self::Google(identity) => {
                let token = identity.token(operation).await?;
                Authorization::bearer(operation, &token).map(Some)
            }
        }
    }

    /// Whether fresh credentials can be had in place of those that were refused.
    pub async fn renew(&self, refused: &Authorization) -> bool {
        match self {
            Self::Google(identity) => {
                identity.forget(&refused.token).await;
                true
            }
            _ => false,
        }
    }
}

pub(super) struct Authorization {
    pub header: HeaderValue,
    token: String,
    password: Option<String>,
}

impl Authorization {
    fn basic(operation: &'static str, username: &str, password: &str) -> Result<Self> {
        let token = BASE64_STANDARD.encode(format!("{username}:{password}"));
        let header = sensitive(operation, &format!("Basic {token}"))?;
        let password = Some(password.to_owned());
        Ok(Self {
            header,
            token,
            password,
        })
    }

    fn bearer(operation: &'static str, token: &str) -> Result<Self> {
        let header = sensitive(operation, &format!("Bearer {token}"))?;
        Ok(Self {
            header,
            token: token.to_owned(),
            password: None,
        })
    }

    /// `text` without the secrets, in case a server echoes what it was sent.
    pub fn hide_in(&self, text: &str) -> String {
        [Some(&self.token), self.password.as_ref()]
            .into_iter()
            .flatten()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret, "[hidden]")
            })
    }
}

fn sensitive(operation: &'static str, text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let message = "the token has a line break or another character that a header cannot carry";
        Error::new(ErrorKind::Config, operation, message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}
