//! When two values that are written differently are one.

use crate::model::{MetricValue, limits};

/// `1`, `1.0` and `1e0` are one value, and so are the spellings of infinity that a server may hand
/// back. Anything that is not a number is compared as it is, or as a server cuts it.
pub fn same_param(one: &str, two: &str) -> bool {
    one == two
        || same_integer(one, two)
            .or_else(|| same_number(one, two))
            .unwrap_or(false)
        || is_cut(&limits::PARAM_CUTS, one, two)
}

/// Tags are compared as they are, or as a server cuts them.
pub fn same_tag(one: &str, two: &str) -> bool {
    one == two || is_cut(&limits::TAG_CUTS, one, two)
}

/// Whether one is what a server leaves of the other.
fn is_cut(cuts: &[usize], one: &str, two: &str) -> bool {
    let (short, long) = if one.len() < two.len() {
        (one, two)
    } else {
        (two, one)
    };
    // Counting takes long, and a text has at most as many characters as bytes.
    cuts.iter().any(|cut| short.len() >= *cut)
        && long.starts_with(short)
        && cuts.contains(&short.chars().count())
}

/// Integers are compared exactly, of whatever length: a double would blur those beyond 2^53.
fn same_integer(one: &str, two: &str) -> Option<bool> {
    Some(integer(one)? == integer(two)?)
}

/// Whether it is negative, and its digits.
fn integer(text: &str) -> Option<(bool, &str)> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let significant = digits.trim_start_matches('0');
    is_integer.then_some((is_negative && !significant.is_empty(), significant))
}

fn same_number(one: &str, two: &str) -> Option<bool> {
    Some(number(one)? == number(two)?)
}

/// Digits too large for a double, such as a hash that looks like `12e45678`, are no number.
fn number(text: &str) -> Option<MetricValue> {
    let value: f64 = text.parse().ok()?;
    let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
    (value.is_finite() || !has_digits).then_some(MetricValue(value))
}

#[cfg(test)]
mod tests {
    use super::{same_param, same_tag};

    #[test]
    fn spellings_of_one_number_are_the_same() {
        assert!(same_param("1", "1.0"));
        assert!(same_param("0.00001", "1e-05"));
        assert!(same_param("inf", "Infinity"));
        assert!(same_param("NaN", "nan"));
        assert!(same_param("inf", "1.7976931348623157e308"));
        assert!(same_param("-Infinity", "-1.7976931348623157e308"));
        assert!(same_param("-0", "0"));
        assert!(same_param("+7", "007"));
        assert!(same_param("relu", "relu"));
    }

    #[test]
    fn different_values_differ() {
        assert!(!same_param("1", "2"));
        assert!(!same_param("9007199254740993", "9007199254740992"));
        let long = "3402823669209384634633746074317682114560";
        assert!(!same_param(long, &long.replace("4560", "4561")));
        assert!(!same_param("-1", "1"));
        assert!(!same_param("relu", "gelu"));
        assert!(!same_param("1", "one"));
        assert!(!same_param("", "0"));
        assert!(!same_param("-", "0"));
    }

    #[test]
    fn what_a_server_cut_is_the_same() {
        let text = |length| "ä".repeat(length);
        for cut in [500, 6000] {
            assert!(same_param(&text(cut), &text(9000)));
            assert!(same_param(&text(9000), &text(cut)));
            assert!(!same_param(&text(cut - 1), &text(9000)));
            assert!(!same_param(&text(cut), &format!("x{}", text(9000))));
        }
        for cut in [5000, 8000] {
            assert!(same_tag(&text(cut), &text(9000)));
            assert!(!same_tag(&text(cut + 1), &text(9000)));
        }
        assert!(!same_tag("", &text(9000)));
    }

    #[test]
    fn the_digits_that_a_server_cut_are_the_same() {
        assert!(same_param(&"1".repeat(500), &"1".repeat(501)));
        assert!(!same_param("1", "11"));
    }

    #[test]
    fn hashes_that_look_like_huge_numbers_are_text() {
        assert!(!same_param("12e45678", "34e56789"));
        assert!(!same_param("12e45678", "inf"));
        assert!(same_param("12e45678", "12e45678"));
    }
}
