//! Python's words for JSON, which MLflow's messages show.

use serde_json::Value;

/// The name of the type that Python reads a value as.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// `json.dumps` with sorted keys, no spaces, and nothing but ASCII.
pub fn dumps(value: &Value) -> String {
    // A map of serde_json is sorted.
    let text = value.to_string();
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

/// `repr` of a text.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push(quote);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\\' => shown.push_str("\\\\"),
            _ if character == quote => shown.extend(['\\', quote]),
            '\0'..='\x1f' | '\x7f'..='\u{a0}' => {
                shown.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            _ => shown.push(character),
        }
    }
    shown.push(quote);
    shown
}

/// `repr` of a list of texts.
pub fn list<T: AsRef<str>>(texts: &[T]) -> String {
    format!("[{}]", joined(texts))
}

/// `repr` of a set of texts. Python's own has no order that could be told beforehand.
pub fn set<T: AsRef<str>>(texts: &[T]) -> String {
    format!("{{{}}}", joined(texts))
}

fn joined<T: AsRef<str>>(texts: &[T]) -> String {
    let shown: Vec<_> = texts.iter().map(|text| repr(text.as_ref())).collect();
    shown.join(", ")
}
