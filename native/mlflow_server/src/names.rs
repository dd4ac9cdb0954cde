//! Ids, and names for runs that were given none.

use uuid::Uuid;

const PREDICATES: [&str; 24] = [
    "able", "amber", "bold", "brisk", "calm", "clear", "eager", "fair", "fleet", "gentle", "glad",
    "keen", "kind", "lively", "mellow", "nimble", "proud", "quick", "quiet", "sharp", "steady",
    "sunny", "swift", "wise",
];
const NOUNS: [&str; 24] = [
    "ant", "bear", "bee", "crane", "deer", "dove", "eel", "elk", "finch", "fox", "gull", "hare",
    "hawk", "heron", "lark", "lynx", "mole", "moth", "otter", "owl", "seal", "stork", "swan",
    "wren",
];

/// 32 hexadecimal digits, as MLflow's run ids have.
pub fn run_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Such as "quick-heron-417".
pub fn run_name() -> String {
    let random = Uuid::new_v4().as_u128();
    let predicate = PREDICATES[(random % 24) as usize];
    let noun = NOUNS[(random / 24 % 24) as usize];
    format!("{predicate}-{noun}-{}", random / 576 % 1_000)
}
