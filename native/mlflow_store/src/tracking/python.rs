//! Python's words for values, which MLflow's messages show.

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
    ascii(&value.to_string())
}

/// `json.dumps` with the spaces that it writes unless told otherwise.
pub fn dumps_spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(dumps_spaced).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}: {}", dumps(&name.as_str().into()), dumps_spaced(value))
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("{{{}}}", fields.join(", "))
        }
        value => dumps(value),
    }
}

/// JSON whose every character beyond ASCII is escaped.
pub(crate) fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
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
    let mut repr = String::with_capacity(text.len() + 2);
    repr.push(quote);
    for character in text.chars() {
        match character {
            '\n' => repr.push_str("\\n"),
            '\r' => repr.push_str("\\r"),
            '\t' => repr.push_str("\\t"),
            '\\' => repr.push_str("\\\\"),
            _ if character == quote => repr.extend(['\\', quote]),
            _ if character.is_control() => repr.push_str(&format!("\\x{:02x}", character as u32)),
            _ => repr.push(character),
        }
    }
    repr.push(quote);
    repr
}

/// `repr` of bytes.
pub fn repr_bytes(bytes: &[u8]) -> String {
    let text: String = bytes.iter().copied().map(char::from).collect();
    let mut shown = "b".to_owned();
    for character in repr(&text).chars() {
        if character.is_ascii() {
            shown.push(character);
        } else {
            shown.push_str(&format!("\\x{:02x}", character as u32));
        }
    }
    shown
}

/// `repr` of what Python reads JSON as.
pub fn repr_value(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(real) if number.is_f64() => float(real),
            _ => number.to_string(),
        },
        Value::String(text) => repr(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(repr_value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{}: {}", repr(name), repr_value(value));
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// `repr` of a list of texts.
pub fn repr_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<_> = texts.into_iter().map(repr).collect();
    format!("[{}]", texts.join(", "))
}

/// `repr` of a float.
pub fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        return format!("{number:?}");
    }
    // The exponent has a sign, and two digits at least.
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, exponent) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_as_in_python() {
        let cases = [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (1e20, "1e+20"),
            (1.25e-7, "1.25e-07"),
            (1e-4, "0.0001"),
            (9e-5, "9e-05"),
            (1e15, "1000000000000000.0"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (number, text) in cases {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn texts_are_quoted_as_in_python() {
        assert_eq!(repr("a"), "'a'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("it's \"so\"\n"), "'it\\'s \"so\"\\n'");
        assert_eq!(repr("back\\slash\u{1}é"), "'back\\\\slash\\x01é'");
        assert_eq!(repr_list(["a", "b'"]), "['a', \"b'\"]");
    }

    #[test]
    fn json_is_ascii() {
        assert_eq!(dumps(&"ü😀\n".into()), "\"\\u00fc\\ud83d\\ude00\\n\"");
    }
}
