//! MLflow's search language: filters and orders as its clients write them, read into what the store
//! is asked. Pure: text in, comparisons out, or MLflow's message on what is wrong.
//!
//! MLflow reads filters with sqlparse, a tokenizer that never refuses; `lexer` and `groups` do as it
//! does, and `clauses` as MLflow does on top of it. The searches share these, and differ in the
//! tables of `dialect`.

mod check;
mod clauses;
mod dialect;
mod filter;
mod groups;
mod identifier;
mod lexer;
mod list;
mod logged_models;
mod order_by;
mod value;
mod words;

use std::collections::HashSet;

use mlflow_store::tracking::query::{Comparison, OrderBy};
use mlflow_store::tracking::{Code, Refusal, python};

use dialect::{Dialect, EXPERIMENTS, MODEL_VERSIONS, REGISTERED_MODELS, RUNS};

/// What a search asks for: all of these, in this order.
#[derive(Debug, PartialEq)]
pub struct Search {
    pub filter: Vec<Comparison>,
    pub order_by: Vec<OrderBy>,
}

type Read = fn(&Dialect, &str) -> Result<OrderBy, Refusal>;

pub fn runs(filter: &str, order_by: &[String]) -> Result<Search, Refusal> {
    let parsed = filter::parse(&RUNS, filter)?;
    let order_by = distinct(&RUNS, order_by, order_by::of_run)?;
    Ok(Search {
        filter: checked(&RUNS, parsed)?,
        order_by,
    })
}

/// An order may name an attribute twice here.
pub fn experiments(filter: &str, order_by: &[String]) -> Result<Search, Refusal> {
    let filter = checked(&EXPERIMENTS, filter::parse(&EXPERIMENTS, filter)?)?;
    check_length(order_by)?;
    let order_by = order_by
        .iter()
        .map(|clause| order_by::of_experiment(&EXPERIMENTS, clause));
    Ok(Search {
        filter,
        order_by: order_by.collect::<Result<_, _>>()?,
    })
}

/// Attributes: "name", and in an order also "last_updated_timestamp".
pub fn registered_models(filter: &str, order_by: &[String]) -> Result<Search, Refusal> {
    let dialect = &REGISTERED_MODELS;
    let parsed = filter::parse(dialect, filter)?;
    let order_by = distinct(dialect, order_by, order_by::of_registered_model)?;
    Ok(Search {
        filter: checked(dialect, parsed)?,
        order_by,
    })
}

/// Attributes: "name", "version_number", "run_id" and "source_path", and in an order "name",
/// "version_number", "creation_timestamp" and "last_updated_timestamp".
pub fn model_versions(filter: &str, order_by: &[String]) -> Result<Search, Refusal> {
    let dialect = &MODEL_VERSIONS;
    let filter = checked(dialect, filter::parse(dialect, filter)?)?;
    Ok(Search {
        filter,
        order_by: distinct(dialect, order_by, order_by::of_model_version)?,
    })
}

/// Attributes are the columns of a logged model. Its order is no text, and read elsewhere.
pub fn logged_models(filter: &str) -> Result<Vec<Comparison>, Refusal> {
    logged_models::parse(filter)
}

fn checked(dialect: &Dialect, parsed: Vec<filter::Parsed>) -> Result<Vec<Comparison>, Refusal> {
    let checked = parsed
        .into_iter()
        .map(|comparison| check::check(dialect, comparison));
    checked.collect()
}

/// All clauses together may be as long as a filter.
fn check_length(order_by: &[String]) -> Result<(), Refusal> {
    if order_by.iter().map(String::len).sum::<usize>() <= groups::LONGEST {
        return Ok(());
    }
    Err(Refusal::new(
        Code::BadRequest,
        format!("`order_by` is longer than {} bytes.", groups::LONGEST),
    ))
}

fn distinct(dialect: &Dialect, clauses: &[String], read: Read) -> Result<Vec<OrderBy>, Refusal> {
    check_length(clauses)?;
    let mut seen = HashSet::new();
    let mut order = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let read = read(dialect, clause)?;
        if !seen.insert(read.subject.clone()) {
            return Err(Refusal::new(
                Code::InternalError,
                format!(
                    "`order_by` contains duplicate fields: {}",
                    python::repr_list(clauses.iter().map(String::as_str))
                ),
            ));
        }
        order.push(read);
    }
    Ok(order)
}

#[cfg(test)]
mod tests;
