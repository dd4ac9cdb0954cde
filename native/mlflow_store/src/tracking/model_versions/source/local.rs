//! Sources that are paths of this machine.

use std::path::{Component, Path, PathBuf};

use super::invalid;
use crate::tracking::error::{Refusal, Result};
use crate::tracking::uris::{Uri, unquote};

/// That the source lies in `root`, the folder of the run or model that `id` names, with symbolic
/// links followed.
pub(super) fn check(source: &str, root: Option<&str>, id: &str) -> Result<()> {
    let Some(root) = root else {
        return Err(outside(source, id));
    };
    let path = absolute(source);
    let holds = Uri::parse(root).is_local() && real(&path).starts_with(real(&absolute(root)));
    if holds {
        Ok(())
    } else {
        Err(outside(&path.to_string_lossy(), id))
    }
}

fn absolute(uri: &str) -> PathBuf {
    let parsed = Uri::parse(uri);
    let path = if parsed.scheme == "file" {
        unquote(parsed.path)
    } else {
        unquote(uri)
    };
    let path = PathBuf::from(path);
    std::path::absolute(&path).unwrap_or(path)
}

/// Where a path leads, as far as there is anything.
fn real(path: &Path) -> PathBuf {
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                real.pop();
            }
            component => real.push(component),
        }
        if let Ok(followed) = real.canonicalize() {
            real = followed;
        }
    }
    real
}

fn outside(source: &str, id: &str) -> Refusal {
    let reason = format!(
        "To use a local path as a model version source, the {id} request parameter has to be \
         specified and the local path has to be contained within the artifact directory of the run \
         specified by the {id}."
    );
    invalid(source, &reason)
}
