//! A token, or the group that several have become.

use std::ops::Range;

use crate::grammar::lexer::{Kind, Token};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Leaf(Kind),
    Identifier,
    Parenthesis,
    Brackets,
    Function,
    Operation,
    Comparison,
    Typed,
    Assignment,
    List,
    Where,
}

#[derive(Clone, Debug)]
pub struct Node<'a> {
    pub class: Class,
    pub text: &'a str,
    /// Of a comparison.
    pub parts: Vec<Node<'a>>,
    pub start: usize,
}

impl<'a> Node<'a> {
    pub fn leaf(token: Token<'a>) -> Self {
        Self {
            class: Class::Leaf(token.kind),
            text: token.text,
            parts: Vec::new(),
            start: token.start,
        }
    }

    pub fn is(&self, kind: Kind) -> bool {
        self.class == Class::Leaf(kind)
    }

    pub fn is_space(&self) -> bool {
        self.is(Kind::Space)
    }

    pub fn is_identifier(&self) -> bool {
        self.class == Class::Identifier
    }

    pub fn is_keyword(&self, word: &str) -> bool {
        self.is(Kind::Keyword) && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        self.is(Kind::Punctuation) && self.text == sign
    }

    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub fn is_name_like(&self) -> bool {
        self.is(Kind::Name) || self.is(Kind::Symbol)
    }

    pub fn is_value(&self) -> bool {
        use Kind::{Float, Integer, Name, Placeholder, Symbol, Text};
        matches!(
            self.class,
            Class::Leaf(Integer | Float | Text | Symbol | Name | Placeholder)
                | Class::Parenthesis
                | Class::Function
                | Class::Identifier
                | Class::Operation
                | Class::Typed
        )
    }
}

/// Makes one node of several.
pub fn collapse<'a>(text: &'a str, nodes: &mut Vec<Node<'a>>, range: Range<usize>, class: Class) {
    let (start, end) = (nodes[range.start].start, nodes[range.end - 1].end());
    let mut parts: Vec<_> = nodes.drain(range).collect();
    if class == Class::Comparison {
        // Kept, parts of parts would be nested as deeply as `a=a=a` is long.
        parts.iter_mut().for_each(|part| part.parts.clear());
    } else {
        parts.clear();
    }
    nodes.push(Node {
        class,
        text: &text[start..end],
        parts,
        start,
    });
}

/// The next node that is no space.
pub fn next_solid(nodes: &[Node], after: usize) -> Option<usize> {
    (after + 1..nodes.len()).find(|place| !nodes[*place].is_space())
}
