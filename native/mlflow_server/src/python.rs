//! Python's words for collections, which MLflow's messages show.

pub use mlflow_store::tracking::python::repr;

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
