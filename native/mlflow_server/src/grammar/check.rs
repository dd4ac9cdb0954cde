//! Whether a comparator suits what it compares; each of MLflow's searches has words of its own for
//! where it does not.

use mlflow_store::tracking::query::{Comparator, Comparison, Subject, Value};
use mlflow_store::tracking::{Code, Refusal, python};

use super::dialect::{
    DATASET_KEYS, Dialect, NULLABLE, NUMERIC, Resource, TEXT, set, without_alias,
};
use super::filter::Parsed;
use super::identifier::Entity;

pub fn check(dialect: &Dialect, parsed: Parsed) -> Result<Comparison, Refusal> {
    let comparison = match dialect.resource {
        Resource::Runs => of_runs(dialect, parsed),
        Resource::Experiments => of_experiments(dialect, parsed),
        Resource::RegisteredModels => of_registered_models(dialect, parsed),
        Resource::ModelVersions => of_model_versions(dialect, parsed),
    }?;
    let takes_list = matches!(comparison.comparator, Comparator::In | Comparator::NotIn);
    match (&comparison.value, takes_list) {
        (Value::Texts(_), false) | (Value::Text(_), true) => Err(mismatched()),
        _ => Ok(comparison),
    }
}

/// MLflow lets its database refuse these, in the database's words.
pub fn mismatched() -> Refusal {
    Refusal::new(
        Code::BadRequest,
        "A list of values is compared with IN or NOT IN, and a single value with neither.",
    )
}

fn of_runs(dialect: &Dialect, mut parsed: Parsed) -> Result<Comparison, Refusal> {
    parsed.comparator = parsed.comparator.to_uppercase();
    let comparator = &parsed.comparator;
    let is_numeric = dialect.numeric.contains(&parsed.key.as_str());
    let (known, shown, end) = match parsed.entity {
        Entity::Attribute if is_numeric => (NUMERIC, TEXT, ""),
        Entity::Attribute => (TEXT, TEXT, "'"),
        Entity::Metric => (NUMERIC, NUMERIC, ""),
        Entity::Param => (NULLABLE, NULLABLE, "'"),
        Entity::Tag => (NULLABLE, NULLABLE, ""),
        Entity::Dataset => (TEXT, TEXT, ""),
    };
    one_of(comparator, known, shown, end)?;
    let known = match parsed.entity {
        Entity::Dataset => DATASET_KEYS,
        _ => dialect.attributes,
    };
    typed(parsed, known)
}

fn of_experiments(dialect: &Dialect, mut parsed: Parsed) -> Result<Comparison, Refusal> {
    let comparator = parsed.comparator.as_str();
    if parsed.entity == Entity::Tag {
        let known = ["=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"];
        expect(comparator, &known, "Invalid comparator for tag")?;
    } else if parsed.key == "experiment_id" {
        let known = ["=", "!=", "IN", "NOT IN"];
        expect(comparator, &known, "Invalid comparator for experiment_id")?;
        check_ids(&parsed.value)?;
    } else if dialect.numeric.contains(&parsed.key.as_str()) {
        one_of(comparator, NUMERIC, TEXT, "")?;
        parsed.value = whole(&parsed.key, parsed.value, python::repr)?;
    } else {
        one_of(comparator, TEXT, TEXT, "'")?;
        let known = ["=", "!=", "LIKE", "ILIKE"];
        expect(
            comparator,
            &known,
            "Invalid comparator for string attribute",
        )?;
    }
    typed(parsed, dialect.attributes)
}

fn of_registered_models(dialect: &Dialect, mut parsed: Parsed) -> Result<Comparison, Refusal> {
    parsed.comparator = parsed.comparator.to_uppercase();
    check_registry(&parsed, TEXT)?;
    typed(parsed, dialect.attributes)
}

fn of_model_versions(dialect: &Dialect, mut parsed: Parsed) -> Result<Comparison, Refusal> {
    parsed.comparator = parsed.comparator.to_uppercase();
    let key = parsed.key.as_str();
    if parsed.entity == Entity::Attribute && dialect.numeric.contains(&key) {
        let what = format!("Invalid comparator for attribute {key}");
        expect(&parsed.comparator, NUMERIC, &what)?;
        parsed.value = match parsed.value {
            Value::Real(real) if real.abs() < 1e16 => {
                return Err(not_numeric(key, &shown(real)));
            }
            value => whole(key, value, str::to_owned)?,
        };
    } else if dialect.listed.contains(&key) {
        check_registry(&parsed, TEXT)?;
    } else {
        check_registry(&parsed, &["!=", "=", "LIKE", "ILIKE"])?;
    }
    typed(parsed, dialect.attributes)
}

fn check_registry(parsed: &Parsed, of_attribute: &[&str]) -> Result<(), Refusal> {
    let comparator = &parsed.comparator;
    match parsed.entity {
        Entity::Tag => {
            let known = ["=", "!=", "LIKE", "ILIKE"];
            expect(comparator, &known, "Invalid comparator for tag")
        }
        _ => expect(comparator, of_attribute, "Invalid comparator for attribute"),
    }
}

fn expect(comparator: &str, known: &[&str], what: &str) -> Result<(), Refusal> {
    if known.contains(&comparator) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("{what}: {comparator}")))
}

/// MLflow leaves the quote open in some of these messages, and shows another set than it looks in.
fn one_of(comparator: &str, known: &[&str], shown: &[&str], end: &str) -> Result<(), Refusal> {
    if known.contains(&comparator) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid comparator '{comparator}' not one of '{}{end}",
        set(shown)
    )))
}

fn check_ids(value: &Value) -> Result<(), Refusal> {
    let ids: &[String] = match value {
        Value::Text(id) => std::slice::from_ref(id),
        Value::Texts(ids) => ids,
        _ => &[],
    };
    ids.iter()
        .try_for_each(|id| crate::handlers::parse_experiment_id(id).map(drop))
}

fn whole(key: &str, value: Value, show: fn(&str) -> String) -> Result<Value, Refusal> {
    match value {
        Value::Text(text) => match text.trim().parse() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => Err(not_numeric(key, &python::repr(&text))),
        },
        // Digits without a fraction, but too many.
        Value::Real(real) if real.abs() < 1e16 => Err(not_numeric(key, &show(&shown(real)))),
        value => Ok(value),
    }
}

/// As Python shows a fraction.
fn shown(real: f64) -> String {
    format!("{real:?}")
}

fn not_numeric(key: &str, value: &str) -> Refusal {
    Refusal::invalid(format!(
        "Invalid value for numeric attribute '{key}': {value}"
    ))
}

fn typed(parsed: Parsed, known: &[&'static str]) -> Result<Comparison, Refusal> {
    Ok(Comparison {
        subject: subject(parsed.entity, parsed.key, known)?,
        comparator: comparator(&parsed.comparator)?,
        value: parsed.value,
    })
}

pub fn subject(entity: Entity, key: String, known: &[&'static str]) -> Result<Subject, Refusal> {
    let name = || {
        let key = without_alias(&key);
        let found = known.iter().find(|known| **known == key);
        found
            .copied()
            .ok_or_else(|| Refusal::invalid(format!("Invalid attribute name: {key}")))
    };
    Ok(match entity {
        Entity::Attribute => Subject::Attribute(name()?),
        Entity::Dataset => Subject::Dataset(name()?),
        Entity::Metric => Subject::Metric(key),
        Entity::Param => Subject::Param(key),
        Entity::Tag => Subject::Tag(key),
    })
}

pub fn comparator(text: &str) -> Result<Comparator, Refusal> {
    Ok(match text {
        "=" => Comparator::Equal,
        "!=" => Comparator::NotEqual,
        "<" => Comparator::Less,
        "<=" => Comparator::LessOrEqual,
        ">" => Comparator::Greater,
        ">=" => Comparator::GreaterOrEqual,
        "LIKE" => Comparator::Like,
        "ILIKE" => Comparator::ILike,
        "IN" => Comparator::In,
        "NOT IN" => Comparator::NotIn,
        "IS NULL" => Comparator::IsNull,
        "IS NOT NULL" => Comparator::IsNotNull,
        _ => return Err(Refusal::invalid(format!("Invalid comparator '{text}'"))),
    })
}
