//! How much one search may ask for.

use crate::tracking::error::{Code, Refusal, Result};

/// What SQLite takes in one statement, with room to spare.
const MOST_COMPARISONS: usize = 200;
const MOST_TERMS: usize = 50;

/// `terms` are those of the order, or of whatever else is listed besides the comparisons.
pub fn check(comparisons: usize, terms: usize) -> Result<()> {
    if comparisons <= MOST_COMPARISONS && terms <= MOST_TERMS {
        return Ok(());
    }
    Err(Refusal::new(
        Code::BadRequest,
        format!(
            "A search takes up to {MOST_COMPARISONS} comparisons, {MOST_TERMS} orders and as many \
             datasets: ask for less at once."
        ),
    ))
}
