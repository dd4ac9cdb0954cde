//! What the client needs to know of an endpoint before it calls it.

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use super::retry::Repeat;
use crate::error::{Error, ErrorKind, Result};

/// One endpoint of MLflow's REST API. Its name is its path, and what errors call it.
pub(crate) struct Endpoint {
    pub name: &'static str,
    pub is_read: bool,
    pub repeat: Repeat,
    /// It asks whether the server is there, and so even when that seems not to be the case.
    pub is_probe: bool,
    has_body: bool,
    prefix: &'static str,
}

impl Endpoint {
    /// A query by GET.
    pub const fn get(name: &'static str) -> Self {
        Self {
            name,
            is_read: true,
            repeat: Repeat::Always,
            is_probe: false,
            has_body: false,
            prefix: API,
        }
    }

    /// A query whose criteria travel in a body.
    pub const fn search(name: &'static str) -> Self {
        Self {
            has_body: true,
            ..Self::get(name)
        }
    }

    /// A change that may be sent twice with the effect of once.
    pub const fn write(name: &'static str) -> Self {
        Self {
            is_read: false,
            ..Self::search(name)
        }
    }

    /// The same, where what takes too long is better sent in parts.
    pub const fn large(name: &'static str) -> Self {
        Self {
            repeat: Repeat::IfInTime,
            ..Self::write(name)
        }
    }

    /// A change that makes something new each time it is sent.
    pub const fn create(name: &'static str) -> Self {
        Self {
            repeat: Repeat::IfUnprocessed,
            ..Self::write(name)
        }
    }

    /// A page of the server outside its versioned API.
    pub const fn page(name: &'static str) -> Self {
        Self {
            is_probe: true,
            prefix: "/",
            ..Self::get(name)
        }
    }

    pub fn method(&self) -> Method {
        if self.has_body {
            Method::POST
        } else {
            Method::GET
        }
    }

    /// Written once: every attempt sends the same bytes.
    pub fn body(&self, content: &impl Serialize) -> Result<Bytes> {
        match serde_json::to_vec(content) {
            Ok(json) => Ok(json.into()),
            Err(cause) => {
                let message = format!("the request cannot be written as JSON: {cause}");
                Err(Error::new(ErrorKind::Bug, self.name, message))
            }
        }
    }

    pub fn path(&self) -> String {
        format!("{}{}", self.prefix, self.name)
    }
}

const API: &str = "/api/2.0/mlflow/";
