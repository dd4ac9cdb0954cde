//! Groups that a node ends: it is taken into what stands before it.

use super::TooLarge;
use super::node::{Class, Node, collapse};
use crate::grammar::lexer::Kind;

/// How deep sqlparse goes.
const DEEPEST: usize = 100;

/// What stands between an opening sign and its closing one. Either without the other stays as it is.
pub fn enclosed<'a>(
    text: &'a str,
    nodes: Vec<Node<'a>>,
    open: &str,
    close: &str,
    class: Class,
) -> Result<Vec<Node<'a>>, TooLarge> {
    let mut grouped: Vec<Node> = Vec::with_capacity(nodes.len());
    let mut opened = Vec::new();
    for node in nodes {
        let (opens, closes) = (node.is_sign(open), node.is_sign(close));
        if opens {
            opened.push(grouped.len());
        }
        grouped.push(node);
        if let (true, Some(from)) = (closes, opened.last().copied()) {
            if opened.len() > DEEPEST {
                return Err(TooLarge);
            }
            opened.pop();
            let last = grouped.len() - 1;
            collapse(text, &mut grouped, from..last + 1, class);
        }
    }
    Ok(grouped)
}

/// An identifier and the `ASC` or `DESC` behind it.
pub fn ordered<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
    use Kind::{Float, Hexadecimal, Integer};
    let mut grouped: Vec<Node> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let is_order = node.is(Kind::Order);
        let before = grouped.iter().rposition(|node| !node.is_space());
        grouped.push(node);
        let Some(before) = before.filter(|_| is_order) else {
            continue;
        };
        let takes_order = matches!(
            grouped[before].class,
            Class::Identifier | Class::Leaf(Integer | Float | Hexadecimal)
        );
        if takes_order {
            let to = grouped.len();
            collapse(text, &mut grouped, before..to, Class::Identifier);
        }
    }
    grouped
}

/// A comment becomes part of the group before it, unless nothing follows.
pub fn commented<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
    let is_end = |node: &Node| node.is(Kind::Comment) || node.text.starts_with(['\r', '\n']);
    let last = nodes.iter().rposition(|node| !is_end(node)).unwrap_or(0);
    let mut grouped: Vec<Node> = Vec::with_capacity(nodes.len());
    for (place, node) in nodes.into_iter().enumerate() {
        let is_comment = node.is(Kind::Comment) && place < last;
        let before = grouped.iter().rposition(|node| !node.is_space());
        grouped.push(node);
        let takes = |before: &usize| !matches!(grouped[*before].class, Class::Leaf(_));
        let Some(before) = before.filter(takes).filter(|_| is_comment) else {
            continue;
        };
        let comment = grouped.split_off(before + 1);
        let group = &mut grouped[before];
        group.text = &text[group.start..comment.last().map_or(group.end(), Node::end)];
        group.parts.extend(comment);
    }
    grouped
}
