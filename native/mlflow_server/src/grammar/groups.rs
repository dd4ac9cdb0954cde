//! Tokens as sqlparse groups them on the outermost level: which of them make an identifier, a
//! comparison, or neither. What it makes of wrong filters decides how MLflow names their mistakes.

use std::ops::Range;

use super::lexer::{self, Kind, Token};

/// What sqlparse refuses to group.
const MOST_TOKENS: usize = 10_000;
const DEEPEST: usize = 100;
/// Bytes. Each token may look for its end through all of the text.
pub const LONGEST: usize = 256 << 10;

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
    start: usize,
}

/// Larger or deeper than sqlparse takes.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

impl<'a> Node<'a> {
    fn leaf(token: Token<'a>) -> Self {
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

    fn is_sign(&self, sign: &str) -> bool {
        self.is(Kind::Punctuation) && self.text == sign
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    fn is_name_like(&self) -> bool {
        self.is(Kind::Name) || self.is(Kind::Symbol)
    }

    fn is_value(&self) -> bool {
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

/// The nodes of each statement in `text`.
pub fn statements(text: &str) -> Result<Vec<Vec<Node<'_>>>, TooLarge> {
    if text.len() > LONGEST {
        return Err(TooLarge);
    }
    split(text)?
        .into_iter()
        .map(|statement| group(text, statement))
        .collect()
}

/// By semicolons outside of parentheses. What follows one on the same line still belongs to it, and
/// nothing but space is no statement.
fn split(text: &str) -> Result<Vec<Vec<Node<'_>>>, TooLarge> {
    let mut statements = vec![Vec::new()];
    let mut level = 0_i64;
    let mut ended = false;
    for (count, token) in lexer::tokens(text).enumerate() {
        if count == MOST_TOKENS {
            return Err(TooLarge);
        }
        let stays = matches!(token.kind, Kind::Comment)
            || (token.kind == Kind::Space && !token.text.contains(['\n', '\r']));
        if ended && !stays {
            statements.push(Vec::new());
            (level, ended) = (0, false);
        }
        match token.text {
            "(" => level += 1,
            ")" => level -= 1,
            ";" if level <= 0 => ended = true,
            _ => {}
        }
        if let Some(statement) = statements.last_mut() {
            statement.push(Node::leaf(token));
        }
    }
    statements.retain(|statement| !statement.iter().all(Node::is_space));
    Ok(statements)
}

fn group<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Result<Vec<Node<'a>>, TooLarge> {
    let nodes = enclosed(text, nodes, "[", "]", Class::Brackets)?;
    let nodes = enclosed(text, nodes, "(", ")", Class::Parenthesis)?;
    let nodes = functions(text, nodes);
    let nodes = clauses(text, nodes);
    let mut nodes = joined(text, nodes, &PERIOD);
    for node in &mut nodes {
        if node.is_name_like() {
            node.class = Class::Identifier;
        }
    }
    let nodes = ordered(text, nodes);
    let nodes = joined(text, nodes, &CAST);
    let nodes = typed(text, nodes);
    let nodes = joined(text, nodes, &OPERATION);
    let nodes = joined(text, nodes, &COMPARISON);
    let nodes = joined(text, nodes, &ALIAS);
    let nodes = aliased(text, nodes);
    let nodes = joined(text, nodes, &ASSIGNMENT);
    let nodes = commented(text, nodes);
    Ok(joined(text, nodes, &LIST))
}

/// What stands between an opening sign and its closing one. Either without the other stays as it is.
fn enclosed<'a>(
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

fn collapse<'a>(text: &'a str, nodes: &mut Vec<Node<'a>>, range: Range<usize>, class: Class) {
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

fn next_solid(nodes: &[Node], after: usize) -> Option<usize> {
    (after + 1..nodes.len()).find(|place| !nodes[*place].is_space())
}

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

fn functions<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
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
fn clauses<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
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

fn typed<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
    merged(text, nodes, Class::Typed, |nodes, place| {
        let is_type = nodes[place].is(Kind::Builtin) || nodes[place].is_keyword("TIMESTAMP");
        let follows = nodes[..place].iter().any(|node| !node.is_space());
        let next = next_solid(nodes, place)?;
        (is_type && follows && nodes[next].is(Kind::Text)).then_some(next)
    })
}

fn aliased<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
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

/// An identifier and the `ASC` or `DESC` behind it.
fn ordered<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
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
fn commented<'a>(text: &'a str, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
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

/// How a token in the middle joins what stands around it.
struct Join {
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

const PERIOD: Join = Join {
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

const CAST: Join = Join {
    class: Class::Identifier,
    joins: |node| node.is_sign("::"),
    before: any,
    after: |node| node.is_some(),
    takes: any,
};

const OPERATION: Join = Join {
    class: Class::Operation,
    joins: |node| node.is(Kind::Operator) || node.is(Kind::Wildcard),
    before: is_operand,
    after: |node| node.is_some_and(is_operand),
    takes: any,
};

const COMPARISON: Join = Join {
    class: Class::Comparison,
    joins: |node| node.is(Kind::Comparator),
    before: is_comparable,
    after: |node| node.is_some_and(is_comparable),
    takes: any,
};

const ALIAS: Join = Join {
    class: Class::Identifier,
    joins: |node| node.is_keyword("AS"),
    before: |node| !(node.is(Kind::Keyword) || node.is(Kind::OtherKeyword)) || is_null(node),
    after: |node| node.is_some_and(|node| !node.is(Kind::OtherKeyword)),
    takes: any,
};

const ASSIGNMENT: Join = Join {
    class: Class::Assignment,
    joins: |node| node.is(Kind::Assignment),
    before: |node| !node.is(Kind::Keyword),
    after: |node| node.is_some_and(|node| !node.is(Kind::Keyword)),
    takes: any,
};

const LIST: Join = Join {
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
fn joined<'a>(text: &'a str, nodes: Vec<Node<'a>>, join: &Join) -> Vec<Node<'a>> {
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
