//! What something is compared with.

use mlflow_store::tracking::query::Value;
use mlflow_store::tracking::{Refusal, python};

use super::clauses::Part;
use super::dialect::{Dialect, Resource, set};
use super::identifier::{Entity, without_quotes};
use super::list;

pub fn read(dialect: &Dialect, entity: Entity, key: &str, part: &Part) -> Result<Value, Refusal> {
    let registry = matches!(
        dialect.resource,
        Resource::RegisteredModels | Resource::ModelVersions
    );
    match entity {
        Entity::Metric if part.is_number() => Ok(Value::Real(real(part.text))),
        Entity::Metric => Err(expected("numeric value type for metric. Found", part)),
        Entity::Param | Entity::Tag if part.is_text() => quoted(part),
        Entity::Param | Entity::Tag => Err(expected(
            &format!(
                "a quoted string value for {} (e.g. 'my-value'). Got value",
                entity.name()
            ),
            part,
        )),
        Entity::Dataset if part.is_text() => quoted(part),
        Entity::Dataset if part.is_list() => Ok(Value::Texts(list::read(part.text)?)),
        Entity::Dataset => Err(expected(
            "a quoted string value for dataset attributes. Got value",
            part,
        )),
        Entity::Attribute if registry => registry_attribute(dialect, key, part),
        Entity::Attribute => attribute(dialect, key, part),
    }
}

fn attribute(dialect: &Dialect, key: &str, part: &Part) -> Result<Value, Refusal> {
    if dialect.numeric.contains(&key) {
        if part.is_number() {
            return Ok(number(part));
        }
        let what = format!("numeric value type for numeric attribute: {key}. Found");
        return Err(expected(&what, part));
    }
    if part.is_text() {
        return quoted(part);
    }
    if part.is_list() {
        return listed(dialect, key, part);
    }
    Err(expected(
        "a quoted string value for attributes. Got value",
        part,
    ))
}

fn registry_attribute(dialect: &Dialect, key: &str, part: &Part) -> Result<Value, Refusal> {
    if part.is_text() {
        return quoted(part);
    }
    if part.is_list() {
        return listed(dialect, key, part);
    }
    if !part.is_number() || dialect.resource == Resource::RegisteredModels {
        return Err(expected(
            "a quoted string value or a list of quoted string values for attributes. Got value",
            part,
        ));
    }
    if !dialect.numeric.contains(&key) {
        return Err(Refusal::invalid(format!(
            "Only the '{}' attributes support comparison with numeric values.",
            set(dialect.numeric)
        )));
    }
    Ok(number(part))
}

fn listed(dialect: &Dialect, key: &str, part: &Part) -> Result<Value, Refusal> {
    if !dialect.listed.contains(&key) {
        return Err(Refusal::invalid(format!(
            "Only {} attributes support comparison with a list of quoted string values.",
            python::repr_list(dialect.listed.iter().copied())
        )));
    }
    Ok(Value::Texts(list::read(part.text)?))
}

fn quoted(part: &Part) -> Result<Value, Refusal> {
    let inner = without_quotes(part.text).ok_or_else(|| {
        Refusal::invalid(format!(
            "Parameter value is either not quoted or unidentified quote types used for string \
             value {}. Use either single or double quotes.",
            part.text
        ))
    })?;
    Ok(Value::Text(inner.to_owned()))
}

/// A whole number beyond 64 bits compares as a fraction does.
fn number(part: &Part) -> Value {
    let whole = part.text.parse().ok().filter(|_| part.is_integer());
    whole.map_or_else(|| Value::Real(real(part.text)), Value::Int)
}

/// The lexer lets nothing through that is no number.
pub fn real(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn expected(what: &str, part: &Part) -> Refusal {
    Refusal::invalid(format!("Expected {what} {}", part.text))
}
