//! JSON values to SQLite values and back, by the kind of their column.

use rusqlite::Row;
use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::{Map, Number, Value};

use crate::error::{Result, StoreError};
use crate::tables::{Column, Kind, Table};

/// One named value, ready to be bound.
pub(crate) type Binding = (&'static str, Sql);

/// Every given column with the value to bind for it.
pub(crate) fn encode(table: &Table, record: &Map<String, Value>) -> Result<Vec<Binding>> {
    record
        .iter()
        .map(|(name, value)| {
            let column = table.column(name)?;
            Ok((column.name, encode_one(table, column, value)?))
        })
        .collect()
}

pub(crate) fn encode_one(table: &Table, column: &Column, value: &Value) -> Result<Sql> {
    let encoded = match column.kind {
        _ if value.is_null() => Some(Sql::Null),
        Kind::Text => value.as_str().map(|text| Sql::Text(text.into())),
        Kind::Integer => value.as_i64().map(Sql::Integer),
        Kind::Real => encode_real(value),
        Kind::Boolean => value.as_bool().map(|bool| Sql::Integer(bool.into())),
        Kind::Json => Some(Sql::Text(value.to_string())),
    };
    encoded.ok_or_else(|| {
        let (table, name, takes) = (table.name, column.name, column.kind.article());
        StoreError::invalid(format!(
            "{table}.{name} takes {takes}, but was given {}",
            kind(value)
        ))
    })
}

fn encode_real(value: &Value) -> Option<Sql> {
    match value.as_str() {
        // SQLite has no NaN and would store NULL.
        Some("NaN") => Some(Sql::Text("NaN".into())),
        Some("Infinity") => Some(Sql::Real(f64::INFINITY)),
        Some("-Infinity") => Some(Sql::Real(f64::NEG_INFINITY)),
        Some(_) => None,
        None => value.as_f64().map(Sql::Real),
    }
}

/// A row that was selected with [`Table::select_list`].
pub(crate) fn decode(table: &Table, row: &Row<'_>) -> Result<Map<String, Value>> {
    table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let value = decode_one(column.kind, row.get_ref(index)?)
                .ok_or_else(|| impossible(table, column))?;
            Ok((column.name.to_owned(), value))
        })
        .collect()
}

pub(crate) fn impossible(table: &Table, column: &Column) -> StoreError {
    let (table, name) = (table.name, column.name);
    StoreError::corrupt(format!("{table}.{name} holds a value it cannot have"))
}

pub(crate) fn decode_one(kind: Kind, stored: ValueRef<'_>) -> Option<Value> {
    match (kind, stored) {
        (_, ValueRef::Null) => Some(Value::Null),
        (Kind::Integer, ValueRef::Integer(integer)) => Some(integer.into()),
        (Kind::Boolean, ValueRef::Integer(integer)) => Some((integer != 0).into()),
        (Kind::Real, ValueRef::Real(real)) => Some(decode_real(real)),
        (Kind::Json, ValueRef::Text(json)) => serde_json::from_slice(json).ok(),
        (Kind::Text | Kind::Real, ValueRef::Text(text)) => {
            std::str::from_utf8(text).ok().map(Value::from)
        }
        _ => None,
    }
}

/// A double as JSON, with MLflow's spelling of what JSON has no number for.
pub(crate) fn decode_real(real: f64) -> Value {
    let spelled = match real {
        real if real.is_nan() => "NaN",
        real if real > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    Number::from_f64(real).map_or_else(|| spelled.into(), Value::Number)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a float",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
