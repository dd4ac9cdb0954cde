//! Runs by our own tag.

use std::collections::HashSet;

use crate::api::SearchRuns;
use crate::client::Client;
use crate::error::Result;
use crate::model::{Run, Tag, ViewType};

/// The active runs that carry the tag, the oldest first; of equally old ones it is the one with the
/// lowest id, so that whoever searches comes to the same.
pub(super) async fn by_tag(client: &Client, experiment_id: &str, tag: &Tag) -> Result<Vec<Run>> {
    let mut search = SearchRuns {
        experiment_ids: vec![experiment_id.to_owned()],
        filter: Some(filter(tag)),
        max_results: Some(100),
        order_by: vec!["attributes.start_time ASC".to_owned()],
        view_type: Some(ViewType::ActiveOnly),
        page_token: None,
    };
    let mut tokens = HashSet::new();
    // A page may be empty and have a next one all the same; one that came before ends it.
    loop {
        let page = client.search_runs(&search).await?;
        let next = page.next_page_token.as_ref();
        let is_last = next.is_none_or(|token| !tokens.insert(token.clone()));
        if !page.items.is_empty() || is_last {
            let mut runs = page.items;
            runs.sort_by(|one, two| age(one).cmp(&age(two)));
            return Ok(runs);
        }
        search.page_token = page.next_page_token;
    }
}

fn age(run: &Run) -> (Option<i64>, &str) {
    (run.start_time, &run.run_id)
}

/// MLflow's search grammar quotes keys with backticks and has no escape for a quote in a value, so
/// a value with both kinds of quotes cannot be searched for; our own tags never hold one.
fn filter(tag: &Tag) -> String {
    let quote = if tag.value.contains('\'') { '"' } else { '\'' };
    format!("tags.`{}` = {quote}{}{quote}", tag.key, tag.value)
}
