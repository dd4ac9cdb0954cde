//! A clause of `order_by`: what to order by, and which way.

use mlflow_store::tracking::Refusal;
use mlflow_store::tracking::query::{OrderBy, Subject};

use super::check::subject;
use super::dialect::{Dialect, set};
use super::groups::{self, Node};
use super::identifier::{self, Entity};
use super::lexer::Kind;

/// The clause without its direction, and whether that ascends.
pub fn parse(clause: &str) -> Result<(String, bool), Refusal> {
    let statements = groups::statements(clause)
        .map_err(|_| Refusal::invalid(format!("Error on parsing order_by clause '{clause}'")))?;
    let [nodes] = statements.as_slice() else {
        return Err(unparsed(clause));
    };
    let text = identifier_text(nodes).ok_or_else(|| unparsed(clause))?;
    let words = words(&text.replace('`', "\"")).ok_or_else(|| unparsed(clause))?;
    match words.as_slice() {
        [] | [_] => Ok((text, true)),
        [word, direction] => match direction.to_lowercase().as_str() {
            "asc" => Ok((word.clone(), true)),
            "desc" => Ok((word.clone(), false)),
            _ => Err(Refusal::invalid(format!(
                "Invalid ordering key in order_by clause '{clause}'."
            ))),
        },
        _ => Err(unparsed(clause)),
    }
}

/// `timestamp` is a type to sqlparse, and so no identifier.
fn identifier_text(nodes: &[Node]) -> Option<String> {
    let (first, behind) = nodes.split_first()?;
    if behind.is_empty() && first.is_identifier() {
        return Some(first.text.to_owned());
    }
    if !first.is(Kind::Builtin) || first.text != "timestamp" {
        return None;
    }
    match behind.split_last() {
        None => Some(first.text.to_owned()),
        Some((last, spaces)) if last.is(Kind::Order) && spaces.iter().all(Node::is_space) => {
            Some(format!("{} {}", first.text, last.text))
        }
        _ => None,
    }
}

/// Split as a shell would, quotes taken away; nothing if a quote stays open.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some('"'), '\\') => {
                let next = characters.next()?;
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().push(characters.next()?),
            (None, ' ' | '\t' | '\r' | '\n') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn unparsed(clause: &str) -> Refusal {
    Refusal::invalid(format!(
        "Invalid order_by clause '{clause}'. Could not be parsed."
    ))
}

pub fn of_run(dialect: &Dialect, clause: &str) -> Result<OrderBy, Refusal> {
    let (text, ascending) = parse(clause)?;
    let (entity, key) = identifier::ordered(dialect, text.trim())?;
    if entity == Entity::Dataset {
        return Err(Refusal::invalid("Invalid identifier type 'dataset'"));
    }
    let subject = subject(entity, key, dialect.order_by)?;
    Ok(OrderBy { subject, ascending })
}

pub fn of_experiment(dialect: &Dialect, clause: &str) -> Result<OrderBy, Refusal> {
    let (text, ascending) = parse(clause)?;
    let (entity, key) = identifier::ordered(dialect, text.trim())?;
    if entity != Entity::Attribute {
        return Err(Refusal::invalid(format!(
            "Invalid order_by entity: {}",
            entity.name()
        )));
    }
    let subject = subject(entity, key, dialect.order_by)?;
    Ok(OrderBy { subject, ascending })
}

pub fn of_registered_model(dialect: &Dialect, clause: &str) -> Result<OrderBy, Refusal> {
    let (text, ascending) = parse(clause)?;
    let key = match text.trim() {
        "name" => "name",
        // Both names stand for the time of the last update.
        "timestamp" | "last_updated_timestamp" => "last_updated_timestamp",
        key => {
            return Err(Refusal::invalid(format!(
                "Invalid order by key '{key}' specified. Valid keys are '{}'",
                set(&["name", "timestamp"])
            )));
        }
    };
    debug_assert!(dialect.order_by.contains(&key));
    let subject = Subject::Attribute(key);
    Ok(OrderBy { subject, ascending })
}

pub fn of_model_version(dialect: &Dialect, clause: &str) -> Result<OrderBy, Refusal> {
    let (text, ascending) = parse(clause)?;
    let (entity, key) = identifier::ordered(dialect, text.trim())?;
    // MLflow forgets here whether a tag was meant.
    let known = dialect.order_by.contains(&key.as_str());
    if !known {
        return Err(Refusal::invalid(format!(
            "Invalid order by key '{key}' specified. Valid keys are {}",
            set(dialect.order_by)
        )));
    }
    debug_assert!(matches!(entity, Entity::Attribute | Entity::Tag));
    let subject = subject(Entity::Attribute, key, dialect.order_by)?;
    Ok(OrderBy { subject, ascending })
}
