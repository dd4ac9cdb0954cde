//! What a doctor wants to know of the way to the server, beyond what the API answers.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::DATE;

use super::{Client, Endpoint};
use crate::error::Result;

/// The smallest page that every MLflow server has.
const PAGE: Endpoint = Endpoint::page("health");

impl Client {
    /// The proxy that stands between here and the server, without its credentials.
    pub fn proxy(&self) -> Option<String> {
        self.server.transport.proxy()
    }

    /// What the server's clock says, to the second, by the `Date` of whatever it answers; `None`
    /// where it sends none. Tried once: a repeated request would blur when it was answered.
    pub async fn server_clock(&self) -> Result<Option<SystemTime>> {
        let authorization = self.authorization(&PAGE, self.deadline()).await?;
        let request = self.request(&PAGE, &PAGE.path(), Bytes::new(), authorization.as_ref())?;
        self.session.count(&PAGE);
        let limit = self.server.attempt_timeout.min(self.session.total_timeout);
        let transport = &self.server.transport;
        let response = transport.exchange(PAGE.name, request, limit).await?;
        let date = response
            .headers
            .get(DATE)
            .and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| httpdate::parse_http_date(date).ok()))
    }
}
