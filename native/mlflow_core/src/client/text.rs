//! Making text from a server fit for an error message.

/// The longest text of a server that an error carries, in characters.
const MESSAGE: usize = 600;

/// The longest piece shown of a body that is no MLflow answer, in characters.
const SNIPPET: usize = 120;

/// A server's message on one line, cut at a length that a log can bear.
pub(super) fn message(text: &str) -> String {
    clip(text, MESSAGE)
}

/// The beginning of a body, to recognise it by.
pub(super) fn snippet(body: &[u8]) -> String {
    // Four bytes per character at most, and white space that collapses: enough for a snippet.
    let start = &body[..body.len().min(SNIPPET * 16)];
    clip(&String::from_utf8_lossy(start), SNIPPET)
}

fn clip(text: &str, limit: usize) -> String {
    let mut clipped = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !clipped.is_empty() {
            clipped.push(' ');
        }
        clipped.push_str(word);
        if let Some((end, _)) = clipped.char_indices().nth(limit) {
            clipped.truncate(end);
            clipped.push('…');
            break;
        }
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_printable_line_of_bounded_length() {
        assert_eq!(
            snippet(b"<html>\r\n\x1b[31m  <p>Hi</p>\0"),
            "<html> [31m <p>Hi</p>"
        );
        assert_eq!(snippet(&[0xff, b'x']), "\u{fffd}x");
        assert_eq!(message(&"ä".repeat(10_000)).chars().count(), MESSAGE + 1);
    }
}
