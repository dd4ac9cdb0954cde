//! The search over logged models.

use rusqlite::Connection;

use super::order::{Order, Term};
use super::page::{Page, Query};
use super::size;
use super::token::{PageToken, mark};
use crate::tracking::entities::LoggedModel;
use crate::tracking::error::{Code, Refusal, Result};
use crate::tracking::logged_models;
use crate::tracking::query::{Comparison, Condition, Subject, test};

const ID: &str = "models.model_id";
const CREATED: &str = "models.creation_timestamp_ms";
/// What a filter or an order may name, which is what the table has.
pub const LOGGED_MODEL_ATTRIBUTES: [&str; 11] = [
    "model_id",
    "experiment_id",
    "name",
    "artifact_location",
    "creation_timestamp_ms",
    "last_updated_timestamp_ms",
    "status",
    "lifecycle_stage",
    "model_type",
    "source_run_id",
    "status_message",
];

#[derive(Clone, Debug)]
pub struct LoggedModelSearch {
    pub experiment_ids: Vec<i64>,
    pub filter: Vec<Comparison>,
    /// Metrics count only where they were measured on one of these, if there are any.
    pub datasets: Vec<DatasetFilter>,
    pub order_by: Vec<ModelOrder>,
    pub max_results: usize,
    pub page_token: Option<PageToken>,
}

#[derive(Clone, Debug)]
pub struct DatasetFilter {
    pub name: String,
    /// Empty for metrics of which no digest is known.
    pub digest: String,
}

#[derive(Clone, Debug)]
pub struct ModelOrder {
    pub field_name: String,
    pub ascending: bool,
    /// Of a metric; empty for any.
    pub dataset_name: String,
    pub dataset_digest: String,
}

/// The models that are not deleted, the newest first where no other order is asked for.
pub fn logged_models(conn: &Connection, search: &LoggedModelSearch) -> Result<Page<LoggedModel>> {
    size::check(&search.filter, search.order_by.len())?;
    size::check(&[], search.datasets.len())?;
    let asked = (
        &search.experiment_ids,
        &search.filter,
        &search.datasets,
        &search.order_by,
    );
    let mark = mark(&format!("logged models {asked:?}"));
    let (order, joins) = order(&search.order_by)?;
    let mut from = Condition::new(" FROM logged_models AS models");
    from.append(joins).append(search.conditions());
    if let Some(token) = &search.page_token {
        from.and(order.after(&token.place(&mark, order.terms.len())?));
    }
    let query = Query {
        number: "models.rowid",
        order: &order,
        is_missing: false,
        from,
        limit: search.max_results + 1,
    };
    let found = Page::cut(query.find(conn)?, search.max_results, &mark);
    found.map(|rowid| logged_models::listed(conn, rowid))
}

impl LoggedModelSearch {
    fn conditions(&self) -> Condition {
        let mut conditions = Condition::new(
            " WHERE models.lifecycle_stage != 'deleted' \
             AND models.experiment_id IN (SELECT value FROM json_each(",
        );
        conditions.bind(format!("{:?}", self.experiment_ids));
        conditions.push("))");
        for comparison in &self.filter {
            conditions.and(self.condition(comparison));
        }
        let of_metric = |held: &Comparison| matches!(held.subject, Subject::Metric(_));
        if !self.datasets.is_empty() && !self.filter.iter().any(of_metric) {
            conditions.and(self.with_metric(Condition::new("1")));
        }
        conditions
    }

    fn condition(&self, comparison: &Comparison) -> Condition {
        let test = |column: &str| test(column, comparison.comparator, &comparison.value);
        let held = |table: &str, key: &str| {
            let mut exists = Condition::new("EXISTS (SELECT 1 FROM ");
            exists.push(table);
            exists.push(" AS held WHERE held.model_id = models.model_id AND held.key = ");
            exists.bind(key.to_owned()).and(test("held.value"));
            exists.push(")");
            exists
        };
        match &comparison.subject {
            Subject::Metric(key) => {
                let mut metric = Condition::new("NOT held.is_nan AND held.key = ");
                metric.bind(key.clone()).and(test("held.value"));
                self.with_metric(metric)
            }
            Subject::Param(key) => held("logged_model_params", key),
            Subject::Tag(key) => held("logged_model_tags", key),
            Subject::Attribute(name) => test(&format!("models.{name}")),
            Subject::Dataset(_) => Condition::new("0"),
        }
    }

    fn with_metric(&self, metric: Condition) -> Condition {
        let mut exists = Condition::new(
            "EXISTS (SELECT 1 FROM logged_model_metrics AS held \
             WHERE held.model_id = models.model_id AND ",
        );
        exists.append(metric);
        for (place, dataset) in self.datasets.iter().enumerate() {
            exists.push(if place == 0 { " AND (" } else { " OR " });
            exists.push("(held.dataset_name = ");
            exists.bind(dataset.name.clone());
            exists.push(" AND held.dataset_digest IS nullif(");
            exists.bind(dataset.digest.clone()).push(", ''))");
        }
        exists.push(if self.datasets.is_empty() { ")" } else { "))" });
        exists
    }
}

/// The terms, and what joins the metrics among them. What has no value comes last.
fn order(order_by: &[ModelOrder]) -> Result<(Order, Condition)> {
    // The first term of an order has one rank for all, and this one no values.
    let mut terms = vec![Term::filled("NULL", true)];
    let mut joins = Condition::default();
    for (place, order) in order_by.iter().enumerate() {
        let value = match order.field_name.split_once('.') {
            None => column(&order.field_name)?,
            Some(("metrics", key)) => join_metric(&mut joins, place, key, order),
            Some(_) => {
                return Err(Refusal::invalid(format!(
                    "Invalid order by field name: {}. Only metrics are supported.",
                    order.field_name
                )));
            }
        };
        terms.push(Term {
            rank: format!("({value} IS NULL)"),
            value,
            ascending: order.ascending,
        });
    }
    if !terms.iter().any(|term| term.value == CREATED) {
        terms.push(Term::filled(CREATED, false));
    }
    let id = Term::filled(ID, true);
    Ok((Order { terms, id }, joins))
}

fn column(field_name: &str) -> Result<String> {
    let name = match field_name {
        "creation_time" | "creation_timestamp" => "creation_timestamp_ms",
        "last_updated_timestamp" => "last_updated_timestamp_ms",
        name => name,
    };
    if LOGGED_MODEL_ATTRIBUTES.contains(&name) {
        return Ok(format!("models.{name}"));
    }
    Err(Refusal::new(
        Code::AttributeNotFound,
        format!("Invalid order by field name: {field_name}"),
    ))
}

/// The latest value of a metric of each model.
fn join_metric(joins: &mut Condition, place: usize, key: &str, order: &ModelOrder) -> String {
    joins.push(
        " LEFT JOIN (SELECT model_id, value, row_number() OVER (PARTITION BY model_id \
         ORDER BY timestamp DESC, step DESC, run_id) AS row_no \
         FROM logged_model_metrics WHERE key = ",
    );
    joins.bind(key.to_owned());
    for (column, wanted) in [
        (" AND dataset_name = ", &order.dataset_name),
        (" AND dataset_digest = ", &order.dataset_digest),
    ] {
        if !wanted.is_empty() {
            joins.push(column).bind(wanted.clone());
        }
    }
    let alias = format!("o{place}");
    joins.push(&format!(
        ") AS {alias} ON {alias}.model_id = models.model_id AND {alias}.row_no = 1"
    ));
    format!("{alias}.value")
}
