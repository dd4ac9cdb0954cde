//! The search over model versions.

use rusqlite::Connection;

use super::order::{Order, Term};
use super::page::{Page, Query};
use super::registered_models::RegistrySearch;
use super::token::mark;
use crate::tracking::entities::ModelVersion;
use crate::tracking::error::Result;
use crate::tracking::model_versions;
use crate::tracking::query::{Condition, OrderBy, Subject, test};

const NAME: &str = "models.name";
const VERSION: &str = "models.version";
const UPDATED: &str = "models.last_updated_time";

/// The versions, those that changed last first where no other order is asked for.
pub fn model_versions(conn: &Connection, search: &RegistrySearch) -> Result<Page<ModelVersion>> {
    let asked = (&search.filter, &search.order_by);
    let mark = mark(&format!("model versions {asked:?}"));
    let query = Query {
        number: "models.rowid",
        order: &order(&search.order_by),
        is_missing: false,
        from: from(search),
        limit: search.max_results + 1,
    };
    let found = search.find(conn, query, &mark)?;
    found.map(|rowid| model_versions::listed(conn, rowid))
}

fn order(order_by: &[OrderBy]) -> Order {
    let mut terms: Vec<_> = order_by
        .iter()
        .map(|order| Term::filled(column(&order.subject), order.ascending))
        .collect();
    if terms.is_empty() {
        terms.push(Term::filled(UPDATED, false));
    }
    for (tie, ascending) in [(NAME, true), (VERSION, false)] {
        if !terms.iter().any(|term| term.value == tie) {
            terms.push(Term::filled(tie, ascending));
        }
    }
    Order {
        terms,
        id: Term::filled("models.rowid", true),
    }
}

fn column(subject: &Subject) -> &'static str {
    match subject {
        Subject::Attribute("version_number") => VERSION,
        Subject::Attribute("creation_timestamp") => "models.creation_time",
        Subject::Attribute("last_updated_timestamp") => UPDATED,
        Subject::Attribute("run_id") => "models.run_id",
        Subject::Attribute("source_path") => "models.source",
        _ => NAME,
    }
}

fn from(search: &RegistrySearch) -> Condition {
    let mut from = Condition::new(" FROM model_versions AS models WHERE models.current_stage != ");
    from.bind(model_versions::DELETED.to_owned());
    for comparison in &search.filter {
        if matches!(comparison.subject, Subject::Attribute(_)) {
            let column = column(&comparison.subject);
            from.and(test(column, comparison.comparator, &comparison.value));
        }
    }
    let of_row = "held.name = models.name AND held.version = models.version";
    search.tags(&mut from, "model_version_tags", of_row);
    from
}
