//! Tokens as sqlparse groups them on the outermost level: which of them make an identifier, a
//! comparison, or neither. What it makes of wrong filters decides how MLflow names their mistakes.

mod backward;
mod forward;
mod join;
mod node;

pub use node::{Class, Node};

use super::lexer::{self, Kind};
use backward::{commented, enclosed, ordered};
use forward::{aliased, clauses, functions, typed};
use join::{ALIAS, ASSIGNMENT, CAST, COMPARISON, LIST, OPERATION, PERIOD, joined};

/// What sqlparse refuses to group.
const MOST_TOKENS: usize = 10_000;
/// Bytes. Each token may look for its end through all of the text.
pub const LONGEST: usize = 256 << 10;

/// Larger or deeper than sqlparse takes.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

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
