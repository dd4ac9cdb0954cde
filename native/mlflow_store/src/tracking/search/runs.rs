//! The search over runs.

use rusqlite::Connection;

use super::order::{Order, Term};
use super::page::{Found, Page, Query};
use super::run_filter::{column, condition, metric_test};
use super::run_source::{self, Source};
use super::run_values::Values;
use super::size;
use super::token::{PageToken, Place, mark};
use crate::tracking::entities::Run;
use crate::tracking::error::Result;
use crate::tracking::query::{Comparator, Comparison, Condition, OrderBy, Subject, ViewType};
use crate::tracking::runs;

const START_TIME: &str = "start_time";

#[derive(Clone, Debug)]
pub struct RunSearch {
    pub experiment_ids: Vec<i64>,
    pub view_type: ViewType,
    pub filter: Vec<Comparison>,
    pub order_by: Vec<OrderBy>,
    pub max_results: usize,
    pub page_token: Option<PageToken>,
}

/// The runs, whole, the newest first where no other order is asked for.
pub fn runs(conn: &Connection, search: &RunSearch) -> Result<Page<Run>> {
    size::check(&search.filter, search.order_by.len())?;
    let mark = mark(&search.identity());
    let plan = Plan::new(conn, search)?;
    let after = match &search.page_token {
        Some(token) => Some(token.place(&mark, plan.order.terms.len())?),
        None => None,
    };
    let mut found = plan.find(conn, after.as_ref(), search.max_results + 1)?;

    let has_more = found.len() > search.max_results;
    found.truncate(search.max_results);
    let last = found.last().filter(|_| has_more);
    let next_page_token = last.map(|last| PageToken::write(&mark, &last.place));
    let numbers: Vec<_> = found.iter().map(|found| found.number).collect();
    Ok(Page {
        items: runs::read_many(conn, &numbers)?,
        next_page_token,
    })
}

impl RunSearch {
    /// What the tokens of its pages depend on.
    fn identity(&self) -> String {
        let mut ids = self.experiment_ids.clone();
        ids.sort_unstable();
        let asked = (self.view_type, &self.filter, &self.order_by);
        format!("runs {ids:?} {asked:?}")
    }

    /// Whether the comparison is one with the metric that orders first, and tells where in its
    /// order the runs are.
    pub(super) fn bounds_order(&self, comparison: &Comparison) -> bool {
        let first = self.order_by.first();
        let is_range = comparison.comparator != Comparator::NotEqual;
        is_range
            && matches!(comparison.subject, Subject::Metric(_))
            && first.is_some_and(|first| first.subject == comparison.subject)
    }

    /// That a run is of the experiments, and in a stage, that are asked for.
    fn scope(&self) -> Condition {
        let mut scope = Condition::new("runs.experiment_id");
        match self.experiment_ids.as_slice() {
            [id] => scope.push(" = ").bind(*id),
            ids => scope
                .push(" IN (SELECT value FROM json_each(")
                .bind(format!("{ids:?}"))
                .push("))"),
        };
        if let [stage] = self.view_type.stages() {
            scope.push(" AND runs.lifecycle_stage = ");
            scope.bind((*stage).to_owned());
        }
        scope
    }
}

/// How the rows are found: in parts, one for each rank in the first term, so that each can follow
/// an index.
struct Plan {
    order: Order,
    first: Values,
    source: Source,
    /// What joins the values of the other terms.
    joins: Condition,
    conditions: Condition,
    /// Comparisons with the metric that orders first. Runs without a value of it satisfy none.
    bounds: Condition,
}

impl Plan {
    fn new(conn: &Connection, search: &RunSearch) -> Result<Self> {
        let scope = search.scope();
        let mut joins = Condition::default();
        let mut terms = Vec::new();
        let mut first = None;
        for (place, order) in search.order_by.iter().enumerate() {
            let alias = format!("o{place}");
            let at = Values::of(conn, &order.subject)?;
            terms.push(at.term(&alias, order.ascending));
            match (&mut first, at) {
                (None, at) => first = Some(at),
                (Some(_), at) => at.join(" LEFT JOIN ", &alias, &mut joins),
            }
        }
        let newest = Values::Column(column(START_TIME));
        let by_start = Subject::Attribute(START_TIME);
        if !search
            .order_by
            .iter()
            .any(|order| order.subject == by_start)
        {
            terms.push(newest.term("runs", false));
        }
        let mut conditions = scope.clone();
        let mut bounds = Condition::default();
        for comparison in &search.filter {
            if search.bounds_order(comparison) {
                bounds.and(metric_test("o0", comparison.comparator, &comparison.value));
            } else {
                conditions.and(condition(conn, comparison)?);
            }
        }
        Ok(Self {
            order: Order {
                terms,
                id: Term::filled("runs.run_id", true),
            },
            first: first.unwrap_or(newest),
            source: run_source::choose(conn, search, &scope)?,
            joins,
            conditions,
            bounds,
        })
    }

    fn find(&self, conn: &Connection, after: Option<&Place>, limit: usize) -> Result<Vec<Found>> {
        let begun = after.and_then(|place| Some(place.keys.first()?.0));
        let mut found = Vec::new();
        let last_rank = if self.bounds.sql.is_empty() {
            self.first.last_rank()
        } else {
            0
        };
        for rank in begun.unwrap_or(0)..=last_rank {
            let after = after.filter(|_| begun == Some(rank));
            let from = self.part(rank, after);
            let query = Query {
                number: "runs.run_no",
                order: &self.order,
                is_missing: rank == self.first.last_rank(),
                from,
                limit: limit - found.len(),
            };
            found.extend(query.find(conn)?);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The runs whose first term has this rank.
    fn part(&self, rank: i64, after: Option<&Place>) -> Condition {
        let is_missing = rank == self.first.last_rank();
        let mut from = Condition::new(" FROM ");
        match (&self.source, &self.first) {
            (Source::Few(lookup), first) => {
                from.push("(").append(lookup.clone());
                from.push(") AS few CROSS JOIN runs ON runs.run_no = few.run_no");
                first.join_values(is_missing, &mut from);
            }
            (Source::Metric, Values::Table { name, .. }) if !is_missing => {
                from.push(name)
                    .push(" AS o0 CROSS JOIN runs ON runs.run_no = o0.run_no");
            }
            (_, first) => {
                from.push("runs");
                first.join_values(is_missing, &mut from);
            }
        }
        from.append(self.joins.clone()).push(" WHERE ");
        from.append(self.conditions.clone());
        from.append(self.first.ranked(rank));
        from.append(self.bounds.clone());
        if let Some(place) = after {
            from.and(self.order.after(place));
        }
        from
    }
}
