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
