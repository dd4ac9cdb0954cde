//! URIs taken apart as Python's `urllib.parse` does it, which is how MLflow reads them.

use percent_encoding::percent_decode_str;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// In lower case.
    pub scheme: String,
    pub authority: &'a str,
    pub path: &'a str,
}

impl<'a> Uri<'a> {
    pub fn parse(text: &'a str) -> Self {
        let (scheme, rest) = split_scheme(text);
        let (authority, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let path = rest.split('#').next().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        Self {
            scheme,
            authority,
            path,
        }
    }

    /// In lower case, without user and port.
    pub fn host(&self) -> String {
        let (_, address) = self
            .authority
            .rsplit_once('@')
            .unwrap_or(("", self.authority));
        let host = match address.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => address.split(':').next(),
        };
        host.unwrap_or_default().to_lowercase()
    }

    pub fn port(&self) -> Option<u16> {
        let (_, address) = self
            .authority
            .rsplit_once('@')
            .unwrap_or(("", self.authority));
        let (_, port) = address.rsplit_once(':')?;
        port.parse().ok()
    }

    /// A path of this machine, with or without a scheme.
    pub fn is_local(&self) -> bool {
        self.scheme.is_empty() || self.scheme == "file" && !self.is_remote()
    }

    /// Whether it names another machine.
    pub fn is_remote(&self) -> bool {
        let host = self.host();
        !(host.is_empty()
            || host == "."
            || host.starts_with("localhost")
            || host.starts_with("127.0.0.1"))
    }

    /// What stands between the slashes of its path, decoded to the last.
    pub fn parts(&self) -> Vec<String> {
        let parts = self.path.split('/').filter(|part| !part.is_empty());
        parts.map(unquote_all).collect()
    }
}

pub fn unquote(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Decoded until nothing is left to decode.
pub fn unquote_all(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let unquoted = unquote(&text);
        if unquoted == text {
            return text;
        }
        text = unquoted;
    }
}

fn split_scheme(text: &str) -> (String, &str) {
    let Some((scheme, rest)) = text.split_once(':') else {
        return (String::new(), text);
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if is_scheme {
        (scheme.to_ascii_lowercase(), rest)
    } else {
        (String::new(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_taken_apart() {
        let uri = Uri::parse("MLflow-artifacts://User@Host:5000/1/a%2520b?x#y");
        assert_eq!(uri.scheme, "mlflow-artifacts");
        assert_eq!((uri.host().as_str(), uri.port()), ("host", Some(5000)));
        assert_eq!(uri.path, "/1/a%2520b");
        assert_eq!(uri.parts(), ["1", "a b"]);
    }

    #[test]
    fn paths_and_file_uris_are_local() {
        for local in ["/a", "a/b", "file:/a", "file://localhost/a", "1a:b"] {
            assert!(Uri::parse(local).is_local(), "{local}");
        }
        for remote in ["file://host/a", "s3://b/x", "runs:/r/m"] {
            assert!(!Uri::parse(remote).is_local(), "{remote}");
        }
    }
}
