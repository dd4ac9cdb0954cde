//! Groups that a node in the middle makes of what stands around it.

use super::node::{Class, Node, collapse, next_solid};
use crate::grammar::lexer::Kind;

/// How a token in the middle joins what stands around it.
pub struct Join {
    class: Class,
    joins: fn(&Node) -> bool,
    before: fn(&Node) -> bool,
    after: fn(Option<&Node>) -> bool,
    /// Whether the node behind is taken in, once the group is made at all.
    takes: fn(&Node) -> bool,
}

fn any(_: &Node) -> bool {
    true
}

pub const PERIOD: Join = Join {
    class: Class::Identifier,
    joins: |node| {
        node.is_sign(".") || (node.is(Kind::Operator) && matches!(node.text, "->" | "->>"))
    },
    before: |node| node.is_name_like() || matches!(node.class, Class::Brackets | Class::Identifier),
    after: |_| true,
    takes: |node| {
        node.is_name_like()
            || node.is(Kind::Wildcard)
            || node.is(Kind::Text)
            || matches!(node.class, Class::Brackets | Class::Function)
    },
};

pub const CAST: Join = Join {
    class: Class::Identifier,
    joins: |node| node.is_sign("::"),
    before: any,
    after: |node| node.is_some(),
    takes: any,
};

pub const OPERATION: Join = Join {
    class: Class::Operation,
    joins: |node| node.is(Kind::Operator) || node.is(Kind::Wildcard),
    before: is_operand,
    after: |node| node.is_some_and(is_operand),
    takes: any,
};

pub const COMPARISON: Join = Join {
    class: Class::Comparison,
    joins: |node| node.is(Kind::Comparator),
    before: is_comparable,
    after: |node| node.is_some_and(is_comparable),
    takes: any,
};

pub const ALIAS: Join = Join {
    class: Class::Identifier,
    joins: |node| node.is_keyword("AS"),
    before: |node| !(node.is(Kind::Keyword) || node.is(Kind::OtherKeyword)) || is_null(node),
    after: |node| node.is_some_and(|node| !node.is(Kind::OtherKeyword)),
    takes: any,
};

pub const ASSIGNMENT: Join = Join {
    class: Class::Assignment,
    joins: |node| node.is(Kind::Assignment),
    before: |node| !node.is(Kind::Keyword),
    after: |node| node.is_some_and(|node| !node.is(Kind::Keyword)),
    takes: any,
};

pub const LIST: Join = Join {
    class: Class::List,
    joins: |node| node.is_sign(","),
    before: is_listable,
    after: |node| node.is_some_and(is_listable),
    takes: any,
};

fn is_operand(node: &Node) -> bool {
    node.is_value() || node.class == Class::Brackets
}

fn is_comparable(node: &Node) -> bool {
    node.is_value() || is_null(node)
}

fn is_null(node: &Node) -> bool {
    node.is_keyword("NULL")
}

fn is_listable(node: &Node) -> bool {
    let is_group = matches!(node.class, Class::Comparison | Class::List);
    let is_leaf = matches!(
        node.class,
        Class::Leaf(Kind::Keyword | Kind::Comment | Kind::Wildcard)
    );
    (node.is_value() && node.class != Class::Parenthesis) || is_group || is_leaf
}

/// What was taken into a group counts as what stands before the next token, not the group.
pub fn joined<'a>(text: &'a str, nodes: Vec<Node<'a>>, join: &Join) -> Vec<Node<'a>> {
    let mut grouped: Vec<Node> = Vec::with_capacity(nodes.len());
    let mut before: Option<(usize, Node)> = None;
    let mut place = 0;
    while place < nodes.len() {
        let node = nodes[place].clone();
        if node.is_space() {
            grouped.push(node);
            place += 1;
            continue;
        }
        let next = next_solid(&nodes, place);
        let fits = (join.joins)(&node) && (join.after)(next.map(|next| &nodes[next]));
        let from = before
            .take_if(|(_, before)| fits && (join.before)(before))
            .map(|(from, _)| from);
        grouped.push(node.clone());
        let Some(from) = from else {
            before = Some((grouped.len() - 1, node));
            place += 1;
            continue;
        };
        let taken = next.filter(|next| (join.takes)(&nodes[*next]));
        if let Some(last) = taken {
            grouped.extend_from_slice(&nodes[place + 1..=last]);
        }
        let to = grouped.len();
        collapse(text, &mut grouped, from..to, join.class);
        let seen = taken.map_or_else(|| grouped[from].clone(), |last| nodes[last].clone());
        before = Some((from, seen));
        place = taken.unwrap_or(place) + 1;
    }
    grouped
}
