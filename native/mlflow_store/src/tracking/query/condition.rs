//! SQL as it grows, with what is bound to its question marks.

use rusqlite::types::Value as Bound;

/// A piece of SQL and the parameters of its `?`, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    pub sql: String,
    pub params: Vec<Bound>,
}

impl Condition {
    pub fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            params: Vec::new(),
        }
    }

    /// Adds SQL of our own.
    pub fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    pub fn bind(&mut self, value: impl Into<Bound>) -> &mut Self {
        self.params.push(value.into());
        self.push("?")
    }

    pub fn append(&mut self, other: Self) -> &mut Self {
        self.params.extend(other.params);
        self.push(&other.sql)
    }

    /// Adds another that must hold as well.
    pub fn and(&mut self, other: Self) -> &mut Self {
        self.push(" AND ").append(other)
    }
}
