//! When two spellings of a param are one value.

use crate::model::MetricValue;

/// `1`, `1.0` and `1e0` are one value, and so are the spellings of infinity that a server may hand
/// back. Anything that is not a number is compared as it is.
pub fn same_param(one: &str, two: &str) -> bool {
    one == two
        || same_integer(one, two)
            .or_else(|| same_number(one, two))
            .unwrap_or(false)
}

/// Integers are compared exactly: a double would blur those beyond 2^53.
fn same_integer(one: &str, two: &str) -> Option<bool> {
    Some(one.parse::<i128>().ok()? == two.parse::<i128>().ok()?)
}

fn same_number(one: &str, two: &str) -> Option<bool> {
    Some(MetricValue(one.parse().ok()?) == MetricValue(two.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::same_param;

    #[test]
    fn spellings_of_one_number_are_the_same() {
        assert!(same_param("1", "1.0"));
        assert!(same_param("0.00001", "1e-05"));
        assert!(same_param("inf", "Infinity"));
        assert!(same_param("NaN", "nan"));
        assert!(same_param("relu", "relu"));
    }

    #[test]
    fn different_values_differ() {
        assert!(!same_param("1", "2"));
        assert!(!same_param("9007199254740993", "9007199254740992"));
        assert!(!same_param("relu", "gelu"));
        assert!(!same_param("1", "one"));
        assert!(!same_param("", "0"));
    }
}
