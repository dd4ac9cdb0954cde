//! What names and values must be like, and what is said where they are not.

pub mod registry;

use super::error::{Refusal, Result};
use super::python;

/// The key of a tag, a param or a metric.
pub fn key(parameter: &str, key: &str) -> Result<()> {
    if key.chars().all(is_key_character) {
        return unique_path(parameter, key);
    }
    Err(Refusal::invalid(format!(
        "Invalid value {} for parameter '{parameter}' supplied: Names may only contain \
         alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).",
        python::dumps(&key.into())
    )))
}

/// That a name stays itself when it is used as a path.
pub fn unique_path(parameter: &str, name: &str) -> Result<()> {
    let path = normal_path(name);
    if path == name && path != "." && !path.starts_with("..") && !path.starts_with('/') {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid value {} for parameter '{parameter}' supplied: {}",
        python::dumps(&name.into()),
        resolves_elsewhere(&path)
    )))
}

pub fn length(parameter: &str, limit: usize, value: &str) -> Result<()> {
    if value.chars().count() <= limit {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "'{parameter}' exceeds the maximum length of {limit} characters"
    )))
}

pub fn resolves_elsewhere(path: &str) -> String {
    format!(
        "Names may be treated as files in certain cases, and must not resolve to other names when \
         treated as such. This name would resolve to {}",
        python::repr(path)
    )
}

/// A path without what leads nowhere, as Python's `posixpath.normpath` writes it.
pub fn normal_path(path: &str) -> String {
    let root = match path.bytes().take_while(|byte| *byte == b'/').count() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() {
        ".".to_owned()
    } else {
        joined
    }
}

fn is_key_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '/' | '_' | '.' | '-' | ' ' | ':')
}
