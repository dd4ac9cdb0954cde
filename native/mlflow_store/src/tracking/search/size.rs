//! How much one search may ask for.

use crate::tracking::error::{Code, Refusal, Result};
use crate::tracking::query::{Comparator, Comparison, Value};

/// What SQLite takes in one statement, with room to spare.
const MOST_COMPARISONS: usize = 200;
const MOST_TERMS: usize = 50;
/// SQLite goes one deeper into its stack for each of them.
const MOST_WILDCARDS: usize = 100;
/// Bytes. It may be compared with every piece of every value, and nothing interrupts that.
const LONGEST_PATTERN: usize = 500;

/// `terms` are those of the order, or of whatever else is listed besides the filter.
pub fn check(filter: &[Comparison], terms: usize) -> Result<()> {
    if filter.len() > MOST_COMPARISONS || terms > MOST_TERMS {
        return Err(too_much(format!(
            "A search takes up to {MOST_COMPARISONS} comparisons, {MOST_TERMS} orders and as many \
             datasets: ask for less at once."
        )));
    }
    if filter.iter().filter_map(pattern).all(is_small) {
        return Ok(());
    }
    Err(too_much(format!(
        "A pattern takes up to {MOST_WILDCARDS} '%' and {LONGEST_PATTERN} bytes."
    )))
}

fn pattern(comparison: &Comparison) -> Option<&str> {
    match (comparison.comparator, &comparison.value) {
        (Comparator::Like | Comparator::ILike, Value::Text(pattern)) => Some(pattern),
        _ => None,
    }
}

fn is_small(pattern: &str) -> bool {
    pattern.len() <= LONGEST_PATTERN && pattern.matches('%').count() <= MOST_WILDCARDS
}

fn too_much(message: String) -> Refusal {
    Refusal::new(Code::BadRequest, message)
}
