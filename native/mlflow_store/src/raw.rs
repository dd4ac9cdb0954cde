//! Rows as they are stored, for those who read thousands only to pass them on: no map is built, and
//! JSON stays text.

use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::codec;
use crate::error::Result;
use crate::tables::{Kind, Table};

/// A row of a described table, its cells in the order of the table's columns.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRow {
    pub table: &'static Table,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Boolean(bool),
    Text(String),
    /// Valid JSON.
    Json(String),
}

impl RawRow {
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.cell(column)? {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn integer(&self, column: &str) -> Option<i64> {
        match self.cell(column)? {
            Cell::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    fn cell(&self, column: &str) -> Option<&Cell> {
        let columns = self.table.columns;
        let index = columns.iter().position(|known| known.name == column)?;
        self.cells.get(index)
    }
}

/// Every row of a query that selects [`Table::select_list`].
pub(crate) fn select(
    conn: &Connection,
    table: &'static Table,
    sql: &str,
    values: impl IntoIterator<Item = Sql>,
) -> Result<Vec<RawRow>> {
    conn.prepare_cached(sql)?
        .query_and_then(params_from_iter(values), |row| read(table, row))?
        .collect()
}

fn read(table: &'static Table, row: &Row<'_>) -> Result<RawRow> {
    let columns = table.columns.iter().enumerate();
    let cells = columns.map(|(index, column)| {
        read_cell(column.kind, row.get_ref(index)?).ok_or_else(|| codec::impossible(table, column))
    });
    Ok(RawRow {
        table,
        cells: cells.collect::<Result<_>>()?,
    })
}

fn read_cell(kind: Kind, stored: ValueRef<'_>) -> Option<Cell> {
    match (kind, stored) {
        (Kind::Json, ValueRef::Text(json)) => {
            let json = str::from_utf8(json).ok()?;
            serde_json::from_str::<IgnoredAny>(json).ok()?;
            Some(Cell::Json(json.to_owned()))
        }
        (Kind::Text, ValueRef::Text(text)) => {
            Some(Cell::Text(str::from_utf8(text).ok()?.to_owned()))
        }
        _ => codec::decode_one(kind, stored).map(Cell::from),
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Boolean(bool),
            Value::String(text) => Self::Text(text),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Self::Integer(integer),
                None => Self::Real(number.as_f64().unwrap_or_default()),
            },
            json => Self::Json(json.to_string()),
        }
    }
}
