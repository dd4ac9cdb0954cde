//! A filter's text as its clauses: the comparisons, and what should not stand between them.

use super::groups::{self, Class, Node, TooLarge};
use super::lexer::Kind;

#[derive(Debug)]
pub enum Clause<'a> {
    Comparison(Vec<Part<'a>>),
    Other { text: &'a str, is_and: bool },
}

/// One of the two or three parts of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'a> {
    pub class: Class,
    pub text: &'a str,
}

impl<'a> Part<'a> {
    fn of(node: &Node<'a>) -> Self {
        Self {
            class: node.class,
            text: node.text,
        }
    }

    fn keyword(text: &'a str) -> Self {
        Self {
            class: Class::Leaf(Kind::Keyword),
            text,
        }
    }

    pub fn is_identifier(&self) -> bool {
        self.class == Class::Identifier
    }

    /// In quotes, as far as sqlparse can tell.
    pub fn is_text(&self) -> bool {
        self.is_identifier() || self.class == Class::Leaf(Kind::Text)
    }

    pub fn is_list(&self) -> bool {
        self.class == Class::Parenthesis
    }

    pub fn is_integer(&self) -> bool {
        self.class == Class::Leaf(Kind::Integer)
    }

    pub fn is_number(&self) -> bool {
        self.is_integer() || self.class == Class::Leaf(Kind::Float)
    }
}

/// The clauses of every statement in the text.
pub fn statements(text: &str) -> Result<Vec<Vec<Clause<'_>>>, TooLarge> {
    let statements = groups::statements(text)?;
    Ok(statements.iter().map(|nodes| clauses(nodes)).collect())
}

/// With `IN`, `NOT IN`, `IS NULL` and `IS NOT NULL` put together, as MLflow does itself. It gives up
/// behind an identifier with too little after it.
fn clauses<'a>(nodes: &[Node<'a>]) -> Vec<Clause<'a>> {
    let nodes: Vec<_> = nodes.iter().filter(|node| !node.is_space()).collect();
    let mut clauses = Vec::with_capacity(nodes.len());
    let mut rest = nodes.as_slice();
    while let [first, behind @ ..] = rest {
        let taken = match behind {
            _ if !first.is_identifier() || behind.len() < 2 => 1,
            [second, third, ..] if second.is_keyword("IN") && is_list(third) => {
                let list = [Part::of(first), Part::of(second), Part::of(third)];
                clauses.push(Clause::Comparison(list.into()));
                rest = &rest[3..];
                continue;
            }
            [second, third, ..] if second.is_keyword("IS") && third.is_keyword("NULL") => {
                let null = [Part::of(first), Part::keyword("IS NULL")];
                clauses.push(Clause::Comparison(null.into()));
                rest = &rest[3..];
                continue;
            }
            [second, third, ..] if second.is_keyword("IS") && is_not_null(third) => {
                let null = [Part::of(first), Part::keyword("IS NOT NULL")];
                clauses.push(Clause::Comparison(null.into()));
                rest = &rest[3..];
                continue;
            }
            [second, third, fourth, ..]
                if second.is_keyword("NOT") && third.is_keyword("IN") && is_list(fourth) =>
            {
                let list = [Part::of(first), Part::keyword("NOT IN"), Part::of(fourth)];
                clauses.push(Clause::Comparison(list.into()));
                rest = &rest[4..];
                continue;
            }
            _ => rest.len().min(4),
        };
        clauses.extend(rest[..taken].iter().map(|node| clause(node)));
        rest = &rest[taken..];
    }
    clauses
}

fn clause<'a>(node: &Node<'a>) -> Clause<'a> {
    if node.class == Class::Comparison {
        let parts = node.parts.iter().filter(|part| !part.is_space());
        return Clause::Comparison(parts.map(Part::of).collect());
    }
    Clause::Other {
        text: node.text,
        is_and: node.is_keyword("AND"),
    }
}

fn is_list(node: &Node) -> bool {
    node.class == Class::Parenthesis
}

/// Only with one space between the words.
fn is_not_null(node: &Node) -> bool {
    node.is_keyword("NOT NULL")
}
