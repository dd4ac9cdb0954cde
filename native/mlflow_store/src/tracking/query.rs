//! What a search asks for, once its text has been read: comparisons that must all hold, and an order.
//! Here they become SQL, with every text of a request's as a bound parameter.

mod condition;
mod text;

pub use condition::Condition;
pub use text::test;

/// What is compared. Attributes are names of MLflow's, never a request's own text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Attribute(&'static str),
    Metric(String),
    Param(String),
    Tag(String),
    /// "name", "digest" or "context".
    Dataset(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    ILike,
    In,
    NotIn,
    IsNull,
    IsNotNull,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of `IS NULL` and `IS NOT NULL`.
    None,
    Text(String),
    Int(i64),
    Real(f64),
    /// Of `IN` and `NOT IN`, as `Ints`.
    Texts(Vec<String>),
    Ints(Vec<i64>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub subject: Subject,
    pub comparator: Comparator,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    pub subject: Subject,
    pub ascending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewType {
    ActiveOnly,
    DeletedOnly,
    All,
}

impl ViewType {
    pub fn stages(self) -> &'static [&'static str] {
        match self {
            Self::ActiveOnly => &["active"],
            Self::DeletedOnly => &["deleted"],
            Self::All => &["active", "deleted"],
        }
    }
}
