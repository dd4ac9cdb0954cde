//! What the client needs to know of an endpoint before it calls it.

use http::Method;

use super::retry::Repeat;

/// One endpoint of MLflow's REST API. Its name is its path, and what errors call it.
pub(crate) struct Endpoint {
    pub name: &'static str,
    pub is_read: bool,
    pub repeat: Repeat,
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

    pub fn path(&self) -> String {
        format!("{}{}", self.prefix, self.name)
    }
}

const API: &str = "/api/2.0/mlflow/";
