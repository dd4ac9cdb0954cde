//! What an identifier names: a metric, a param, a tag, a dataset's property or an attribute.

use mlflow_store::tracking::Refusal;

use super::dialect::{DATASET_KEYS, Dialect, Resource, set};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    Metric,
    Param,
    Tag,
    Attribute,
    Dataset,
}

impl Entity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Param => "parameter",
            Self::Tag => "tag",
            Self::Attribute => "attribute",
            Self::Dataset => "dataset",
        }
    }

    /// As a search over runs has it.
    fn of_run(prefix: &str) -> Result<Self, Refusal> {
        match trim(prefix, "`") {
            "metric" | "metrics" => Ok(Self::Metric),
            "parameter" | "parameters" | "param" | "params" => Ok(Self::Param),
            "tag" | "tags" => Ok(Self::Tag),
            "attribute" | "attr" | "attributes" | "run" => Ok(Self::Attribute),
            "dataset" | "datasets" => Ok(Self::Dataset),
            other => Err(Refusal::invalid(format!(
                "Invalid entity type '{other}'. Valid values are \
                 ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
            ))),
        }
    }

    fn of_others(prefix: &str) -> Result<Self, Refusal> {
        match prefix {
            "tag" | "tags" => Ok(Self::Tag),
            "attribute" => Ok(Self::Attribute),
            _ => Err(Refusal::invalid(format!(
                "Invalid entity type '{prefix}'. \
                 Valid entity types are ('attribute', 'tag', 'tags')"
            ))),
        }
    }
}

pub fn filtered(dialect: &Dialect, text: &str) -> Result<(Entity, String), Refusal> {
    let (entity, key) = split(dialect.resource == Resource::Runs, text)?;
    let bare = unquoted(key);
    // The registry compares its attributes before it takes their quotes away.
    let checked = match dialect.resource {
        Resource::RegisteredModels | Resource::ModelVersions => key,
        Resource::Runs | Resource::Experiments => bare,
    };
    check_attribute(entity, checked, dialect.attributes)?;
    check_dataset(entity, bare)?;
    Ok((entity, bare.to_owned()))
}

pub fn ordered(dialect: &Dialect, text: &str) -> Result<(Entity, String), Refusal> {
    let (entity, key) = split(dialect.resource == Resource::Runs, text)?;
    let key = unquoted(key);
    check_attribute(entity, key, dialect.order_by)?;
    check_dataset(entity, key)?;
    Ok((entity, key.to_owned()))
}

fn split(of_run: bool, text: &str) -> Result<(Entity, &str), Refusal> {
    match text.split_once('.') {
        None => Ok((Entity::Attribute, text)),
        Some((prefix, key)) if of_run => Ok((Entity::of_run(prefix)?, key)),
        Some((prefix, key)) => Ok((Entity::of_others(prefix)?, key)),
    }
}

fn check_attribute(entity: Entity, key: &str, known: &[&str]) -> Result<(), Refusal> {
    if entity != Entity::Attribute || known.contains(&key) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid attribute key '{key}' specified. Valid keys are '{}'",
        set(known)
    )))
}

fn check_dataset(entity: Entity, key: &str) -> Result<(), Refusal> {
    if entity != Entity::Dataset || DATASET_KEYS.contains(&key) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid dataset key '{key}' specified. Valid keys are '{}'",
        set(DATASET_KEYS)
    )))
}

fn unquoted(key: &str) -> &str {
    trim(without_quotes(key).unwrap_or(key), "`")
}

/// What stands in single or double quotes.
pub fn without_quotes(text: &str) -> Option<&str> {
    ["'", "\""].iter().find_map(|quote| inside(text, quote))
}

fn trim<'a>(text: &'a str, quote: &str) -> &'a str {
    inside(text, quote).unwrap_or(text)
}

fn inside<'a>(text: &'a str, quote: &str) -> Option<&'a str> {
    text.strip_prefix(quote)?.strip_suffix(quote)
}
