//! A filter's text as comparisons, still with MLflow's own words for comparators.

use mlflow_store::tracking::query::Value;
use mlflow_store::tracking::{Refusal, python};

use super::clauses::{self, Clause, Part};
use super::dialect::{Dialect, Resource};
use super::identifier::{self, Entity};
use super::value;

/// A comparison whose comparator is yet to be checked.
#[derive(Debug, PartialEq)]
pub struct Parsed {
    pub entity: Entity,
    pub key: String,
    pub comparator: String,
    pub value: Value,
}

pub fn parse(dialect: &Dialect, text: &str) -> Result<Vec<Parsed>, Refusal> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut statements = clauses::statements(text)
        .map_err(|_| Refusal::invalid(format!("Error on parsing filter '{text}'")))?;
    if statements.len() > 1 {
        return Err(Refusal::invalid(format!(
            "Search filter contained multiple expression {}. Provide AND-ed expression list.",
            python::repr(text)
        )));
    }
    let clauses = statements.pop().ok_or_else(|| {
        Refusal::invalid(format!("Invalid filter '{text}'. Could not be parsed."))
    })?;
    check_clauses(dialect, &clauses)?;
    let comparisons = clauses.iter().filter_map(|clause| match clause {
        Clause::Comparison(parts) => Some(comparison(dialect, parts)),
        Clause::Other { .. } => None,
    });
    comparisons.collect()
}

fn check_clauses(dialect: &Dialect, clauses: &[Clause]) -> Result<(), Refusal> {
    let wrong: Vec<_> = clauses
        .iter()
        .filter_map(|clause| match clause {
            Clause::Other {
                text,
                is_and: false,
            } => Some(match dialect.resource {
                Resource::Runs => format!("'{text}'"),
                _ => (*text).to_owned(),
            }),
            _ => None,
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid clause(s) in filter string: {}",
        wrong.join(", ")
    )))
}

fn comparison(dialect: &Dialect, parts: &[Part]) -> Result<Parsed, Refusal> {
    let [left, comparator, rest @ ..] = parts else {
        return Err(miscounted(parts));
    };
    let is_null = rest.is_empty() && matches!(comparator.text, "IS NULL" | "IS NOT NULL");
    if rest.len() != 1 && !is_null {
        return Err(miscounted(parts));
    }
    if !left.is_identifier() {
        return Err(Refusal::invalid(format!(
            "Invalid comparison clause. Expected 'Identifier' found '{}'",
            left.text
        )));
    }
    match rest {
        [right] => {
            let (entity, key) = identifier::filtered(dialect, left.text)?;
            let value = value::read(dialect, entity, &key, right)?;
            Ok(Parsed {
                entity,
                key,
                comparator: comparator.text.to_owned(),
                value,
            })
        }
        _ => null(dialect, left, comparator),
    }
}

fn null(dialect: &Dialect, left: &Part, comparator: &Part) -> Result<Parsed, Refusal> {
    let (entity, key) = match dialect.resource {
        Resource::Runs | Resource::Experiments => identifier::filtered(dialect, left.text)?,
        // MLflow breaks down here.
        Resource::RegisteredModels | Resource::ModelVersions => {
            return Err(Refusal::invalid(
                "IS NULL / IS NOT NULL is not supported by this search.",
            ));
        }
    };
    let takes_null = match dialect.resource {
        Resource::Runs => matches!(entity, Entity::Tag | Entity::Param),
        _ => entity == Entity::Tag,
    };
    if takes_null {
        return Ok(Parsed {
            entity,
            key,
            comparator: comparator.text.to_owned(),
            value: Value::None,
        });
    }
    Err(Refusal::invalid(match dialect.resource {
        Resource::Runs => format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{key}'",
            entity.name()
        ),
        _ => {
            format!("IS NULL / IS NOT NULL is only supported for tags, not for attribute '{key}'")
        }
    }))
}

fn miscounted(parts: &[Part]) -> Refusal {
    Refusal::invalid(format!(
        "Invalid comparison clause. Expected 3 tokens found {}",
        parts.len()
    ))
}
