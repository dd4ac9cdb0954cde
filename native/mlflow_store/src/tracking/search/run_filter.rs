//! Comparisons of a search over runs as conditions on `runs`, and as look-ups of run numbers where
//! an index serves them.

use rusqlite::{Connection, OptionalExtension};

use crate::tracking::error::Result;
use crate::tracking::query::{Comparator, Comparison, Condition, Subject, Value, test};

/// Where clients keep the name of a run; the column is for showing it.
const RUN_NAME: &str = "mlflow.runName";
const DATASET_CONTEXT: &str = "mlflow.data.context";

/// That a run satisfies the comparison.
pub fn condition(conn: &Connection, comparison: &Comparison) -> Result<Condition> {
    let (comparator, value) = (comparison.comparator, &comparison.value);
    Ok(match &comparison.subject {
        Subject::Attribute("run_name") => pair("tags", RUN_NAME, comparator, value),
        Subject::Attribute(name) => test(&column(name), comparator, value),
        Subject::Metric(key) => match metric_key(conn, key)? {
            Some(key_no) => metric(key_no, comparator, value),
            None => Condition::new("0"),
        },
        Subject::Param(key) => pair("params", key, comparator, value),
        Subject::Tag(key) => pair("tags", key, comparator, value),
        Subject::Dataset("context") => dataset_context(comparator, value),
        Subject::Dataset(name) => dataset(name, comparator, value),
    })
}

/// The numbers of the runs that satisfy the comparison, each once, if an index has them together.
pub fn lookup(conn: &Connection, comparison: &Comparison) -> Result<Option<Condition>> {
    let (comparator, value) = (comparison.comparator, &comparison.value);
    Ok(match (&comparison.subject, comparator, value) {
        (Subject::Attribute("run_id"), Comparator::Equal | Comparator::In, _) => {
            let mut numbers = Condition::new("SELECT run_no FROM runs WHERE ");
            numbers.append(test("run_id", comparator, value));
            Some(numbers)
        }
        (Subject::Attribute("run_name"), Comparator::Equal, Value::Text(text)) => {
            Some(pair_lookup("tags", RUN_NAME, text))
        }
        (Subject::Param(key), Comparator::Equal, Value::Text(text)) => {
            Some(pair_lookup("params", key, text))
        }
        (Subject::Tag(key), Comparator::Equal, Value::Text(text)) => {
            Some(pair_lookup("tags", key, text))
        }
        (Subject::Metric(key), _, _) if comparator != Comparator::NotEqual => {
            metric_key(conn, key)?.map(|key_no| {
                let mut numbers =
                    Condition::new("SELECT run_no FROM latest_metrics WHERE key_no = ");
                numbers.bind(key_no).push(" AND is_nan = 0");
                numbers.and(test("value", comparator, value));
                numbers
            })
        }
        _ => None,
    })
}

pub fn metric_key(conn: &Connection, key: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT key_no FROM metric_keys WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

/// The column of an attribute.
pub fn column(name: &str) -> String {
    match name {
        "run_name" => "runs.name".to_owned(),
        name => format!("runs.{name}"),
    }
}

/// A value that is no number differs from every number, and compares with none.
pub fn metric_test(table: &str, comparator: Comparator, value: &Value) -> Condition {
    let is_nan = format!("{table}.is_nan");
    let mut condition = Condition::new("(");
    condition.append(test(&format!("{table}.value"), comparator, value));
    let nan = if comparator == Comparator::NotEqual {
        " OR "
    } else {
        " AND NOT "
    };
    condition.push(nan).push(&is_nan).push(")");
    condition
}

fn metric(key_no: i64, comparator: Comparator, value: &Value) -> Condition {
    let mut exists = Condition::new(
        "EXISTS (SELECT 1 FROM latest_metrics AS held \
         WHERE held.run_no = runs.run_no AND held.key_no = ",
    );
    exists.bind(key_no);
    exists.and(metric_test("held", comparator, value)).push(")");
    exists
}

fn pair(table: &str, key: &str, comparator: Comparator, value: &Value) -> Condition {
    let negation = if comparator == Comparator::IsNull {
        "NOT "
    } else {
        ""
    };
    let mut exists = Condition::new(negation);
    exists.push("EXISTS (SELECT 1 FROM ").push(table);
    exists.push(" AS held WHERE held.run_no = runs.run_no AND held.key = ");
    exists.bind(key.to_owned());
    if !matches!(comparator, Comparator::IsNull | Comparator::IsNotNull) {
        exists.and(test("held.value", comparator, value));
    }
    exists.push(")");
    exists
}

/// By the beginning of the value, which is what the index holds.
fn pair_lookup(table: &str, key: &str, value: &str) -> Condition {
    let beginning: String = value.chars().take(64).collect();
    let mut numbers = Condition::new("SELECT run_no FROM ");
    numbers
        .push(table)
        .push(" WHERE key = ")
        .bind(key.to_owned());
    numbers.push(" AND substr(value, 1, 64) = ").bind(beginning);
    numbers.push(" AND value = ").bind(value.to_owned());
    numbers
}

fn dataset(name: &str, comparator: Comparator, value: &Value) -> Condition {
    let mut exists = Condition::new(
        "EXISTS (SELECT 1 FROM dataset_inputs JOIN datasets USING (dataset_no) \
         WHERE dataset_inputs.run_no = runs.run_no AND ",
    );
    exists.append(test(&format!("datasets.{name}"), comparator, value));
    exists.push(")");
    exists
}

fn dataset_context(comparator: Comparator, value: &Value) -> Condition {
    let mut exists = Condition::new(
        "EXISTS (SELECT 1 FROM dataset_input_tags AS held \
         WHERE held.run_no = runs.run_no AND held.key = ",
    );
    exists.bind(DATASET_CONTEXT.to_owned());
    exists.and(test("held.value", comparator, value)).push(")");
    exists
}
