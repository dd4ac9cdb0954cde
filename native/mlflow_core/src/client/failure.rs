//! Failures on the way to the server and back, told so that one knows what to do.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http_body_util::LengthLimitError;

use super::dialer::Proxy;
use super::text;
use crate::error::{Error, ErrorKind};

/// From here to the server, as a user would name it.
pub(super) struct Route {
    server: String,
    proxy: Option<String>,
}

impl Route {
    pub fn new(server: &str, proxy: Option<&Proxy>) -> Self {
        Self {
            server: server.to_owned(),
            proxy: proxy.map(Proxy::shown),
        }
    }

    pub fn timed_out(&self, operation: &'static str, limit: Duration, connected: bool) -> Error {
        let seconds = limit.as_secs_f64();
        if connected {
            let message = format!("{} gave no answer within {seconds:.1} s", self.server);
            Error::new(ErrorKind::Timeout, operation, message)
        } else {
            self.unreachable(operation, &format!("no connection within {seconds:.1} s"))
        }
    }

    pub fn failed(
        &self,
        operation: &'static str,
        error: &(dyn StdError + 'static),
        connecting: bool,
    ) -> Error {
        if let Some(cause) = find::<rustls::Error>(error) {
            return self.tls_failed(operation, cause);
        }
        let cause = text::message(&root_cause(error).to_string());
        if connecting {
            return self.unreachable(operation, &cause);
        }
        if find::<LengthLimitError>(error).is_some() {
            let message = format!(
                "{} answered with more bytes than max_response_bytes allows; ask for less at once",
                self.server
            );
            return Error::new(ErrorKind::BadResponse, operation, message);
        }
        match find::<hyper::Error>(error) {
            // Hyper hands a request back that it never began to write.
            Some(unsent) if unsent.is_canceled() => self.unreachable(operation, &cause),
            Some(unreadable) if unreadable.is_parse() => {
                let message = format!(
                    "{} did not answer with HTTP ({cause}); check tracking_uri: does it want \
                     https://, or another port?",
                    self.server
                );
                Error::new(ErrorKind::NotMlflow, operation, message)
            }
            _ => {
                let message = format!("the connection to {} broke: {cause}", self.server);
                Error::new(ErrorKind::ConnectionLost, operation, message)
            }
        }
    }

    fn unreachable(&self, operation: &'static str, cause: &str) -> Error {
        let message = match &self.proxy {
            None => format!(
                "cannot connect to {}: {cause}; is the MLflow server running, and tracking_uri \
                 right?",
                self.server
            ),
            Some(proxy) => format!(
                "cannot connect to {} through the proxy {proxy}: {cause}; check the proxy, or \
                 except the server from it",
                self.server
            ),
        };
        Error::new(ErrorKind::Connect, operation, message)
    }

    fn tls_failed(&self, operation: &'static str, cause: &rustls::Error) -> Error {
        let advice = match cause {
            rustls::Error::InvalidCertificate(_) => {
                "; if the server's own CA is to be trusted, name its certificate"
            }
            rustls::Error::InvalidMessage(_) => "; if it is a plain http server, write http://",
            _ => "",
        };
        let cause = text::message(&cause.to_string());
        let message = format!("no TLS with {}: {cause}{advice}", self.server);
        Error::new(ErrorKind::Tls, operation, message)
    }
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn root_cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    causes(error).last().unwrap_or(error)
}

/// The error and all that is behind it. An `io::Error` shows its inner error's source but never
/// the inner error itself, and TLS errors are wrapped in just that way, so it is opened here.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}
