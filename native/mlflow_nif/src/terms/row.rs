//! Rows of the store as maps with string keys, by the thousand: the names of the columns are made
//! once, and JSON becomes terms as it is read.

use std::fmt;

use mlflow_store::{Cell, RawRow};
use rustler::{Encoder, Env, Term};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::map::from_arrays;

/// Encodes rows of one table.
pub struct RowEncoder<'a> {
    env: Env<'a>,
    names: Vec<Term<'a>>,
}

impl<'a> RowEncoder<'a> {
    pub fn new(env: Env<'a>) -> Self {
        Self {
            env,
            names: Vec::new(),
        }
    }

    /// `nil`, or a map of the columns.
    pub fn encode(&mut self, row: Option<&RawRow>) -> Term<'a> {
        let Some(row) = row else {
            return nil(self.env);
        };
        if self.names.is_empty() {
            let names = row.table.columns.iter().map(|column| column.name);
            self.names = names.map(|name| name.encode(self.env)).collect();
        }
        let values: Vec<_> = row
            .cells
            .iter()
            .map(|cell| encode_cell(cell, self.env))
            .collect();
        from_arrays(self.env, &self.names, &values)
    }
}

fn encode_cell<'a>(cell: &Cell, env: Env<'a>) -> Term<'a> {
    match cell {
        Cell::Null => nil(env),
        Cell::Integer(integer) => integer.encode(env),
        Cell::Real(real) => real.encode(env),
        Cell::Boolean(bool) => bool.encode(env),
        Cell::Text(text) => text.encode(env),
        Cell::Json(json) => JsonText(env)
            .deserialize(&mut serde_json::Deserializer::from_str(json))
            .unwrap_or_else(|_| nil(env)),
    }
}

fn nil(env: Env) -> Term {
    rustler::types::atom::nil().encode(env)
}

/// Makes terms of JSON text, without a tree in between.
#[derive(Clone, Copy)]
struct JsonText<'a>(Env<'a>);

impl<'de, 'a> DeserializeSeed<'de> for JsonText<'a> {
    type Value = Term<'a>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, 'a> Visitor<'de> for JsonText<'a> {
    type Value = Term<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(nil(self.0))
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Self::Value, E> {
        Ok(bool.encode(self.0))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(integer.encode(self.0))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(integer.encode(self.0))
    }

    fn visit_f64<E>(self, real: f64) -> Result<Self::Value, E> {
        Ok(real.encode(self.0))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.encode(self.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut terms = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            terms.push(item);
        }
        Ok(terms.encode(self.0))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        while let Some((key, value)) = entries.next_entry_seed(self, self)? {
            keys.push(key);
            values.push(value);
        }
        Ok(from_arrays(self.0, &keys, &values))
    }
}
