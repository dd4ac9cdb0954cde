//! Names, keywords and numbers.

use super::Kind;
use crate::grammar::words;

pub fn is_part(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// Names begin with a letter of Latin-1.
pub fn begins_name(character: char) -> bool {
    character.is_ascii_alphabetic()
        || matches!(character, '\u{c0}'..='\u{dc}' | '\u{e0}'..='\u{fc}')
}

/// Of the word that the text begins with.
pub fn length(text: &str) -> usize {
    text.find(|character| !is_part(character))
        .unwrap_or(text.len())
}

/// Whether a member is asked for, and not a fraction.
pub fn before_period(after: &str) -> bool {
    let member = after.trim_start().strip_prefix('.');
    member.is_some_and(|member| !member.starts_with(|next: char| next.is_ascii_digit()))
}

/// Keywords that stay keywords where a function's name would stand.
pub fn never_function(rest: &str) -> Option<usize> {
    let length = length(rest);
    let is_one = ["CASE", "IN", "VALUES", "USING", "FROM", "AS"]
        .iter()
        .any(|keyword| rest[..length].eq_ignore_ascii_case(keyword));
    is_one.then_some(length)
}

/// `@name`, `#name` and `##name`.
pub fn marked(rest: &str, first: char) -> Option<usize> {
    if !matches!(first, '@' | '#') {
        return None;
    }
    let mark = if rest.starts_with("##") { 2 } else { 1 };
    let name = &rest[mark..];
    let length = length(name);
    let begins = name.chars().next().is_some_and(begins_name);
    (begins && name[..length].chars().nth(1).is_some()).then_some(mark + length)
}

pub fn number(rest: &str) -> Option<(Kind, usize)> {
    let sign = usize::from(rest.starts_with('-'));
    let digits = &rest[sign..];
    let (kind, length) = hexadecimal(digits)
        .or_else(|| with_exponent(digits))
        .or_else(|| fraction(digits))
        .or_else(|| integer(digits))?;
    Some((kind, sign + length))
}

fn hexadecimal(digits: &str) -> Option<(Kind, usize)> {
    let after = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))?;
    let length = run(after, |digit| digit.is_ascii_hexdigit());
    (length > 0).then_some((Kind::Hexadecimal, length + 2))
}

fn with_exponent(digits: &str) -> Option<(Kind, usize)> {
    let whole = run(digits, |digit| digit.is_ascii_digit());
    let exponent = |from: usize| {
        let after = digits[from..].strip_prefix(['e', 'E'])?;
        let sign = usize::from(after.starts_with('-'));
        let length = run(&after[sign..], |digit| digit.is_ascii_digit());
        (length > 0).then_some((Kind::Float, from + 1 + sign + length))
    };
    if whole == 0 {
        return None;
    }
    let fraction = digits[whole..]
        .strip_prefix('.')
        .map_or(0, |after| run(after, |digit| digit.is_ascii_digit()));
    let with_fraction = (fraction > 0).then(|| exponent(whole + 1 + fraction));
    with_fraction.flatten().or_else(|| exponent(whole))
}

fn fraction(digits: &str) -> Option<(Kind, usize)> {
    let whole = run(digits, |digit| digit.is_ascii_digit());
    let after = digits[whole..].strip_prefix('.')?;
    let length = run(after, |digit| digit.is_ascii_digit());
    let least = usize::from(whole == 0);
    let length = before_letter(after, length, least)?;
    Some((Kind::Float, whole + 1 + length))
}

fn integer(digits: &str) -> Option<(Kind, usize)> {
    let length = run(digits, |digit| digit.is_ascii_digit());
    let length = before_letter(digits, length, 1)?;
    Some((Kind::Integer, length))
}

/// A number does not touch a letter: it gives up its last digit instead, where it has one to spare.
fn before_letter(digits: &str, length: usize, least: usize) -> Option<usize> {
    let next = digits[length..].chars().next();
    let touches = next.is_some_and(|next| next == '_' || begins_name(next));
    let length = if touches {
        length.checked_sub(1)?
    } else {
        length
    };
    (length >= least).then_some(length)
}

fn run(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.find(|character| !of(character)).unwrap_or(text.len())
}

/// A keyword, or a name.
pub fn token(rest: &str) -> Option<(Kind, usize)> {
    phrase(rest).or_else(|| {
        let part = |character: char| is_part(character) || matches!(character, '$' | '#');
        let length = if rest.starts_with(is_part) {
            run(rest, part)
        } else {
            0
        };
        (length > 0).then(|| (words::kind_of(&rest[..length]), length))
    })
}

/// Keywords of several words, and those that compare.
fn phrase(rest: &str) -> Option<(Kind, usize)> {
    const PHRASES: [(&[&str], Kind); 17] = [
        (&["NOT", "NULL"], Kind::Keyword),
        (&["ASC", "NULLS", "FIRST"], Kind::Order),
        (&["ASC", "NULLS", "LAST"], Kind::Order),
        (&["DESC", "NULLS", "FIRST"], Kind::Order),
        (&["DESC", "NULLS", "LAST"], Kind::Order),
        (&["ASC"], Kind::Order),
        (&["DESC"], Kind::Order),
        (&["UNION", "ALL"], Kind::Keyword),
        (&["GROUP", "BY"], Kind::Keyword),
        (&["ORDER", "BY"], Kind::Keyword),
        (&["PRIMARY", "KEY"], Kind::Keyword),
        (&["NOT", "LIKE"], Kind::Comparator),
        (&["NOT", "ILIKE"], Kind::Comparator),
        (&["NOT", "RLIKE"], Kind::Comparator),
        (&["LIKE"], Kind::Comparator),
        (&["ILIKE"], Kind::Comparator),
        (&["RLIKE"], Kind::Comparator),
    ];
    let found = PHRASES
        .iter()
        .find_map(|(words, kind)| Some((*kind, phrase_length(rest, words)?)));
    found.or_else(|| {
        let length =
            phrase_length(rest, &["NOT", "REGEXP"]).or_else(|| phrase_length(rest, &["REGEXP"]))?;
        Some((Kind::Comparator, length))
    })
}

fn phrase_length(rest: &str, words: &[&str]) -> Option<usize> {
    let mut at = 0;
    for (position, word) in words.iter().enumerate() {
        if position > 0 {
            let after = rest[at..].trim_start();
            let space = rest.len() - at - after.len();
            if space == 0 {
                return None;
            }
            at += space;
        }
        let length = length(&rest[at..]);
        if !rest[at..at + length].eq_ignore_ascii_case(word) {
            return None;
        }
        at += length;
    }
    Some(at)
}
