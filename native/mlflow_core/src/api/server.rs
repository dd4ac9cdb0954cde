//! The server itself.

use crate::client::{Client, Endpoint, Unreadable};
use crate::error::Result;

const HEALTH: Endpoint = Endpoint::page("health");
const VERSION: Endpoint = Endpoint::page("version");

/// More than any version has, and less than any page.
const LONGEST_VERSION: usize = 64;

impl Client {
    /// Whether the server's process answers; MLflow does not look at its database for that.
    pub async fn health(&self) -> Result<()> {
        self.get(&HEALTH, &[], |body| match body.trim_ascii() {
            b"OK" => Ok(()),
            _ => Err(Unreadable::Foreign),
        })
        .await
    }

    pub async fn version(&self) -> Result<String> {
        self.get(&VERSION, &[], |body| {
            match str::from_utf8(body.trim_ascii()) {
                Ok(version) if is_version(version) => Ok(version.to_owned()),
                _ => Err(Unreadable::Foreign),
            }
        })
        .await
    }
}

fn is_version(text: &str) -> bool {
    text.len() <= LONGEST_VERSION
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}
