//! The filter of a search over logged models, which MLflow reads by rules of its own.

use mlflow_store::tracking::query::{Comparison, Subject, Value};
use mlflow_store::tracking::search::LOGGED_MODEL_ATTRIBUTES;
use mlflow_store::tracking::{Refusal, python};

use super::check::{comparator, mismatched};
use super::clauses::{self, Clause, Part};
use super::list;

const NUMERIC: [&str; 6] = ["<", "<=", ">", ">=", "=", "!="];
const TEXT: [&str; 6] = ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"];

pub fn parse(text: &str) -> Result<Vec<Comparison>, Refusal> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let statements = clauses::statements(text);
    let Ok([clauses]) = statements.as_deref() else {
        return Err(Refusal::invalid(format!(
            "Invalid filter string: {}. Expected a single SQL expression.",
            python::repr(text)
        )));
    };
    let mut written = Vec::new();
    for clause in clauses {
        match clause {
            Clause::Comparison(parts) => written.push(Written::read(parts)?),
            Clause::Other { is_and: true, .. } => {}
            Clause::Other { .. } => return Err(not_comparisons(text)),
        }
    }
    written.into_iter().map(Written::comparison).collect()
}

fn not_comparisons(text: &str) -> Refusal {
    Refusal::invalid(format!(
        "Invalid filter string: {}. Expected a list of comparisons separated by 'AND' \
         (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01').",
        python::repr(text)
    ))
}

/// A comparison of which it is not known yet whether there is such an attribute.
struct Written<'a> {
    named: Named,
    operator: String,
    number: f64,
    text: &'a str,
}

impl<'a> Written<'a> {
    fn read(parts: &[Part<'a>]) -> Result<Self, Refusal> {
        let [left, operator, right] = parts else {
            let shown: String = parts.iter().map(|part| part.text).collect();
            return Err(Refusal::invalid(format!(
                "Invalid comparison: {shown}. Expected a comparison with 3 tokens."
            )));
        };
        let named = Named::read(left.text)?;
        let operator = operator.text.to_uppercase();
        named.check(&operator)?;
        let is_numeric = named.is_numeric();
        Ok(Self {
            named,
            operator,
            number: if is_numeric { number(right.text)? } else { 0.0 },
            text: right.text,
        })
    }

    fn comparison(self) -> Result<Comparison, Refusal> {
        let value = self.value()?;
        let takes_list = matches!(self.operator.as_str(), "IN" | "NOT IN");
        let subject = self.named.subject()?;
        if takes_list != matches!(value, Value::Texts(_)) {
            return Err(mismatched());
        }
        Ok(Comparison {
            subject,
            comparator: comparator(&self.operator)?,
            value,
        })
    }

    fn value(&self) -> Result<Value, Refusal> {
        if self.named.is_numeric() {
            Ok(Value::Real(self.number))
        } else if self.text.starts_with('(') && self.text.ends_with(')') {
            Ok(Value::Texts(list::read_any(self.text)?))
        } else {
            Ok(Value::Text(self.text.trim_matches('\'').to_owned()))
        }
    }
}

/// MLflow breaks down with Python's own message.
fn number(text: &str) -> Result<f64, Refusal> {
    text.parse().map_err(|_| {
        Refusal::new(
            mlflow_store::tracking::Code::InternalError,
            format!("could not convert string to float: {}", python::repr(text)),
        )
    })
}

struct Named {
    prefix: &'static str,
    key: String,
}

impl Named {
    fn read(text: &str) -> Result<Self, Refusal> {
        let prefixed = text.split_once('.').filter(|(prefix, key)| {
            let is_word = prefix.bytes().all(|byte| byte.is_ascii_lowercase());
            !prefix.is_empty() && !key.is_empty() && is_word
        });
        let Some((prefix, key)) = prefixed else {
            return Ok(Self {
                prefix: "attributes",
                key: without_alias(text).trim_matches('`').to_owned(),
            });
        };
        let known = ["attributes", "metrics", "params", "tags"];
        let found = known.iter().find(|known| **known == prefix);
        let prefix = found.ok_or_else(|| {
            Refusal::invalid(format!(
                "Invalid entity type: {}. Expected one of {}.",
                python::repr(prefix),
                python::repr_list(known)
            ))
        })?;
        Ok(Self {
            prefix,
            key: key.trim_matches('`').to_owned(),
        })
    }

    fn is_numeric(&self) -> bool {
        let is_time = matches!(
            without_alias(&self.key),
            "creation_timestamp_ms" | "last_updated_timestamp_ms"
        );
        self.prefix == "metrics" || (self.prefix == "attributes" && is_time)
    }

    fn check(&self, operator: &str) -> Result<(), Refusal> {
        let known = if self.is_numeric() { NUMERIC } else { TEXT };
        if known.contains(&operator) {
            return Ok(());
        }
        let shown: Vec<_> = known.iter().map(|known| python::repr(known)).collect();
        Err(Refusal::invalid(format!(
            "Invalid comparison operator for {}.{}: {}. Expected one of ({}).",
            self.prefix,
            self.key,
            python::repr(operator),
            shown.join(", ")
        )))
    }

    fn subject(self) -> Result<Subject, Refusal> {
        Ok(match self.prefix {
            "metrics" => Subject::Metric(self.key),
            "params" => Subject::Param(self.key),
            "tags" => Subject::Tag(self.key),
            _ => {
                let found = LOGGED_MODEL_ATTRIBUTES
                    .iter()
                    .find(|known| **known == self.key);
                Subject::Attribute(found.ok_or_else(|| unknown(&self.key))?)
            }
        })
    }
}

/// The names that stand for a column.
fn without_alias(key: &str) -> &str {
    match key {
        "creation_time" | "creation_timestamp" => "creation_timestamp_ms",
        "last_updated_timestamp" => "last_updated_timestamp_ms",
        key => key,
    }
}

/// MLflow breaks down with Python's own message.
fn unknown(key: &str) -> Refusal {
    Refusal::new(
        mlflow_store::tracking::Code::InternalError,
        format!("type object 'SqlLoggedModel' has no attribute '{key}'"),
    )
}
