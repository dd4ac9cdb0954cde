//! The list behind `IN`, which MLflow reads as a literal of Python's.

use std::iter::Peekable;
use std::str::Chars;

use mlflow_store::tracking::{Refusal, python};

/// The texts in `("a", 'b')`.
pub fn read(text: &str) -> Result<Vec<String>, Refusal> {
    let items = Reader(text.chars().peekable())
        .list()
        .ok_or_else(ill_formed)?;
    if items.is_empty() {
        return Err(Refusal::invalid(
            "While parsing a list in the query, expected a non-empty list of string values, \
             but got empty list",
        ));
    }
    let texts: Option<Vec<_>> = items.iter().map(Item::text).collect();
    texts.ok_or_else(|| other_types(&items))
}

/// The items of a list that may hold nothing, and numbers as well as texts.
pub fn read_any(text: &str) -> Result<Vec<String>, Refusal> {
    let items = Reader(text.chars().peekable()).list();
    let items = items.ok_or_else(ill_formed)?;
    Ok(items.into_iter().map(Item::into_text).collect())
}

enum Item {
    Text(String),
    /// A number, `True`, `False` or `None`, as it was written.
    Other(String),
}

impl Item {
    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Other(_) => None,
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Other(text) => text,
        }
    }

    fn repr(&self) -> String {
        match self {
            Self::Text(text) => python::repr(text),
            Self::Other(other) => other.clone(),
        }
    }
}

fn ill_formed() -> Refusal {
    Refusal::invalid(
        "While parsing a list in the query, expected a non-empty list of string values, \
         but got ill-formed list.",
    )
}

fn other_types(items: &[Item]) -> Refusal {
    let shown: Vec<_> = items.iter().map(Item::repr).collect();
    let comma = if items.len() == 1 { "," } else { "" };
    Refusal::invalid(format!(
        "While parsing a list in the query, expected string value, punctuation, or whitespace, \
         but got different type in list: ({}{comma})",
        shown.join(", ")
    ))
}

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    fn list(mut self) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        self.take('(')?;
        while self.peek()? != ')' {
            items.push(self.item()?);
            if self.peek()? != ')' {
                self.take(',')?;
            }
        }
        self.take(')')?;
        self.0.next().is_none().then_some(items)
    }

    fn peek(&mut self) -> Option<char> {
        while self.0.next_if(|next| next.is_whitespace()).is_some() {}
        self.0.peek().copied()
    }

    fn take(&mut self, sign: char) -> Option<()> {
        (self.peek()? == sign).then(|| self.0.next()).flatten()?;
        Some(())
    }

    fn item(&mut self) -> Option<Item> {
        if !matches!(self.peek()?, '\'' | '"') {
            return self.other();
        }
        let mut text = String::new();
        // Texts one after another are one.
        while let Some(quote @ ('\'' | '"')) = self.peek() {
            self.0.next();
            self.quoted(quote, &mut text)?;
        }
        Some(Item::Text(text))
    }

    fn quoted(&mut self, quote: char, text: &mut String) -> Option<()> {
        loop {
            match self.0.next()? {
                '\n' => return None,
                '\\' => self.escaped(text)?,
                end if end == quote => return Some(()),
                character => text.push(character),
            }
        }
    }

    fn escaped(&mut self, text: &mut String) -> Option<()> {
        match self.0.next()? {
            '\n' => {}
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'x' => text.push(self.code(2)?),
            'u' => text.push(self.code(4)?),
            'U' => text.push(self.code(8)?),
            known @ ('\\' | '\'' | '"') => text.push(known),
            other => text.extend(['\\', other]),
        }
        Some(())
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        let code = (0..digits).try_fold(0_u32, |code, _| {
            Some(code.wrapping_mul(16) + self.0.next()?.to_digit(16)?)
        })?;
        char::from_u32(code)
    }

    fn other(&mut self) -> Option<Item> {
        let mut word = String::new();
        let is_part = |next: &char| next.is_ascii_alphanumeric() || "+-._".contains(*next);
        while let Some(part) = self.0.next_if(is_part) {
            word.push(part);
        }
        let is_literal =
            word.parse::<f64>().is_ok() || matches!(word.as_str(), "True" | "False" | "None");
        is_literal.then_some(Item::Other(word))
    }
}
