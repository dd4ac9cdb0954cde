//! What stands in quotes.

use super::Kind;

/// In backticks or acute accents.
pub fn name(rest: &str, first: char) -> Option<(Kind, usize)> {
    matches!(first, '`' | '´')
        .then(|| closed(rest, first, false))
        .flatten()
        .map(|length| (Kind::Name, length))
}

pub fn text(rest: &str, first: char) -> Option<(Kind, usize)> {
    let kind = match first {
        '\'' => Kind::Text,
        '"' => Kind::Symbol,
        _ => return None,
    };
    closed(rest, first, true).map(|length| (kind, length))
}

/// The length up to the closing quote. A quote that is doubled, or escaped, closes only where no
/// other is left to do it.
fn closed(rest: &str, quote: char, escapes: bool) -> Option<usize> {
    let width = quote.len_utf8();
    let mut last_resort = None;
    let mut at = width;
    while let Some(character) = rest[at..].chars().next() {
        let after = at + character.len_utf8();
        let next_is_quote = rest[after..].starts_with(quote);
        match character {
            '\\' if escapes && next_is_quote => {
                last_resort = Some(after + width);
                at = after + width;
            }
            _ if character == quote && next_is_quote => {
                last_resort = Some(after);
                at = after + width;
            }
            _ if character == quote => return Some(after),
            _ => at = after,
        }
    }
    last_resort
}
