//! Paths that clients name, checked as MLflow checks them before a file is looked for.

use std::path::PathBuf;

use mlflow_store::tracking::Refusal;
use percent_encoding::percent_decode_str;

/// Encodings within encodings, after which a path is not worth reading.
const DEEPEST_ENCODING: usize = 10;

/// A path below the folder of the artifacts, or below another one, with nothing in it that leads
/// elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactPath {
    text: String,
}

impl ArtifactPath {
    /// From what a client sent, which may be encoded more than once.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let decoded = decode(text)?;
        Self::plain(&decoded)
    }

    /// From what is not encoded.
    pub fn plain(text: &str) -> Result<Self, Refusal> {
        let text = escape_controls(text);
        let leads_elsewhere = text.contains('#')
            || text.starts_with('/')
            || is_windows_root(&text)
            || text.split('/').any(|part| part == "..")
            || text
                .get(..5)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"));
        if leads_elsewhere {
            return Err(invalid());
        }
        Ok(Self { text })
    }

    /// As the client wrote it, decoded.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn join(&self, below: &Self) -> Self {
        let text = match (self.text.trim_end_matches('/'), below.text()) {
            ("", below) => below.to_owned(),
            (folder, below) => format!("{folder}/{below}"),
        };
        Self { text }
    }

    /// Without what leads nowhere; a dot for the root.
    pub fn inside(&self) -> PathBuf {
        let path: PathBuf = self.parts().collect();
        if path.as_os_str().is_empty() {
            ".".into()
        } else {
            path
        }
    }

    pub fn is_root(&self) -> bool {
        self.parts().next().is_none()
    }

    /// The folder that it lies in, as written, and its own name.
    pub fn split(&self) -> (&str, &str) {
        match self.text.rsplit_once('/') {
            Some((folder, name)) => (folder.trim_end_matches('/'), name),
            None => ("", &self.text),
        }
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        let parts = self.text.split('/');
        parts.filter(|part| !matches!(*part, "" | "."))
    }
}

pub fn invalid() -> Refusal {
    Refusal::invalid("Invalid path")
}

fn decode(text: &str) -> Result<String, Refusal> {
    let mut text = text.replace(['\t', '\r', '\n'], "");
    for _ in 0..DEEPEST_ENCODING {
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return Ok(text);
        }
        text = decoded;
    }
    Err(invalid())
}

fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_control() {
            escaped.push_str(&format!("%{:02x}", character as u32));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// `C:\`, `C:/` and `\\server`.
fn is_windows_root(text: &str) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    match text.as_bytes() {
        [first, second, ..] if is_separator(first) && is_separator(second) => true,
        [drive, b':', separator, ..] => drive.is_ascii_alphabetic() && is_separator(separator),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_refused_however_it_is_encoded() {
        for path in [
            "..",
            "a/..",
            "../a",
            "a/../../b",
            "/etc",
            "//etc",
            "%2e%2e",
            "%252e%252e/x",
            "..%2fx",
            "%2fetc",
            "C:\\x",
            "c:/x",
            "\\\\host\\x",
            "file:///etc",
            "FILE:x",
            "a#b",
            "%2523",
        ] {
            assert_eq!(ArtifactPath::parse(path), Err(invalid()), "{path}");
        }
    }

    #[test]
    fn other_paths_are_taken_as_they_are() {
        for (path, text, inside) in [
            ("a/b.txt", "a/b.txt", "a/b.txt"),
            ("./a//b/", "./a//b/", "a/b"),
            ("a%20b", "a b", "a b"),
            ("a%00b", "a%00b", "a%00b"),
            ("a\\b", "a\\b", "a\\b"),
            ("...", "...", "..."),
            ("", "", "."),
        ] {
            let read = ArtifactPath::parse(path).unwrap();
            assert_eq!(
                (read.text(), read.inside()),
                (text, inside.into()),
                "{path}"
            );
        }
    }
}
