//! The values by which a search over runs orders: where they are, and how they rank.

use rusqlite::Connection;
use rusqlite::types::Value as Bound;

use super::order::Term;
use super::run_filter::{column, metric_key};
use crate::tracking::error::Result;
use crate::tracking::query::{Condition, Subject};

/// Where the values of a term are.
pub enum Values {
    Column(String),
    Table {
        name: &'static str,
        key: &'static str,
        value: Bound,
    },
}

impl Values {
    pub fn of(conn: &Connection, subject: &Subject) -> Result<Self> {
        let pairs = |name, key: &str| Self::Table {
            name,
            key: "key",
            value: key.to_owned().into(),
        };
        Ok(match subject {
            Subject::Attribute(name) | Subject::Dataset(name) => Self::Column(column(name)),
            Subject::Param(key) => pairs("params", key),
            Subject::Tag(key) => pairs("tags", key),
            Subject::Metric(key) => Self::Table {
                name: "latest_metrics",
                key: "key_no",
                // No metric has the number 0.
                value: metric_key(conn, key)?.unwrap_or(0).into(),
            },
        })
    }

    fn is_metric(&self) -> bool {
        matches!(self, Self::Table { key: "key_no", .. })
    }

    /// Of what is missing altogether. A metric may also be no number, which ranks between.
    pub fn last_rank(&self) -> i64 {
        if self.is_metric() { 2 } else { 1 }
    }

    pub fn term(&self, alias: &str, ascending: bool) -> Term {
        let (rank, value) = match self {
            Self::Column(column) => (format!("({column} IS NULL)"), column.clone()),
            Self::Table { .. } if self.is_metric() => (
                format!("coalesce({alias}.is_nan, 2)"),
                format!("{alias}.value"),
            ),
            Self::Table { .. } => (format!("({alias}.value IS NULL)"), format!("{alias}.value")),
        };
        Term {
            rank,
            value,
            ascending,
        }
    }

    pub fn join(&self, kind: &str, alias: &str, to: &mut Condition) {
        if let Self::Table { name, key, value } = self {
            to.push(kind).push(name).push(" AS ").push(alias);
            to.push(" ON ")
                .push(alias)
                .push(".run_no = runs.run_no AND ");
            to.push(alias)
                .push(".")
                .push(key)
                .push(" = ")
                .bind(value.clone());
        }
    }

    pub fn join_values(&self, is_missing: bool, to: &mut Condition) {
        self.join(
            if is_missing {
                " LEFT JOIN "
            } else {
                " CROSS JOIN "
            },
            "o0",
            to,
        );
    }

    pub fn ranked(&self, rank: i64) -> Condition {
        let mut ranked = Condition::new(" AND ");
        match self {
            Self::Column(column) => {
                ranked.push(column);
                ranked.push(if rank == 0 {
                    " IS NOT NULL"
                } else {
                    " IS NULL"
                });
            }
            Self::Table { .. } if rank == self.last_rank() => {
                ranked.push("o0.run_no IS NULL");
            }
            Self::Table { key, value, .. } => {
                ranked.push("o0.").push(key).push(" = ").bind(value.clone());
                if self.is_metric() {
                    ranked.push(" AND o0.is_nan = ").bind(rank);
                }
            }
        }
        ranked
    }
}
