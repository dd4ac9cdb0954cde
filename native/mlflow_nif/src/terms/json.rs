//! Any JSON value as a term and back: string keys, and no atoms but `nil`, `true` and `false`.

use rustler::types::map::MapIterator;
use rustler::{Decoder, Encoder, Env, Error, NifResult, Term, TermType};
use serde_json::{Map, Number, Value};

use super::map::put_all;

/// Deeper nesting could not be read back: serde_json gives up at 128 levels.
const DEEPEST: usize = 100;

#[derive(Clone, Default)]
pub struct Json(pub Value);

impl Json {
    /// The value as an object's fields; `None` for anything that is not an object.
    pub fn into_object(self) -> Option<Map<String, Value>> {
        match self.0 {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }
}

impl Encoder for Json {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        encode(&self.0, env)
    }
}

impl<'a> Decoder<'a> for Json {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        decode(term, DEEPEST).map(Self)
    }
}

fn encode<'a>(value: &Value, env: Env<'a>) -> Term<'a> {
    match value {
        Value::Null => rustler::types::atom::nil().encode(env),
        Value::Bool(flag) => flag.encode(env),
        Value::String(text) => text.encode(env),
        Value::Number(number) => encode_number(number, env),
        Value::Array(items) => items
            .iter()
            .map(|item| encode(item, env))
            .collect::<Vec<_>>()
            .encode(env),
        Value::Object(fields) => put_all(
            env,
            fields.iter().map(|(key, value)| (key, encode(value, env))),
        ),
    }
}

fn encode_number<'a>(number: &Number, env: Env<'a>) -> Term<'a> {
    match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => integer.encode(env),
        (None, Some(integer)) => integer.encode(env),
        (None, None) => number.as_f64().unwrap_or_default().encode(env),
    }
}

fn decode(term: Term, levels: usize) -> NifResult<Value> {
    let levels = levels.checked_sub(1).ok_or(Error::BadArg)?;
    match term.get_type() {
        TermType::Atom => Ok(decode_atom(&term.atom_to_string()?)),
        TermType::Binary => Ok(Value::String(term.decode()?)),
        TermType::Integer => decode_integer(term),
        TermType::Float => Number::from_f64(term.decode()?)
            .map(Value::Number)
            .ok_or(Error::BadArg),
        // An improper list has no length, and cannot be walked through.
        TermType::List if term.list_length().is_err() => Err(Error::BadArg),
        TermType::List => term
            .into_list_iterator()?
            .map(|item| decode(item, levels))
            .collect::<NifResult<_>>()
            .map(Value::Array),
        TermType::Map => MapIterator::new(term)
            .ok_or(Error::BadArg)?
            .map(|(key, value)| Ok((decode_key(key)?, decode(value, levels)?)))
            .collect::<NifResult<Map<_, _>>>()
            .map(Value::Object),
        _ => Err(Error::BadArg),
    }
}

fn decode_atom(name: &str) -> Value {
    match name {
        "nil" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        name => Value::String(name.to_owned()),
    }
}

fn decode_integer(term: Term) -> NifResult<Value> {
    match term.decode::<i64>() {
        Ok(integer) => Ok(integer.into()),
        Err(_) => term.decode::<u64>().map(Value::from),
    }
}

fn decode_key(term: Term) -> NifResult<String> {
    match term.get_type() {
        TermType::Atom => term.atom_to_string(),
        TermType::Integer => Ok(term.decode::<i64>()?.to_string()),
        _ => term.decode(),
    }
}
