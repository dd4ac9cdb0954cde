//! A filter's text as tokens, cut as sqlparse cuts it: first of all alternatives that fit, in its order.

mod quoted;
mod word;

/// What kind of token it is, as far as grouping asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Space,
    Comment,
    Name,
    /// The name of a type, such as `timestamp`.
    Builtin,
    Placeholder,
    Keyword,
    /// One that begins a statement, such as `SELECT`.
    OtherKeyword,
    /// `ASC` and `DESC`.
    Order,
    Integer,
    Float,
    Hexadecimal,
    /// In single quotes.
    Text,
    /// In double quotes.
    Symbol,
    Wildcard,
    Punctuation,
    Operator,
    Comparator,
    Assignment,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub start: usize,
}

pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let at = Place { text, start };
        let (kind, length) = at.token()?;
        let token = Token {
            kind,
            text: &text[start..start + length],
            start,
        };
        start += length;
        Some(token)
    })
}

/// Where in the text the next token begins.
#[derive(Clone, Copy)]
struct Place<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Place<'a> {
    fn rest(self) -> &'a str {
        &self.text[self.start..]
    }

    fn previous(self) -> Option<char> {
        self.text[..self.start].chars().next_back()
    }

    fn token(self) -> Option<(Kind, usize)> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        let found = space_or_comment(rest, first)
            .or_else(|| starts_with(rest, ":=", Kind::Assignment))
            .or_else(|| starts_with(rest, "::", Kind::Punctuation))
            .or_else(|| starts_with(rest, "*", Kind::Wildcard))
            .or_else(|| quoted::name(rest, first))
            .or_else(|| self.placeholder(first))
            .or_else(|| command(rest, first))
            .or_else(|| self.name_or_number(first))
            .or_else(|| quoted::text(rest, first))
            .or_else(|| self.bracketed(first))
            .or_else(|| word::token(rest))
            .or_else(|| sign(rest, first));
        Some(found.unwrap_or((Kind::Other, first.len_utf8())))
    }

    /// `?`, `%s`, `%(name)s`, `$name` and `:name`.
    fn placeholder(self, first: char) -> Option<(Kind, usize)> {
        let rest = self.rest();
        let length = match first {
            '?' => Some(1),
            '%' if rest.len() > 1 => {
                let after = &rest[1..];
                let named = after.strip_prefix('(').and_then(|inner| {
                    let name = word::length(inner);
                    let closed = name > 0 && inner[name..].starts_with(")s");
                    closed.then_some(name + 4)
                });
                let short = matches!(after.chars().next(), Some('s' | 'S')).then_some(2);
                named.or(short)
            }
            '$' | ':' if !self.previous().is_some_and(word::is_part) => {
                let name = word::length(&rest[1..]);
                (name > 0).then_some(name + 1)
            }
            _ => None,
        };
        length.map(|length| (Kind::Placeholder, length))
    }

    fn name_or_number(self, first: char) -> Option<(Kind, usize)> {
        let rest = self.rest();
        if let Some(length) = word::never_function(rest) {
            return Some((Kind::Keyword, length));
        }
        if let Some(length) = word::marked(rest, first) {
            return Some((Kind::Name, length));
        }
        if word::begins_name(first) {
            let length = word::length(rest);
            let after = &rest[length..];
            let is_name = word::before_period(after)
                || self.previous() == Some('.')
                || after.starts_with('(');
            return is_name.then_some((Kind::Name, length));
        }
        word::number(rest)
    }

    /// `[a name]`, but not an index.
    fn bracketed(self, first: char) -> Option<(Kind, usize)> {
        let is_index = |previous: char| word::is_part(previous) || matches!(previous, ']' | ')');
        if first != '[' || self.previous().is_some_and(is_index) {
            return None;
        }
        let inner = &self.rest()[1..];
        let length = inner.find(['[', ']'])?;
        (length > 0 && inner[length..].starts_with(']')).then_some((Kind::Name, length + 2))
    }
}

fn space_or_comment(rest: &str, first: char) -> Option<(Kind, usize)> {
    if rest.starts_with("--") || rest.starts_with("# ") {
        let line = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let end = if rest[line..].starts_with("\r\n") {
            2
        } else {
            1
        };
        return Some((Kind::Comment, rest.len().min(line + end)));
    }
    if let Some(after) = rest.strip_prefix("/*") {
        let length = after.find("*/")?;
        return Some((Kind::Comment, length + 4));
    }
    let length = if rest.starts_with("\r\n") {
        2
    } else {
        first.len_utf8()
    };
    first.is_whitespace().then_some((Kind::Space, length))
}

fn starts_with(rest: &str, text: &str, kind: Kind) -> Option<(Kind, usize)> {
    rest.starts_with(text).then_some((kind, text.len()))
}

fn command(rest: &str, first: char) -> Option<(Kind, usize)> {
    let name = (first == '\\').then(|| word::length(&rest[1..]))?;
    (name > 0).then_some((Kind::Other, name + 1))
}

fn sign(rest: &str, first: char) -> Option<(Kind, usize)> {
    const JSON: [&str; 11] = [
        "->>", "->", "#>>", "#>", "@>", "<@", "?||", "?|", "?&", "-", "#-",
    ];
    if ";:()[],.".contains(first) {
        return Some((Kind::Punctuation, 1));
    }
    if let Some(operator) = JSON.iter().find(|operator| rest.starts_with(**operator)) {
        return Some((Kind::Operator, operator.len()));
    }
    let run = |of: &str| rest.len() - rest.trim_start_matches(|sign| of.contains(sign)).len();
    let comparator = run("<>=~!");
    if comparator > 0 {
        return Some((Kind::Comparator, comparator));
    }
    let operator = run("+/@#%^&|-");
    (operator > 0).then_some((Kind::Operator, operator))
}
