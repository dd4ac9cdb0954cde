//! MLflow's limits, checked before a request is sent: the server would refuse it too, but later,
//! and with it everything that travels in the same request.

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Metric, Param, Tag, limits};

type Operation = &'static str;

pub(crate) fn run_id(operation: Operation, id: &str) -> Result<()> {
    if id.len() == limits::RUN_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let digits = limits::RUN_ID;
    Err(invalid(
        operation,
        format!("run_id is {digits} hex digits, not {}", quoted(id)),
    ))
}

pub(crate) fn experiment_id(operation: Operation, id: &str) -> Result<()> {
    if id.trim().is_empty() {
        return Err(invalid(operation, "experiment_id is empty".to_owned()));
    }
    Ok(())
}

pub(crate) fn experiment_name(operation: Operation, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(invalid(
            operation,
            "the experiment's name is empty".to_owned(),
        ));
    }
    at_most(operation, limits::EXPERIMENT_NAME, name, || {
        "the experiment's name".to_owned()
    })
}

pub(crate) fn metric(operation: Operation, metric: &Metric) -> Result<()> {
    key(operation, "metric", &metric.key)
}

pub(crate) fn metric_key(operation: Operation, metric: &str) -> Result<()> {
    key(operation, "metric", metric)
}

pub(crate) fn param(operation: Operation, param: &Param) -> Result<()> {
    key(operation, "param", &param.key)?;
    at_most(operation, limits::PARAM_VALUE, &param.value, || {
        format!("the value of param {}", quoted(&param.key))
    })
}

pub(crate) fn tag(operation: Operation, tag: &Tag) -> Result<()> {
    tag_key(operation, &tag.key)?;
    at_most(operation, limits::TAG_VALUE, &tag.value, || {
        format!("the value of tag {}", quoted(&tag.key))
    })
}

pub(crate) fn tag_key(operation: Operation, tag: &str) -> Result<()> {
    key(operation, "tag", tag)
}

fn key(operation: Operation, what: &str, key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(invalid(operation, format!("a {what} has an empty key")));
    }
    at_most(operation, limits::KEY, key, || {
        format!("the {what} key {}", quoted(key))
    })
}

fn at_most(
    operation: Operation,
    limit: usize,
    text: &str,
    what: impl FnOnce() -> String,
) -> Result<()> {
    // No text has more characters than bytes, and counting characters takes longer.
    if text.len() <= limit {
        return Ok(());
    }
    let length = text.chars().count();
    if length <= limit {
        return Ok(());
    }
    let message = format!(
        "{} has {length} characters; MLflow takes at most {limit}",
        what()
    );
    Err(invalid(operation, message))
}

/// Enough of a text to find it again.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn invalid(operation: Operation, message: String) -> Error {
    Error::new(ErrorKind::Invalid, operation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_characters() {
        let param = |length| Param {
            key: "k".to_owned(),
            value: "ä".repeat(length),
        };
        assert!(self::param("test", &param(6000)).is_ok());
        let error = self::param("test", &param(6001)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(
            error.message,
            "the value of param \"k\" has 6001 characters; MLflow takes at most 6000"
        );
        let tag = |length| Tag {
            key: "k".to_owned(),
            value: "x".repeat(length),
        };
        assert!(self::tag("test", &tag(8000)).is_ok());
        assert!(self::tag("test", &tag(8001)).is_err());
    }

    #[test]
    fn keys_and_names_are_neither_empty_nor_endless() {
        assert!(metric_key("test", &"k".repeat(250)).is_ok());
        let error = metric_key("test", &"k".repeat(251)).unwrap_err();
        assert!(error.message.contains("251 characters"), "{error}");
        assert!(error.message.len() < 200, "{error}");
        assert!(
            tag_key("test", "")
                .unwrap_err()
                .message
                .contains("a tag has an empty key")
        );
        assert!(experiment_name("test", " ").is_err());
        assert!(experiment_name("test", &"n".repeat(501)).is_err());
        assert!(experiment_id("test", "").is_err());
    }

    #[test]
    fn run_ids_are_32_hex_digits() {
        assert!(run_id("test", "0123456789abcdefABCDEF0123456789").is_ok());
        for id in [
            "",
            "0123",
            "0123456789abcdef0123456789abcdeg",
            "../../../../../../../../x/y/z/w",
        ] {
            assert!(
                run_id("test", id)
                    .unwrap_err()
                    .message
                    .contains("32 hex digits"),
                "{id}"
            );
        }
    }
}
