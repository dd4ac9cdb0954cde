//! Maps of any size.
//!
//! Large ones are built key by key: the VM's own way from two arrays sorts a map of more than 32
//! keys with a routine that only a scheduler thread may run, and answers are encoded on other
//! threads. Smaller ones, which are most, are built from arrays: key by key, each would be copied
//! once per key.

use std::collections::BTreeMap;

use rustler::{Decoder, Encoder, Env, NifResult, Term};

use super::MetricValueTerm;

/// A map with string keys.
pub struct StringKeyed<V>(pub BTreeMap<String, V>);

/// Params or tags.
pub type StringMap = StringKeyed<String>;

/// Metrics and their latest values.
pub type MetricMap = StringKeyed<MetricValueTerm>;

impl<V> From<BTreeMap<String, V>> for StringKeyed<V> {
    fn from(pairs: BTreeMap<String, V>) -> Self {
        Self(pairs)
    }
}

impl<V: Encoder> Encoder for StringKeyed<V> {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        put_all(env, self.0.iter())
    }
}

impl<'a, V: Decoder<'a>> Decoder<'a> for StringKeyed<V> {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let pairs = rustler::types::map::MapIterator::new(term).ok_or(rustler::Error::BadArg)?;
        pairs
            .map(|(key, value)| Ok((key.decode()?, value.decode()?)))
            .collect::<NifResult<_>>()
            .map(Self)
    }
}

/// How many keys the VM keeps as two plain arrays.
const SMALL: usize = 32;

/// A map of these pairs, built in a way that any thread may use.
pub fn put_all<'a, V: Encoder>(
    env: Env<'a>,
    pairs: impl Iterator<Item = (impl Encoder, V)>,
) -> Term<'a> {
    let (keys, values): (Vec<_>, Vec<_>) = pairs
        .map(|(key, value)| (key.encode(env), value.encode(env)))
        .unzip();
    from_arrays(env, &keys, &values)
}

/// A map of these keys and values; the last value of a key counts.
pub fn from_arrays<'a>(env: Env<'a>, keys: &[Term<'a>], values: &[Term<'a>]) -> Term<'a> {
    let small = (keys.len() <= SMALL)
        .then(|| Term::map_from_term_arrays(env, keys, values).ok())
        .flatten();
    small.unwrap_or_else(|| {
        let pairs = keys.iter().zip(values);
        pairs.fold(Term::map_new(env), |map, (key, value)| {
            map.map_put(key, value).unwrap_or(map)
        })
    })
}
