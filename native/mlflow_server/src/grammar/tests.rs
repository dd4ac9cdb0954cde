//! What MLflow 3.17.2 makes of filters and orders stands in `tests/mlflow.jsonl`, right ones and
//! wrong ones, and was taken from its own parsers.

use mlflow_store::tracking::query::{Comparator, Subject, Value as Operand};
use serde_json::{Value, json};

use super::*;

#[test]
fn reads_and_refuses_as_mlflow_does() {
    let cases = include_str!("tests/mlflow.jsonl");
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        assert_eq!(outcome(&case), case["expected"], "{case}");
    }
}

#[test]
fn hostile_texts_are_refused_in_time() {
    let deep = "(".repeat(50_000) + &")".repeat(50_000);
    let long = "params.a = 'b' AND ".repeat(5_000);
    let quotes = "'".repeat(100_001);
    let chain = "a=".repeat(4_900) + "a";
    let comments = "/* ".repeat(1_000_000);
    for text in [
        deep.as_str(),
        &long,
        &quotes,
        &chain,
        &comments,
        "\u{0}",
        "é'\u{301}`´",
        "-",
        "%(",
    ] {
        assert!(runs(text, &[]).is_err());
        assert!(experiments("", &[text.to_owned()]).is_err());
        assert!(logged_models(text).is_err());
    }
}

/// Every piece of a text is a text that somebody may send.
#[test]
fn no_piece_of_a_filter_panics() {
    let whole =
        "params.`ä``b` NOT IN ('x\\'', \"é\") AND metrics.\"q\" >= -1.5e-3 -- c\n; [a] $x ´";
    let places: Vec<_> = whole.char_indices().map(|(place, _)| place).collect();
    for start in &places {
        for end in places.iter().filter(|end| *end >= start) {
            let piece = &whole[*start..*end];
            let _ = runs(piece, &[piece.to_owned()]);
            let _ = model_versions(piece, &[piece.to_owned()]);
            let _ = registered_models(piece, &[piece.to_owned()]);
            let _ = logged_models(piece);
        }
    }
}

fn outcome(case: &Value) -> Value {
    let filter = case["filter"].as_str().unwrap();
    let order_by: Vec<String> = serde_json::from_value(case["order_by"].clone()).unwrap();
    let read = match case["search"].as_str().unwrap() {
        "runs" => runs(filter, &order_by),
        "experiments" => experiments(filter, &order_by),
        "models" => registered_models(filter, &order_by),
        "versions" => model_versions(filter, &order_by),
        _ => logged_models(filter).map(|filter| Search {
            filter,
            order_by: Vec::new(),
        }),
    };
    match read {
        Ok(search) => {
            let filter: Vec<_> = search.filter.iter().map(comparison).collect();
            let order: Vec<_> = search.order_by.iter().map(order).collect();
            json!({"ok": [filter, order]})
        }
        Err(refusal) => json!({"err": code(refusal.code), "message": sorted(&refusal.message)}),
    }
}

fn comparison(comparison: &Comparison) -> Value {
    let comparator = match comparison.comparator {
        Comparator::Equal => "=",
        Comparator::NotEqual => "!=",
        Comparator::Less => "<",
        Comparator::LessOrEqual => "<=",
        Comparator::Greater => ">",
        Comparator::GreaterOrEqual => ">=",
        Comparator::Like => "LIKE",
        Comparator::ILike => "ILIKE",
        Comparator::In => "IN",
        Comparator::NotIn => "NOT IN",
        Comparator::IsNull => "IS NULL",
        Comparator::IsNotNull => "IS NOT NULL",
    };
    let value = match &comparison.value {
        Operand::None => Value::Null,
        Operand::Text(text) => json!(text),
        Operand::Int(number) => json!(*number as f64),
        Operand::Real(number) => json!(number),
        Operand::Texts(texts) => json!(texts),
        Operand::Ints(numbers) => json!(numbers),
    };
    let (entity, key) = named(&comparison.subject);
    json!([entity, key, comparator, value])
}

fn order(order: &OrderBy) -> Value {
    let (entity, key) = named(&order.subject);
    json!([entity, key, order.ascending])
}

fn named(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Attribute(name) => ("attribute", name),
        Subject::Metric(key) => ("metric", key),
        Subject::Param(key) => ("parameter", key),
        Subject::Tag(key) => ("tag", key),
        Subject::Dataset(name) => ("dataset", name),
    }
}

fn code(code: Code) -> &'static str {
    match code {
        Code::InternalError => "INTERNAL_ERROR",
        Code::BadRequest => "BAD_REQUEST",
        _ => "INVALID_PARAMETER_VALUE",
    }
}

/// A message with the sets in it sorted, as Python shows them in any order.
fn sorted(message: &str) -> String {
    let Some((before, rest)) = message.split_once('{') else {
        return message.to_owned();
    };
    let Some((set, after)) = rest.split_once('}') else {
        return message.to_owned();
    };
    let mut items: Vec<_> = set.split(", ").collect();
    items.sort_unstable();
    format!("{before}{{{}}}{after}", items.join(", "))
}
