//! Groups that a node begins, with what follows it.

use super::node::{Class, Node, collapse, next_solid};
use crate::grammar::lexer::Kind;

/// Merges what begins at a place with everything up to another, where `end_of` finds one.
fn merged<'a>(
    text: &'a str,
    nodes: Vec<Node<'a>>,
    class: Class,
    end_of: impl Fn(&[Node], usize) -> Option<usize>,
) -> Vec<Node<'a>> {
    let mut grouped = Vec::with_capacity(nodes.len());
    let mut place = 0;
    while place < nodes.len() {
        grouped.push(nodes[place].clone());
        if let Some(last) = end_of(&nodes, place) {
            grouped.extend_from_slice(&nodes[place + 1..=last]);
            let from = grouped.len() - (last - place + 1);
            let to = grouped.len();
            collapse(text, &mut grouped, from..to, class);
            place = last;
        }
        place += 1;
    }
    grouped
}

pub fn functions<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
    use Kind::{Builtin, Name, Placeholder};
    merged(text, nodes, Class::Function, |nodes, place| {
        if !matches!(
            nodes[place].class,
            Class::Leaf(Name | Builtin | Placeholder)
        ) {
            return None;
        }
        let next = next_solid(nodes, place)?;
        (nodes[next].class == Class::Parenthesis).then_some(next)
    })
}

/// `WHERE` and what follows, up to the next clause.
pub fn clauses<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
    const ENDS: [&str; 12] = [
        "ORDER BY",
        "GROUP BY",
        "LIMIT",
        "UNION",
        "UNION ALL",
        "EXCEPT",
        "HAVING",
        "RETURNING",
        "INTO",
        "INTERSECT",
        "MINUS",
        "QUALIFY",
    ];
    merged(text, nodes, Class::Where, |nodes, place| {
        if !nodes[place].is_keyword("WHERE") {
            return None;
        }
        let end = (place + 1..nodes.len())
            .find(|place| ENDS.iter().any(|end| nodes[*place].is_keyword(end)));
        Some(end.unwrap_or(nodes.len()) - 1)
    })
}

pub fn typed<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
    merged(text, nodes, Class::Typed, |nodes, place| {
        let is_type = nodes[place].is(Kind::Builtin) || nodes[place].is_keyword("TIMESTAMP");
        let follows = nodes[..place].iter().any(|node| !node.is_space());
        let next = next_solid(nodes, place)?;
        (is_type && follows && nodes[next].is(Kind::Text)).then_some(next)
    })
}

pub fn aliased<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
    use Kind::{Float, Hexadecimal, Integer};
    merged(text, nodes, Class::Identifier, |nodes, place| {
        let takes_alias = matches!(
            nodes[place].class,
            Class::Parenthesis
                | Class::Function
                | Class::Identifier
                | Class::Operation
                | Class::Comparison
                | Class::Leaf(Integer | Float | Hexadecimal)
        );
        let next = next_solid(nodes, place)?;
        (takes_alias && nodes[next].is_identifier()).then_some(next)
    })
}
