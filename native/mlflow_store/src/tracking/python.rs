//! Python's words for values, which MLflow's messages show.

use serde_json::Value;

/// A text as `repr` quotes it.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if character == quote => quoted.extend(['\\', character]),
            _ if character.is_ascii_control() => {
                quoted.push_str(&format!("\\x{:02x}", character as u32));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push(quote);
    quoted
}

/// JSON as `json.dumps` writes it: with spaces, and nothing but ASCII.
pub fn dumps(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", joined(items.iter().map(dumps))),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}: {}", ascii(&Value::from(name.as_str())), dumps(value))
            };
            format!("{{{}}}", joined(fields.iter().map(field)))
        }
        value => ascii(value),
    }
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn ascii(value: &Value) -> String {
    let mut ascii = String::new();
    for character in value.to_string().chars() {
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
