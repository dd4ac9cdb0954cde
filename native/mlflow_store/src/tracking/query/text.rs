//! A column compared with a value, as MLflow has SQLite compare them.

use rusqlite::types::Value as Bound;

use super::{Comparator, Condition, Value};

/// `column` is SQL of our own.
pub fn test(column: &str, comparator: Comparator, value: &Value) -> Condition {
    let mut condition = Condition::new(column);
    match (comparator, value) {
        (Comparator::IsNull, _) => condition.push(" IS NULL"),
        (Comparator::IsNotNull, _) => condition.push(" IS NOT NULL"),
        (Comparator::Like, Value::Text(pattern)) => {
            condition.push(" GLOB ").bind(Glob::from_like(pattern).0)
        }
        // SQLite's LIKE knows no case, within ASCII.
        (Comparator::ILike, value) => condition.push(" LIKE ").bind(bound(value)),
        (Comparator::In, value) => condition
            .push(" IN (SELECT value FROM json_each(")
            .bind(bound(value))
            .push("))"),
        (Comparator::NotIn, value) => condition
            .push(" NOT IN (SELECT value FROM json_each(")
            .bind(bound(value))
            .push("))"),
        (comparator, value) => condition.push(operator(comparator)).bind(bound(value)),
    };
    condition
}

fn operator(comparator: Comparator) -> &'static str {
    match comparator {
        Comparator::NotEqual => " != ",
        Comparator::Less => " < ",
        Comparator::LessOrEqual => " <= ",
        Comparator::Greater => " > ",
        Comparator::GreaterOrEqual => " >= ",
        _ => " = ",
    }
}

fn bound(value: &Value) -> Bound {
    match value {
        Value::None => Bound::Null,
        Value::Text(text) => Bound::Text(text.clone()),
        Value::Int(number) => Bound::Integer(*number),
        Value::Real(number) => Bound::Real(*number),
        Value::Texts(texts) => Bound::Text(serde_json::Value::from(texts.clone()).to_string()),
        Value::Ints(numbers) => Bound::Text(format!("{numbers:?}")),
    }
}

/// A pattern of SQLite's `GLOB`, which minds case, as MLflow's `LIKE` does.
#[derive(Debug, PartialEq, Eq)]
struct Glob(String);

impl Glob {
    fn from_like(pattern: &str) -> Self {
        let mut glob = String::with_capacity(pattern.len());
        for character in pattern.chars() {
            match character {
                '%' => glob.push('*'),
                '_' => glob.push('?'),
                '*' | '?' | '[' => glob.extend(['[', character, ']']),
                _ => glob.push(character),
            }
        }
        Self(glob)
    }
}
