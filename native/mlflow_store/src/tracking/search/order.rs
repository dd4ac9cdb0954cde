//! An order of rows in SQL, and the condition for what comes after one of them.

use rusqlite::types::Value as Bound;

use super::token::Place;
use crate::tracking::query::Condition;

/// Rows are ordered by rank, which tells values that can be compared from those that are missing,
/// and then by value.
#[derive(Clone, Debug)]
pub struct Term {
    pub rank: String,
    pub value: String,
    pub ascending: bool,
}

impl Term {
    /// Of a column that always holds something.
    pub fn filled(column: &str, ascending: bool) -> Self {
        Self {
            rank: "0".to_owned(),
            value: column.to_owned(),
            ascending,
        }
    }

    fn direction(&self) -> &'static str {
        if self.ascending { "" } else { " DESC" }
    }

    /// Whether what comes after is greater.
    fn sign(&self) -> &'static str {
        if self.ascending { " > " } else { " < " }
    }
}

/// The columns of an order: its terms, and an id that is unique.
#[derive(Clone, Debug)]
pub struct Order {
    pub terms: Vec<Term>,
    pub id: Term,
}

impl Order {
    /// For rows that all have the same rank in the first term, or no value of it at all.
    pub fn sql(&self, is_missing: bool) -> String {
        let mut columns = Vec::new();
        for (place, term) in self.terms.iter().enumerate() {
            if place > 0 && term.rank != "0" {
                columns.push(term.rank.clone());
            }
            if place > 0 || !is_missing {
                columns.push(format!("{}{}", term.value, term.direction()));
            }
        }
        columns.push(format!("{}{}", self.id.value, self.id.direction()));
        format!(" ORDER BY {}", columns.join(", "))
    }

    /// That a row comes after `place`, whose rank in the first term it has.
    pub fn after(&self, place: &Place) -> Condition {
        let mut after = Condition::new(&self.id.value);
        after.push(self.id.sign()).bind(place.id.clone());
        for (at, term) in self.terms.iter().enumerate().rev() {
            let Some((rank, value)) = place.keys.get(at) else {
                continue;
            };
            after = later_value(term, value, after);
            if at > 0 && term.rank != "0" {
                after = later_rank(term, *rank, after);
            }
        }
        after
    }
}

/// The bound stands there twice so that an index can begin at it.
fn later_value(term: &Term, value: &Bound, rest: Condition) -> Condition {
    if *value == Bound::Null {
        return rest;
    }
    let mut later = Condition::new("(");
    later.push(&term.value).push(term.sign().trim_end());
    later.push("= ").bind(value.clone()).push(" AND (");
    later
        .push(&term.value)
        .push(term.sign())
        .bind(value.clone());
    later.push(" OR ").append(rest).push("))");
    later
}

fn later_rank(term: &Term, rank: i64, rest: Condition) -> Condition {
    let mut later = Condition::new("(");
    later.push(&term.rank).push(" > ").bind(rank).push(" OR (");
    later.push(&term.rank).push(" = ").bind(rank).push(" AND ");
    later.append(rest).push("))");
    later
}
