//! A download as a response. Always an attachment: what one user uploads must not run as a page of
//! this server in the browser of another.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mlflow_store::tracking::{Code, Refusal};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Download, Span};
use crate::answer::refuse;

/// What may stand in an extended header value (<https://www.rfc-editor.org/rfc/rfc5987>).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What a request asks for of a file.
enum Asked {
    Whole,
    Part(Span),
    Nothing,
}

impl Download {
    pub async fn send(self, request: &HeaderMap) -> Response {
        let size = self.size;
        let mut headers = self.headers();
        let (status, span) = match self.asked(request) {
            Asked::Whole => (StatusCode::OK, None),
            Asked::Part(span) => (StatusCode::PARTIAL_CONTENT, Some(span)),
            Asked::Nothing => return not_satisfiable(size),
        };
        let length = span.map_or(size, |span| span.last - span.first + 1);
        headers.insert(header::CONTENT_LENGTH, length.into());
        if let Some(Span { first, last }) = span {
            let range = value(&format!("bytes {first}-{last}/{size}"));
            headers.insert(header::CONTENT_RANGE, range);
        }
        match self.into_body(span).await {
            Ok(body) => (status, headers, body).into_response(),
            Err(error) => refuse(&Refusal::new(
                Code::InternalError,
                format!("The artifact cannot be read: {error}"),
            )),
        }
    }

    fn headers(&self) -> HeaderMap {
        let modified = httpdate::fmt_http_date(self.modified);
        let plain = HeaderValue::from_static;
        HeaderMap::from_iter([
            (header::CONTENT_TYPE, plain(self.media_type)),
            (header::CONTENT_DISPOSITION, value(&disposition(&self.name))),
            (header::ACCEPT_RANGES, plain("bytes")),
            (header::ETAG, value(&self.etag())),
            (header::LAST_MODIFIED, value(&modified)),
        ])
    }

    /// A range that cannot be read is none, and neither is one of a file that changed meanwhile.
    fn asked(&self, request: &HeaderMap) -> Asked {
        let text = |name| request.get(name).and_then(|value| value.to_str().ok());
        let is_same = text(header::IF_RANGE).is_none_or(|known| known == self.etag());
        let range = text(header::RANGE).filter(|_| is_same);
        match range.and_then(|range| range.strip_prefix("bytes=")) {
            Some(range) => part(range, self.size),
            None => Asked::Whole,
        }
    }
}

fn part(range: &str, size: u64) -> Asked {
    let Some((first, last)) = range.trim().split_once('-') else {
        return Asked::Whole;
    };
    let span = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), Some(last)) if first <= last => Span { first, last },
        (Some(first), None) if last.is_empty() => Span {
            first,
            last: u64::MAX,
        },
        (None, Some(0)) if first.is_empty() => return Asked::Nothing,
        (None, Some(count)) if first.is_empty() => Span {
            first: size.saturating_sub(count),
            last: u64::MAX,
        },
        _ => return Asked::Whole,
    };
    if span.first >= size {
        return Asked::Nothing;
    }
    Asked::Part(Span {
        first: span.first,
        last: span.last.min(size - 1),
    })
}

fn not_satisfiable(size: u64) -> Response {
    let range = [(header::CONTENT_RANGE, value(&format!("bytes */{size}")))];
    (StatusCode::RANGE_NOT_SATISFIABLE, range, Body::empty()).into_response()
}

fn disposition(name: &str) -> String {
    if name.is_ascii() {
        return format!("attachment; filename={}", quoted(name));
    }
    let ascii: String = name.chars().filter(char::is_ascii).collect();
    let fallback = if ascii.is_empty() { "download" } else { &ascii };
    format!(
        "attachment; filename={}; filename*=UTF-8''{}",
        quoted(fallback),
        utf8_percent_encode(name, ENCODED)
    )
}

/// As it is, where it is what HTTP calls a token.
fn quoted(name: &str) -> String {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        return name.to_owned();
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Texts of this file's own making, which hold nothing that a header may not.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, expected) in [
            ("a.txt", "attachment; filename=a.txt"),
            ("a b.txt", "attachment; filename=\"a b.txt\""),
            ("a\"b.txt", "attachment; filename=\"a\\\"b.txt\""),
            (
                "日.txt",
                "attachment; filename=.txt; filename*=UTF-8''%E6%97%A5.txt",
            ),
            (
                "日",
                "attachment; filename=download; filename*=UTF-8''%E6%97%A5",
            ),
        ] {
            assert_eq!(disposition(name), expected);
        }
    }
}
