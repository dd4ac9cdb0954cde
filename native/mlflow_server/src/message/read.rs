//! Protobuf's JSON mapping: which JSON a field of a protobuf takes
//! (<https://protobuf.dev/programming-guides/json/>).

use serde_json::{Map, Value};

use super::{Field, Kind, Message, Read};

/// The field that could not be read, on the outermost level, and what was given for it.
pub struct Mistake<'a> {
    pub field: &'static str,
    pub value: &'a Value,
}

pub fn message<'a>(
    fields: &'static [Field],
    body: &'a Map<String, Value>,
) -> Result<Message, Mistake<'a>> {
    let mut message = Message::default();
    for field in fields {
        let given = body
            .get(field.name)
            .or_else(|| body.get(&camel_case(field.name)));
        let Some(value) = given.filter(|value| !value.is_null()) else {
            continue;
        };
        match field_value(field, value) {
            Some(read) => message.fields.push((field.name, read)),
            None if is_unknown_name(field, value) => {}
            None => {
                return Err(Mistake {
                    field: field.name,
                    value,
                });
            }
        }
    }
    Ok(message)
}

/// A field that is given by both of its names, on whatever level: which of the two counted would be
/// anyone's guess.
pub fn ambiguous(
    fields: &'static [Field],
    body: &Map<String, Value>,
) -> Option<(&'static str, String)> {
    fields.iter().find_map(|field| {
        let camel = camel_case(field.name);
        let given = (body.get(field.name), body.get(&camel));
        if let (Some(_), Some(_)) = given
            && camel != field.name
        {
            return Some((field.name, camel));
        }
        let Kind::Message(fields) = field.kind else {
            return None;
        };
        match given.0.or(given.1)? {
            Value::Array(items) => items
                .iter()
                .filter_map(Value::as_object)
                .find_map(|item| ambiguous(fields, item)),
            value => ambiguous(fields, value.as_object()?),
        }
    })
}

/// Of an enum: ignored as an unknown field is, for newer clients may know more names.
fn is_unknown_name(field: &Field, value: &Value) -> bool {
    matches!(field.kind, Kind::Enum(_)) && value.is_string() && int(value).is_none()
}

fn field_value(field: &Field, value: &Value) -> Option<Read> {
    if !field.repeated {
        return one(&field.kind, value);
    }
    let items = value.as_array()?;
    let items = items.iter().map(|item| one(&field.kind, item));
    Some(Read::Many(items.collect::<Option<_>>()?))
}

fn one(kind: &Kind, value: &Value) -> Option<Read> {
    match kind {
        Kind::Text => value.as_str().map(|text| Read::Text(text.to_owned())),
        Kind::Int => int(value).map(Read::Int),
        Kind::Double => double(value).map(Read::Double),
        Kind::Bool => value.as_bool().map(Read::Bool),
        Kind::Enum(names) => enumerated(names, value).map(Read::Enum),
        Kind::Message(fields) => message(fields, value.as_object()?).ok().map(Read::Message),
    }
}

/// 5, 5.0 and "5".
fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    let fits = number.fract() == 0.0 && number.abs() < i64::MAX as f64;
    fits.then_some(number as i64)
}

/// 0.5, "0.5", "NaN", "Infinity" and "-Infinity".
fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok().filter(|number: &f64| number.is_finite()),
        },
        _ => None,
    }
}

fn enumerated(names: &'static [(&'static str, i64)], value: &Value) -> Option<&'static str> {
    let number = int(value);
    let found = names
        .iter()
        .find(|(name, known)| value.as_str() == Some(name) || number == Some(*known));
    found.map(|(name, _)| *name)
}

/// The other name of a field, which protobuf takes as well.
pub fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        match character {
            '_' => upper = true,
            _ if upper => {
                camel.push(character.to_ascii_uppercase());
                upper = false;
            }
            _ => camel.push(character),
        }
    }
    camel
}
