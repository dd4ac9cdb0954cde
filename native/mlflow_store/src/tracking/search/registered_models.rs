//! The search over registered models.

use rusqlite::Connection;

use super::order::{Order, Term};
use super::page::{Page, Query};
use super::size;
use super::token::{PageToken, mark};
use crate::tracking::entities::RegisteredModel;
use crate::tracking::error::Result;
use crate::tracking::query::{Comparator, Comparison, Condition, OrderBy, Subject, Value, test};
use crate::tracking::registered_models::{self, IS_PROMPT};

#[derive(Clone, Debug)]
pub struct RegistrySearch {
    pub filter: Vec<Comparison>,
    pub order_by: Vec<OrderBy>,
    pub max_results: usize,
    pub page_token: Option<PageToken>,
}

/// The registered models, by name where no other order is asked for.
pub fn registered_models(
    conn: &Connection,
    search: &RegistrySearch,
) -> Result<Page<RegisteredModel>> {
    let asked = (&search.filter, &search.order_by);
    let mark = mark(&format!("registered models {asked:?}"));
    let query = Query {
        number: "models.rowid",
        order: &order(&search.order_by),
        is_missing: false,
        from: from(search),
        limit: search.max_results + 1,
    };
    let found = search.find(conn, query, &mark)?;
    found.map(|rowid| registered_models::listed(conn, rowid))
}

/// What both searches of the registry share.
impl RegistrySearch {
    pub(super) fn find(
        &self,
        conn: &Connection,
        mut query: Query,
        mark: &str,
    ) -> Result<Page<i64>> {
        size::check(&self.filter, self.order_by.len())?;
        if let Some(token) = &self.page_token {
            let place = token.place(mark, query.order.terms.len())?;
            query.from.and(query.order.after(&place));
        }
        Ok(Page::cut(query.find(conn)?, self.max_results, mark))
    }

    /// Prompts are found only where the filter asks for them. What it says of them besides is
    /// passed over.
    pub(super) fn tags(&self, from: &mut Condition, table: &str, of_row: &str) {
        let finds_prompts = self.finds_prompts();
        if !finds_prompts {
            from.push(" AND NOT EXISTS (SELECT 1 FROM ").push(table);
            from.push(" AS held WHERE held.name = models.name AND held.key = ");
            from.bind(IS_PROMPT.to_owned());
            from.push(" AND held.value = 'true')");
        }
        for comparison in &self.filter {
            let Subject::Tag(key) = &comparison.subject else {
                continue;
            };
            if key != IS_PROMPT || finds_prompts {
                from.and(tag(table, of_row, key, comparison));
            }
        }
    }

    fn finds_prompts(&self) -> bool {
        let is_prompt = Subject::Tag(IS_PROMPT.to_owned());
        let first = self.filter.iter().find(|held| held.subject == is_prompt);
        first.is_some_and(|first| {
            let says = |wanted: &str| {
                matches!(&first.value, Value::Text(text) if text.eq_ignore_ascii_case(wanted))
            };
            match first.comparator {
                Comparator::Equal => says("true"),
                Comparator::NotEqual => says("false"),
                _ => false,
            }
        })
    }
}

fn order(order_by: &[OrderBy]) -> Order {
    let mut terms: Vec<_> = order_by
        .iter()
        .map(|order| Term::filled(column(&order.subject), order.ascending))
        .collect();
    if !terms.iter().any(|term| term.value == NAME) {
        terms.push(Term::filled(NAME, true));
    }
    Order {
        terms,
        id: Term::filled("models.rowid", true),
    }
}

const NAME: &str = "models.name";

fn column(subject: &Subject) -> &'static str {
    match subject {
        Subject::Attribute("last_updated_timestamp") => "models.last_updated_time",
        _ => NAME,
    }
}

fn from(search: &RegistrySearch) -> Condition {
    let mut from = Condition::new(" FROM registered_models AS models WHERE 1");
    for comparison in &search.filter {
        if matches!(comparison.subject, Subject::Attribute(_)) {
            from.and(test(NAME, comparison.comparator, &comparison.value));
        }
    }
    search.tags(
        &mut from,
        "registered_model_tags",
        "held.name = models.name",
    );
    from
}

fn tag(table: &str, of_row: &str, key: &str, comparison: &Comparison) -> Condition {
    let mut exists = Condition::new("EXISTS (SELECT 1 FROM ");
    exists.push(table).push(" AS held WHERE ").push(of_row);
    exists.push(" AND held.key = ").bind(key.to_owned());
    exists.and(test("held.value", comparison.comparator, &comparison.value));
    exists.push(")");
    exists
}
