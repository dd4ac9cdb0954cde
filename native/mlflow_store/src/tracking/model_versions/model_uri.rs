//! `models:/` URIs, which name a logged model, or a version of a registered model in one of four
//! ways.

use rusqlite::Connection;

use super::super::entities::ModelVersion;
use super::super::error::{Code, Refusal, Result};
use super::super::registered_models;
use super::super::uris::Uri;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelUri<'a> {
    Logged(&'a str),
    Version { name: &'a str, version: &'a str },
    Latest { name: &'a str },
    Stage { name: &'a str, stage: &'a str },
    Alias { name: &'a str, alias: &'a str },
}

impl<'a> ModelUri<'a> {
    pub fn parse(uri: &'a str) -> Option<Self> {
        let uri = Uri::parse(uri);
        let path = uri.path.strip_prefix('/')?.trim_start_matches('/');
        let mut parts = path.split('/');
        let name = parts.next().filter(|name| !name.trim().is_empty())?;
        let suffix = parts.next();
        if uri.scheme != "models" || parts.next().is_some() {
            return None;
        }
        match suffix {
            Some(suffix) => Self::with_suffix(name, suffix),
            None => Self::without_suffix(name),
        }
    }

    fn with_suffix(name: &'a str, suffix: &'a str) -> Option<Self> {
        if suffix.trim().is_empty() {
            return None;
        }
        Some(if suffix.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Version {
                name,
                version: suffix,
            }
        } else if suffix.eq_ignore_ascii_case("latest") {
            Self::Latest { name }
        } else {
            Self::Stage {
                name,
                stage: suffix,
            }
        })
    }

    fn without_suffix(name: &'a str) -> Option<Self> {
        match name.rsplit_once('@') {
            Some((_, alias)) if alias.trim().is_empty() => None,
            Some((name, alias)) => Some(Self::Alias { name, alias }),
            None => Some(Self::Logged(name)),
        }
    }

    pub fn is_logged(&self) -> bool {
        matches!(self, Self::Logged(_))
    }

    /// The registered model whose version it names.
    pub fn registered_name(&self) -> Option<&'a str> {
        match self {
            Self::Logged(_) => None,
            Self::Version { name, .. }
            | Self::Latest { name }
            | Self::Stage { name, .. }
            | Self::Alias { name, .. } => Some(name),
        }
    }
}

/// The version that a URI names.
pub fn version(conn: &Connection, uri: &ModelUri) -> Result<ModelVersion> {
    match *uri {
        ModelUri::Logged(name) => Err(no_versions(name, None)),
        ModelUri::Version { name, version } => super::get(conn, name, version),
        ModelUri::Alias { name, alias } => registered_models::aliases::get(conn, name, alias),
        ModelUri::Latest { name } => newest(conn, name, None),
        ModelUri::Stage { name, stage } => newest(conn, name, Some(stage)),
    }
}

fn newest(conn: &Connection, name: &str, stage: Option<&str>) -> Result<ModelVersion> {
    let stages: Vec<String> = stage.into_iter().map(str::to_owned).collect();
    let latest = registered_models::latest_versions(conn, name, &stages)?;
    latest
        .into_iter()
        .max_by_key(|version| version.version.parse::<i64>().unwrap_or_default())
        .ok_or_else(|| no_versions(name, stage))
}

fn no_versions(name: &str, stage: Option<&str>) -> Refusal {
    let stage = stage.map(|stage| format!(" and stage '{stage}'"));
    Refusal::new(
        Code::InternalError,
        format!(
            "No versions of model with name '{name}'{} found",
            stage.unwrap_or_default()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let name = "m";
        for (uri, expected) in [
            ("models:/m-1", ModelUri::Logged("m-1")),
            ("models:/m/3", ModelUri::Version { name, version: "3" }),
            ("models:/m/LATEST", ModelUri::Latest { name }),
            (
                "models:/m/prod",
                ModelUri::Stage {
                    name,
                    stage: "prod",
                },
            ),
            ("MODELS:/m@a", ModelUri::Alias { name, alias: "a" }),
        ] {
            assert_eq!(ModelUri::parse(uri), Some(expected), "{uri}");
        }
        for wrong in [
            "models:/",
            "models:/a/b/c",
            "models:/m/",
            "models:/m@",
            "runs:/m",
        ] {
            assert_eq!(ModelUri::parse(wrong), None, "{wrong}");
        }
    }
}
