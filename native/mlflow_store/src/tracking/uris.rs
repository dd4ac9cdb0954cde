//! Where artifacts are kept: which places an experiment may name, and what lies below them.

mod parsed;

use percent_encoding::percent_decode_str;

use super::error::{Code, Refusal, Result};

pub use parsed::{Uri, unquote, unquote_all};

const LONGEST: usize = 2_048;
/// Their URIs name a host, which whoever reads the artifacts would connect to.
const HOST_ADDRESSED: [&str; 10] = [
    "ftp",
    "sftp",
    "hdfs",
    "viewfs",
    "http",
    "https",
    "mlflow-artifacts",
    "r2",
    "b2",
    "abfss",
];
/// Their paths may end with params, to Python's reading: `;` and what follows it.
const WITH_PARAMS: [&str; 6] = ["", "ftp", "sftp", "hdfs", "http", "https"];
const MOST_DECODED: usize = 10;

/// A place that was asked for, checked, and absolute where it is a path.
pub fn location(uri: &str) -> Result<String> {
    let (address, query) = split_query(uri);
    if uri.contains('#') || has_params(address) {
        return Err(Refusal::invalid(
            "'artifact_location' URL can't include fragments or params.",
        ));
    }
    check_query(query)?;
    check_host("artifact_location", address)?;
    if uri.starts_with("runs:") {
        return Err(Refusal::invalid(format!(
            "Artifact location cannot be a runs:/ URI. Given: '{uri}'"
        )));
    }
    check_length(uri)?;
    let resolved = resolve(uri)?;
    check_length(&resolved)?;
    Ok(resolved)
}

/// Appends to the path of a URI, whose query stays at its end.
pub fn append(uri: &str, below: &str) -> String {
    let (address, query) = split_query(uri);
    let joined = format!("{}/{below}", address.strip_suffix('/').unwrap_or(address));
    if query.is_empty() {
        joined
    } else {
        format!("{joined}?{query}")
    }
}

/// In lower case, or "" where there is none.
pub fn scheme(uri: &str) -> String {
    let Some((scheme, _)) = uri.trim_start().split_once(':') else {
        return String::new();
    };
    let mut characters = scheme.chars();
    let is_scheme = characters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if is_scheme {
        scheme.to_ascii_lowercase()
    } else {
        String::new()
    }
}

fn split_query(uri: &str) -> (&str, &str) {
    uri.split_once('?').unwrap_or((uri, ""))
}

fn has_params(address: &str) -> bool {
    let uri = Uri::parse(address);
    let last = uri.path.rsplit('/').next().unwrap_or_default();
    let params = last.split_once(';').map_or("", |(_, params)| params);
    WITH_PARAMS.contains(&uri.scheme.as_str()) && !params.is_empty()
}

/// Encoded once more than anyone decodes, ".." would still be found.
fn check_query(query: &str) -> Result<()> {
    let mut query = query.to_owned();
    for _ in 0..MOST_DECODED {
        let decoded = percent_decode_str(&query).decode_utf8_lossy().into_owned();
        if decoded == query {
            break;
        }
        query = decoded;
    }
    if query.contains("..") {
        return Err(Refusal::invalid("Invalid query string"));
    }
    Ok(())
}

/// That a field names no host that whoever reads it would be sent to.
pub(crate) fn check_host(field: &str, address: &str) -> Result<()> {
    let scheme = scheme(address);
    let proxied = scheme == "mlflow-artifacts" && !address.contains("://");
    if proxied || !HOST_ADDRESSED.contains(&scheme.as_str()) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "'{field}' cannot use the '{scheme}' scheme: the '{scheme}' scheme addresses a \
         host other than the tracking server's configured artifact storage, so the server would \
         connect to the host named in the URI. Set the \
         MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES environment variable on the server to \
         allow it."
    )))
}

fn check_length(location: &str) -> Result<()> {
    if location.chars().count() <= LONGEST {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid artifact path length. The length of the artifact path cannot be greater than \
         {LONGEST} characters. To configure this limit, please set the \
         MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH environment variable."
    )))
}

/// Relative paths are below the folder that the server was started in.
fn resolve(uri: &str) -> Result<String> {
    match (scheme(uri).as_str(), uri.split_once(':')) {
        ("", _) => absolute(uri),
        ("file", Some((_, path))) => {
            if let Some(authority) = path.strip_prefix("//") {
                check_file_host(uri, authority)?;
                Ok(uri.to_owned())
            } else if path.starts_with('/') {
                Ok(uri.to_owned())
            } else {
                Ok(format!("file://{}", absolute(path)?))
            }
        }
        _ => Ok(uri.to_owned()),
    }
}

fn check_file_host(uri: &str, authority: &str) -> Result<()> {
    let host = authority.split('/').next().unwrap_or_default();
    if host.is_empty()
        || host == "."
        || host.starts_with("localhost")
        || host.starts_with("127.0.0.1")
    {
        return Ok(());
    }
    let message = format!(
        "{uri} is not a valid remote uri. For remote access on windows, please consider using a \
         different scheme such as SMB (e.g. smb://<hostname>/<path>)."
    );
    Err(Refusal::new(Code::InternalError, message))
}

fn absolute(path: &str) -> Result<String> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    let folder = std::env::current_dir().map_err(|error| {
        let message = format!("the server's folder cannot be told ({error}): give a whole path");
        Refusal::new(Code::InternalError, message)
    })?;
    Ok(folder.join(path).to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_a_place() {
        let cases = [
            ("s3://b/p", "s3://b/p/1/artifacts"),
            ("s3://b/p/", "s3://b/p/1/artifacts"),
            ("s3://b?q=1", "s3://b/1/artifacts?q=1"),
            ("mlflow-artifacts:/", "mlflow-artifacts:/1/artifacts"),
            ("/abs/x", "/abs/x/1/artifacts"),
        ];
        for (uri, below) in cases {
            assert_eq!(append(uri, "1/artifacts"), below);
        }
    }

    #[test]
    fn places_that_name_a_host_are_refused() {
        for uri in [
            "http://h/p",
            "HTTPS://h",
            " http://h",
            "ftp://u@h",
            "mlflow-artifacts://h/x",
        ] {
            let refusal = location(uri).unwrap_err();
            assert!(refusal.message.contains("scheme addresses a host"), "{uri}");
        }
        for uri in ["mlflow-artifacts:/x", "s3://b/p", "gs://b", "/abs", "foo:b"] {
            assert_eq!(location(uri).unwrap(), uri);
        }
    }

    #[test]
    fn places_have_no_fragments_and_no_params() {
        for uri in ["s3://b/p#f", "http://h/p;x", "/abs/p;x", "hdfs://h/p;x?q=1"] {
            let refusal = location(uri).unwrap_err();
            assert!(refusal.message.contains("fragments or params"), "{uri}");
        }
        for uri in ["s3://b/p;x", "/a;b/c", "/abs;"] {
            assert_eq!(location(uri).unwrap(), uri);
        }
    }

    #[test]
    fn a_query_cannot_climb() {
        location("s3://b/p?x=1").unwrap();
        for uri in ["s3://b/p?x=..", "s3://b/p?x=%252e%252e"] {
            assert_eq!(location(uri).unwrap_err().message, "Invalid query string");
        }
    }

    #[test]
    fn relative_paths_become_whole() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(location("x/y").unwrap(), here.join("x/y").to_str().unwrap());
        assert_eq!(
            location("file:x").unwrap(),
            format!("file://{}/x", here.display())
        );
    }
}
