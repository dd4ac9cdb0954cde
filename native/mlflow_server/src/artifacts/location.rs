//! Which part of the folder an artifact URI speaks of.

use std::path::{Path, PathBuf};

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::uris::{Uri, unquote};

use super::{ArtifactPath, Artifacts, path};

const PROXY_ROUTE: &str = "/api/2.0/mlflow-artifacts/artifacts/";

/// Where the artifacts of a run, a logged model or a model version are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub folder: ArtifactPath,
    /// Whether messages name paths from the folder of all artifacts on, as MLflow's do of what it
    /// serves for clients, or from the location on.
    pub is_proxied: bool,
}

impl Location {
    /// A path below it.
    pub fn join(&self, below: &ArtifactPath) -> ArtifactPath {
        self.folder.join(below)
    }
}

impl Artifacts {
    /// Only what lies in the folder is served: whoever names an experiment's location must not
    /// choose which of the server's files are read.
    pub fn locate(&self, uri: &str) -> Result<Location, Refusal> {
        let parsed = Uri::parse(uri);
        let proxied = match parsed.scheme.as_str() {
            "mlflow-artifacts" => Some(parsed.path),
            "http" | "https" => parsed.path.split_once(PROXY_ROUTE).map(|(_, path)| path),
            _ => None,
        };
        let (below, is_proxied) = match proxied {
            Some(path) => (path.trim_start_matches('/').to_owned(), true),
            None if parsed.is_local() => (self.below(uri, &parsed)?, false),
            None => return Err(elsewhere(uri)),
        };
        Ok(Location {
            folder: ArtifactPath::plain(&below).map_err(|_| path::invalid())?,
            is_proxied,
        })
    }

    fn below(&self, uri: &str, parsed: &Uri) -> Result<String, Refusal> {
        let path = match parsed.scheme.as_str() {
            "file" => unquote(parsed.path),
            _ => uri.to_owned(),
        };
        let path = absolute(Path::new(&path));
        let below = path
            .strip_prefix(absolute(&self.folder))
            .map_err(|_| elsewhere(uri))?;
        Ok(below.to_string_lossy().into_owned())
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn elsewhere(uri: &str) -> Refusal {
    Refusal::invalid(format!(
        "The artifacts at '{uri}' are not in this server's folder: a client that can reach them \
         reads and writes them itself."
    ))
}
