//! Rows as a search finds them, and a page of what they stand for.

use rusqlite::{Connection, Row, params_from_iter};

use super::order::Order;
use super::token::{PageToken, Place};
use crate::tracking::error::Result;
use crate::tracking::query::Condition;

/// Bytes. Longer statements are seldom asked twice, and each takes a lot of memory.
const LONGEST_KEPT: usize = 4_000;

pub struct Page<T> {
    pub items: Vec<T>,
    pub next_page_token: Option<String>,
}

impl Page<i64> {
    /// What was found, of which one more than the page holds tells that there is a next one.
    pub(super) fn cut(mut found: Vec<Found>, max_results: usize, mark: &str) -> Self {
        let has_more = found.len() > max_results;
        found.truncate(max_results);
        let last = found.last().filter(|_| has_more);
        Self {
            next_page_token: last.map(|last| PageToken::write(mark, &last.place)),
            items: found.iter().map(|found| found.number).collect(),
        }
    }

    pub(super) fn map<T>(self, read: impl FnMut(i64) -> Result<T>) -> Result<Page<T>> {
        Ok(Page {
            items: self.items.into_iter().map(read).collect::<Result<_>>()?,
            next_page_token: self.next_page_token,
        })
    }
}

/// A row that was found: its number, and where it stands in the order.
pub struct Found {
    pub number: i64,
    pub place: Place,
}

/// Asks for the first rows of an order.
pub struct Query<'a> {
    /// The column of the rows' numbers.
    pub number: &'a str,
    pub order: &'a Order,
    /// Whether no row has a value in the first term.
    pub is_missing: bool,
    /// SQL from `FROM` on.
    pub from: Condition,
    pub limit: usize,
}

impl Query<'_> {
    pub fn find(self, conn: &Connection) -> Result<Vec<Found>> {
        let terms = &self.order.terms;
        let mut query = Condition::new("SELECT ");
        query
            .push(self.number)
            .push(", ")
            .push(&self.order.id.value);
        for term in terms {
            query.push(", ").push(&term.rank);
            query.push(", ").push(&term.value);
        }
        query
            .append(self.from)
            .push(&self.order.sql(self.is_missing));
        query.push(" LIMIT ").bind(self.limit as i64);

        let mut statement = conn.prepare_cached(&query.sql)?;
        let rows =
            statement.query_map(params_from_iter(query.params), |row| load(row, terms.len()))?;
        let found = rows.collect::<rusqlite::Result<_>>()?;
        if query.sql.len() > LONGEST_KEPT {
            statement.discard();
        }
        Ok(found)
    }
}

fn load(row: &Row, terms: usize) -> rusqlite::Result<Found> {
    let keys = (0..terms).map(|term| Ok((row.get(2 + 2 * term)?, row.get(3 + 2 * term)?)));
    Ok(Found {
        number: row.get(0)?,
        place: Place {
            keys: keys.collect::<rusqlite::Result<_>>()?,
            id: row.get(1)?,
        },
    })
}
