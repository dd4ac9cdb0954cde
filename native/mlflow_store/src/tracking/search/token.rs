//! Page tokens: where the last row of a page stood, and of which search.

use rusqlite::types::Value as Bound;
use serde_json::{Value, json};
use siphasher::sip::SipHasher13;

use crate::tracking::error::Result;
use crate::tracking::page_token;

/// Of what a term has no value of at all.
const LAST_RANK: i64 = 2;

/// Of a row, in an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The rank and the value in each term.
    pub keys: Vec<(i64, Bound)>,
    pub id: Bound,
}

/// A token as it was given, which is known to be one only once it has met its search.
#[derive(Clone, Debug, PartialEq)]
pub struct PageToken(Value);

impl PageToken {
    /// `None` for an empty text, which asks for the first page.
    pub fn read(text: &str) -> Result<Option<Self>> {
        Ok(page_token::decode(text)?.map(Self))
    }

    /// Of the row at `place`, for the search whose parts have this `mark`.
    pub(super) fn write(mark: &str, place: &Place) -> String {
        let keys: Vec<_> = place
            .keys
            .iter()
            .map(|(rank, value)| json!([rank, json_of(value)]))
            .collect();
        let token = json!({"search": mark, "keys": keys, "id": json_of(&place.id)});
        page_token::encode(&token.to_string())
    }

    /// Where the last page ended, if it was one of the search with this `mark` and as many terms.
    pub(super) fn place(&self, mark: &str, terms: usize) -> Result<Place> {
        let place = self.read_place().filter(|place| place.keys.len() == terms);
        place
            .filter(|_| self.0["search"] == mark)
            .ok_or_else(|| page_token::refusal(&self.0))
    }

    fn read_place(&self) -> Option<Place> {
        let keys = self.0["keys"].as_array()?.iter();
        let rank = |rank: &Value| rank.as_i64().filter(|rank| (0..=LAST_RANK).contains(rank));
        let keys = keys.map(|key| Some((rank(&key[0])?, bound_of(&key[1])?)));
        Some(Place {
            keys: keys.collect::<Option<_>>()?,
            id: bound_of(&self.0["id"])?,
        })
    }
}

/// Tells one search from another, and is the same in every build: whoever goes through pages does so
/// across an upgrade too.
pub(super) fn mark(search: &str) -> String {
    format!("{:016x}", SipHasher13::new().hash(search.as_bytes()))
}

fn json_of(value: &Bound) -> Value {
    match value {
        Bound::Integer(number) => json!(number),
        Bound::Real(number) => json!(number),
        Bound::Text(text) => json!(text),
        Bound::Null | Bound::Blob(_) => Value::Null,
    }
}

fn bound_of(value: &Value) -> Option<Bound> {
    match value {
        Value::Null => Some(Bound::Null),
        Value::String(text) => Some(Bound::Text(text.clone())),
        Value::Number(number) => number
            .as_i64()
            .map(Bound::Integer)
            .or_else(|| number.as_f64().map(Bound::Real)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_outlive_a_build() {
        assert_eq!(mark("runs [0]"), "MARK");
    }
}
