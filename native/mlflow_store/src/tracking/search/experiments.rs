//! The search over experiments.

use rusqlite::Connection;

use super::order::{Order, Term};
use super::page::{Page, Query};
use super::size;
use super::token::{PageToken, mark};
use crate::tracking::entities::Experiment;
use crate::tracking::error::Result;
use crate::tracking::experiments;
use crate::tracking::query::{
    Comparator, Comparison, Condition, OrderBy, Subject, Value, ViewType, test,
};

const ID: &str = "experiments.experiment_id";

#[derive(Clone, Debug)]
pub struct ExperimentSearch {
    pub view_type: ViewType,
    pub filter: Vec<Comparison>,
    pub order_by: Vec<OrderBy>,
    pub max_results: usize,
    pub page_token: Option<PageToken>,
}

/// The experiments, the newest first where no other order is asked for.
pub fn experiments(conn: &Connection, search: &ExperimentSearch) -> Result<Page<Experiment>> {
    size::check(&search.filter, search.order_by.len())?;
    let asked = (search.view_type, &search.filter, &search.order_by);
    let mark = mark(&format!("experiments {asked:?}"));
    let order = search.order();
    let mut from = search.from();
    if let Some(token) = &search.page_token {
        from.and(order.after(&token.place(&mark, order.terms.len())?));
    }
    let query = Query {
        number: ID,
        order: &order,
        is_missing: false,
        from,
        limit: search.max_results + 1,
    };
    let mut found = query.find(conn)?;

    let has_more = found.len() > search.max_results;
    found.truncate(search.max_results);
    let last = found.last().filter(|_| has_more);
    let next_page_token = last.map(|last| PageToken::write(&mark, &last.place));
    let items = found
        .iter()
        .map(|found| experiments::get(conn, found.number));
    Ok(Page {
        items: items.collect::<Result<_>>()?,
        next_page_token,
    })
}

impl ExperimentSearch {
    /// MLflow breaks ties with the newest experiment, but in an order of its own with the oldest.
    fn order(&self) -> Order {
        if self.order_by.is_empty() {
            return Order {
                terms: vec![Term::filled("experiments.creation_time", false)],
                id: Term::filled(ID, true),
            };
        }
        let term = |order: &OrderBy| Term::filled(&column(&order.subject), order.ascending);
        Order {
            terms: self.order_by.iter().map(term).collect(),
            id: Term::filled(ID, false),
        }
    }

    fn from(&self) -> Condition {
        let mut from = Condition::new(" FROM experiments WHERE lifecycle_stage");
        match self.view_type.stages() {
            [stage] => from.push(" = ").bind((*stage).to_owned()),
            _ => from.push(" IS NOT NULL"),
        };
        for comparison in &self.filter {
            from.and(condition(comparison));
        }
        from
    }
}

fn column(subject: &Subject) -> String {
    match subject {
        Subject::Attribute(name) => format!("experiments.{name}"),
        _ => ID.to_owned(),
    }
}

fn condition(comparison: &Comparison) -> Condition {
    let (comparator, value) = (comparison.comparator, &comparison.value);
    match &comparison.subject {
        Subject::Tag(key) => tag(key, comparator, value),
        Subject::Attribute("experiment_id") => test(ID, comparator, &numbers(value)),
        subject => test(&column(subject), comparator, value),
    }
}

/// Ids are given as texts.
fn numbers(value: &Value) -> Value {
    let parse = |text: &String| text.trim().parse().unwrap_or(-1);
    match value {
        Value::Text(text) => Value::Int(parse(text)),
        Value::Texts(texts) => Value::Ints(texts.iter().map(parse).collect()),
        value => value.clone(),
    }
}

fn tag(key: &str, comparator: Comparator, value: &Value) -> Condition {
    let is_null = comparator == Comparator::IsNull;
    let mut exists = Condition::new(if is_null { "NOT " } else { "" });
    exists.push(
        "EXISTS (SELECT 1 FROM experiment_tags AS held \
         WHERE held.experiment_id = experiments.experiment_id AND held.key = ",
    );
    exists.bind(key.to_owned());
    if !matches!(comparator, Comparator::IsNull | Comparator::IsNotNull) {
        exists.and(test("held.value", comparator, value));
    }
    exists.push(")");
    exists
}
