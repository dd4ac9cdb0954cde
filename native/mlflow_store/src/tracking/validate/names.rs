//! Names of metrics, params and tags, which MLflow also uses as paths.

use super::invalid_value;
use crate::tracking::error::Result;
use crate::tracking::python;

/// That a name holds only what MLflow allows, and means no other name when it is taken for a path.
pub fn name(field: &str, name: &str) -> Result<()> {
    check(name, || field.to_owned())
}

/// [`name`], of a field that is told only where it is refused.
pub(super) fn check(name: &str, field: impl Fn() -> String) -> Result<()> {
    if !name.chars().all(is_allowed) {
        let why = ": Names may only contain alphanumerics, underscores (_), dashes (-), \
                   periods (.), spaces ( ), colon(:) and slashes (/).";
        return Err(invalid_value(&field(), name, why));
    }
    if is_plain_path(name) {
        return Ok(());
    }
    let why = format!(
        ": Names may be treated as files in certain cases, and must not resolve to other names \
         when treated as such. This name would resolve to {}",
        python::repr(&normalised(name))
    );
    Err(invalid_value(&field(), name, &why))
}

pub(super) fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn is_allowed(character: char) -> bool {
    is_word(character) || matches!(character, '/' | '.' | '-' | ' ' | ':')
}

fn is_plain_path(name: &str) -> bool {
    let mut parts = name.split('/');
    !name.starts_with("..") && parts.all(|part| !matches!(part, "" | "." | ".."))
}

/// Without empty parts, "." and what ".." undoes, as `posixpath.normpath` has it.
fn normalised(path: &str) -> String {
    let root = match path.len() - path.trim_start_matches('/').len() {
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
    let path = format!("{root}{}", parts.join("/"));
    if path.is_empty() { ".".into() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mlflow_takes() {
        for good in ["a", "a/b", "loss: x-y_z.w", "ü", "a.b/..c", "a ."] {
            name("key", good).unwrap();
        }
        for bad in [
            "", ".", "..", "..a", "/a", "a/", "a//b", "a/../b", "a!", "a'b", "😀",
        ] {
            name("key", bad).unwrap_err();
        }
    }

    #[test]
    fn paths_are_normalised_as_in_python() {
        let cases = [
            ("", "."),
            ("a//b/", "a/b"),
            ("a/../b", "b"),
            ("/x", "/x"),
            ("//x", "//x"),
            ("///x", "/x"),
            ("/../x", "/x"),
            ("../../x", "../../x"),
            ("a/../..", ".."),
        ];
        for (path, plain) in cases {
            assert_eq!(normalised(path), plain, "{path}");
        }
    }
}
