//! Where a new model version says its files are, and whether it may say so: a source must lie in
//! what the run or logged model that it names holds, or nobody could tell whose files it reads.

mod local;

use rusqlite::Connection;

use super::super::error::{Code, Refusal, Result};
use super::super::uris::{self, Uri, unquote_all};
use super::super::{logged_models, registered_models, runs};
use super::model_uri::{self, ModelUri};

const PROMPT_PLACEHOLDERS: [&str; 2] = ["dummy-source", "prompt-template"];
const PROXY_ROUTE: [&str; 4] = ["api", "2.0", "mlflow-artifacts", "artifacts"];

/// A source with what it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    pub source: String,
    pub run_id: Option<String>,
    pub model_id: Option<String>,
}

impl Lineage {
    pub fn some_run(&self) -> Option<&str> {
        self.run_id.as_deref().filter(|id| !id.is_empty())
    }

    pub fn some_model(&self) -> Option<&str> {
        self.model_id.as_deref().filter(|id| !id.is_empty())
    }
}

pub fn check_prompt(source: &str) -> Result<()> {
    if PROMPT_PLACEHOLDERS.contains(&source) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder."
    )))
}

/// That whoever loads the version is not sent to a host of the client's choice. `artifact_root` is
/// the server's own, whose host is known.
pub fn check_host(source: &str, artifact_root: &str) -> Result<()> {
    if is_same_host(&Uri::parse(source), &Uri::parse(artifact_root)) {
        return Ok(());
    }
    uris::check_host("source", source)
}

/// What a registered model's version names is replaced by the version itself, and what is not
/// said of the source's origin is taken from there.
pub fn resolve(conn: &Connection, given: Lineage) -> Result<Lineage> {
    let source = &given.source;
    let uri = Uri::parse(source);
    if uri.scheme != "models" {
        return Ok(given);
    }
    if !uri.authority.is_empty() {
        return Err(invalid(
            source,
            "Registered model sources must use the active model registry.",
        ));
    }
    let parsed = ModelUri::parse(source).ok_or_else(|| not_contained(source, "model_id"))?;
    let Some(name) = parsed.registered_name() else {
        return Ok(given);
    };
    if registered_models::get(conn, name)?.is_prompt() {
        return Err(invalid(
            source,
            "Prompt versions cannot be used as model version sources.",
        ));
    }
    let version = model_uri::version(conn, &parsed)?;
    let other_run = given
        .run_id
        .as_deref()
        .is_some_and(|run_id| run_id != version.run_id.as_deref().unwrap_or_default());
    if other_run || given.some_model().is_some() {
        return Err(invalid(
            source,
            "The run_id and model_id request parameters must match the referenced model version.",
        ));
    }
    Ok(Lineage {
        source: format!("models:/{name}/{}", version.version),
        run_id: given.run_id.or(version.run_id),
        model_id: given.model_id,
    })
}

/// That the run or the logged model holds the source.
pub fn check(conn: &Connection, lineage: &Lineage) -> Result<()> {
    match lineage.some_model() {
        Some(model_id) => check_in_model(conn, &lineage.source, model_id),
        None => check_in_run(conn, &lineage.source, lineage.some_run()),
    }
}

fn check_in_run(conn: &Connection, source: &str, run_id: Option<&str>) -> Result<()> {
    let root = || match run_id {
        Some(run_id) => held_by(source, "run_id", runs::artifact_uri(conn, run_id)).map(Some),
        None => Ok(None),
    };
    let uri = Uri::parse(source);
    check_remote_file(source, &uri)?;
    if uri.is_local() {
        return local::check(source, root()?.as_deref(), "run_id");
    }
    check_no_relative_part(source)?;
    let names_model = uri.scheme == "models"
        && (!uri.authority.is_empty()
            || ModelUri::parse(source).is_some_and(|uri| uri.is_logged()));
    match uri.scheme.as_str() {
        "runs" if uri.authority.is_empty() && uri.path.split('/').nth(1) == run_id => Ok(()),
        "runs" => Err(not_contained(source, "run_id")),
        _ if names_model => Err(not_contained(source, "model_id")),
        _ if is_proxied(&uri) => check_contained(source, root()?.as_deref(), "run_id"),
        _ => Ok(()),
    }
}

fn check_in_model(conn: &Connection, source: &str, model_id: &str) -> Result<()> {
    let root = || {
        held_by(
            source,
            "model_id",
            logged_models::artifact_uri(conn, model_id),
        )
    };
    let uri = Uri::parse(source);
    check_remote_file(source, &uri)?;
    if uri.is_local() {
        return local::check(source, Some(&root()?), "model_id");
    }
    check_no_relative_part(source)?;
    let holds = match uri.scheme.as_str() {
        "models" if !uri.authority.is_empty() => false,
        "models" => {
            let parsed =
                ModelUri::parse(source).ok_or_else(|| not_contained(source, "model_id"))?;
            !parsed.is_logged() || parsed == ModelUri::Logged(model_id)
        }
        "runs" => false,
        _ if is_proxied(&uri) => return check_contained(source, Some(&root()?), "model_id"),
        _ => true,
    };
    if holds {
        Ok(())
    } else {
        Err(not_contained(source, "model_id"))
    }
}

/// No file of another machine can be read.
fn check_remote_file(source: &str, uri: &Uri) -> Result<()> {
    if uri.scheme != "file" || !uri.is_remote() {
        return Ok(());
    }
    let message = format!(
        "{source} is not a valid remote uri. For remote access on windows, please consider using a \
         different scheme such as SMB (e.g. smb://<hostname>/<path>)."
    );
    Err(Refusal::new(Code::InternalError, message))
}

fn check_no_relative_part(source: &str) -> Result<()> {
    let plain = unquote_all(&source.replace('+', " "));
    let path = Uri::parse(&plain).path.trim_end_matches('/');
    let is_relative = !path.starts_with('/')
        || path.contains('\0')
        || path.split('/').any(|part| part == ".")
        || plain.split('/').any(|part| part == "..");
    if is_relative {
        return Err(invalid(
            source,
            "If supplying a source as an http, https, local file path, ftp, objectstore, or \
             mlflow-artifacts uri, an absolute path must be provided without relative path \
             references present. Please provide an absolute path.",
        ));
    }
    Ok(())
}

fn check_contained(source: &str, root: Option<&str>, id: &str) -> Result<()> {
    let contains = |root: &str| {
        let (root, source) = (Uri::parse(root), Uri::parse(source));
        let parts = root.parts();
        root.scheme == source.scheme
            && root.authority.eq_ignore_ascii_case(source.authority)
            && !parts.is_empty()
            && source.parts().starts_with(&parts)
    };
    if root.is_some_and(contains) {
        Ok(())
    } else {
        Err(not_contained(source, id))
    }
}

/// Whether the server's own artifact proxy serves it.
fn is_proxied(uri: &Uri) -> bool {
    match uri.scheme.as_str() {
        "mlflow-artifacts" => true,
        "http" | "https" => uri
            .parts()
            .windows(PROXY_ROUTE.len())
            .any(|parts| parts == PROXY_ROUTE),
        _ => false,
    }
}

fn is_same_host(uri: &Uri, root: &Uri) -> bool {
    let family = |uri: &Uri| match uri.scheme.as_str() {
        "https" | "mlflow-artifacts" => "http".to_owned(),
        "viewfs" => "hdfs".to_owned(),
        scheme => scheme.to_owned(),
    };
    !root.authority.is_empty()
        && family(uri) == family(root)
        && uri.host() == root.host()
        && uri.port() == root.port()
}

/// A resource that is not there holds nothing.
fn held_by(source: &str, id: &str, root: Result<String>) -> Result<String> {
    root.map_err(|refusal| match refusal.code {
        Code::ResourceDoesNotExist => not_contained(source, id),
        _ => refusal,
    })
}

fn not_contained(source: &str, id: &str) -> Refusal {
    let reason =
        format!("The {id} request parameter must identify the resource that contains the source.");
    invalid(source, &reason)
}

fn invalid(source: &str, reason: &str) -> Refusal {
    Refusal::invalid(format!(
        "Invalid model version source: '{source}'. {reason}"
    ))
}
