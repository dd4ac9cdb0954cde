//! The words that sqlparse, by which MLflow reads its filters, takes for SQL's own. They cannot stand
//! for an attribute without a prefix, and which words they are shows in the messages.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::lexer::Kind;

static WORDS: LazyLock<HashMap<&str, Kind>> = LazyLock::new(|| {
    let mut kind = Kind::Keyword;
    let mut words = HashMap::new();
    for word in include_str!("words.txt").split_whitespace() {
        match word {
            "keyword:" => kind = Kind::Keyword,
            "other_keyword:" => kind = Kind::OtherKeyword,
            "builtin:" => kind = Kind::Builtin,
            word => {
                words.insert(word, kind);
            }
        }
    }
    words
});

pub fn kind_of(word: &str) -> Kind {
    let known = WORDS.get(word.to_uppercase().as_str());
    known.copied().unwrap_or(Kind::Name)
}
