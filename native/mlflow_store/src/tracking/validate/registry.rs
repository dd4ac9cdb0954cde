//! Names of the model registry, and how long its texts may be.

use crate::tracking::error::{Refusal, Result};
use crate::tracking::python;

const LONGEST_KEY: usize = 250;
const LONGEST_VALUE: usize = 100_000;
const LONGEST_ALIAS: usize = 255;
const PROMPT_TEXT: &str = "mlflow.prompt.text";

/// Stages in the order in which messages name them.
const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];

pub fn model_name(name: &str) -> Result<()> {
    given("name", name)?;
    if name.contains(['/', ':']) {
        return Err(Refusal::invalid(format!(
            "Invalid model name '{name}'. Names cannot contain '/' or ':'."
        )));
    }
    super::names::check_path(name, || "name".to_owned())
}

pub fn new_name(name: &str) -> Result<()> {
    given("new_name", name)?;
    model_name(name)
}

/// A version, as Python's `int` reads it.
pub fn version(text: &str) -> Result<i64> {
    let trimmed = text.trim();
    let (sign, digits) = match trimmed.strip_prefix(['-', '+']) {
        Some(digits) => (&trimmed[..1], digits),
        None => ("", trimmed),
    };
    let is_number = digits.split('_').all(|group| {
        let mut group = group.bytes();
        group.len() > 0 && group.all(|byte| byte.is_ascii_digit())
    });
    if !is_number {
        return Err(Refusal::invalid(format!(
            "Parameter 'version' must be an integer, got '{text}'."
        )));
    }
    // What does not fit is no version that there is.
    Ok(format!("{sign}{}", digits.replace('_', ""))
        .parse()
        .unwrap_or(i64::MAX))
}

/// A stage by its canonical name, whatever its case.
pub fn stage(stage: &str) -> Result<&'static str> {
    let lower = stage.to_lowercase();
    let known = STAGES.into_iter().find(|name| name.to_lowercase() == lower);
    known.ok_or_else(|| {
        Refusal::invalid(format!(
            "Invalid Model Version stage: {stage}. Value must be one of {}.",
            STAGES.join(", ")
        ))
    })
}

pub fn registered_model_tag(key: &str, value: &str) -> Result<()> {
    super::name("key", key)?;
    super::length("key", LONGEST_KEY, key)?;
    super::length("value", LONGEST_VALUE, value)
}

pub fn model_version_tag(key: &str, value: &str) -> Result<()> {
    super::name("key", key)?;
    super::length("key", LONGEST_KEY, key)?;
    if key == PROMPT_TEXT && value.chars().count() > LONGEST_VALUE {
        return Err(Refusal::invalid(format!(
            "Prompt text exceeds max length of {LONGEST_VALUE} characters."
        )));
    }
    super::length("value", LONGEST_VALUE, value)
}

pub fn alias(alias: &str) -> Result<()> {
    if !alias.chars().all(is_word_or_dash) {
        return Err(Refusal::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), \
             and dashes (-)."
        )));
    }
    super::length("Registered model alias name", LONGEST_ALIAS, alias)
}

/// That an alias reads neither as a version nor as the word for the newest one.
pub fn free_alias(alias: &str) -> Result<()> {
    if is_latest(alias) {
        return Err(Refusal::invalid(
            "'latest' alias name (case insensitive) is reserved.",
        ));
    }
    let digits = alias.strip_prefix(['v', 'V']).unwrap_or_default();
    if !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit()) {
        return Err(Refusal::invalid(format!(
            "Version alias name '{alias}' is reserved."
        )));
    }
    Ok(())
}

pub fn is_latest(alias: &str) -> bool {
    alias.to_lowercase() == "latest"
}

pub fn logged_model_name(name: &str) -> Result<()> {
    if !name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid model name ({}) provided. Model name must be a non-empty string and cannot \
         contain the following characters: ('/', ':', '.', '%', '\"', \"'\")",
        python::repr(name)
    )))
}

fn given(parameter: &str, value: &str) -> Result<()> {
    if value.trim().is_empty() {
        return Err(Refusal::invalid(format!(
            "Missing value for required parameter '{parameter}'."
        )));
    }
    Ok(())
}

fn is_word_or_dash(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
}
