//! A page of runs that stays here: the BEAM learns of each run only what tells whether it is in step,
//! and asks for those that are not.

use std::collections::HashSet;

use mlflow_core::model::{LifecycleStage, Page, Run};
use rustler::{Resource, ResourceArc};

use crate::engine::runtime;
use crate::terms::RunTerm;

pub struct RunsPage {
    runs: Vec<Run>,
}

#[rustler::resource_impl]
impl Resource for RunsPage {}

/// The page, each of its runs as `{run_id, the value of our tag, digest}`, and the next page's token.
/// A deleted run is no trial's any more, whatever its tag says.
pub type Survey = (
    ResourceArc<RunsPage>,
    Vec<(String, Option<String>, i64)>,
    Option<String>,
);

pub fn survey(page: Page<Run>, tag: &str) -> Survey {
    let seen = page.items.iter().map(|run| {
        let is_deleted = run.lifecycle_stage == LifecycleStage::Deleted;
        let tagged = run.tags.get(tag).filter(|_| !is_deleted).cloned();
        (run.run_id.clone(), tagged, run.digest())
    });
    let seen = seen.collect();
    let runs = RunsPage { runs: page.items };
    (ResourceArc::new(runs), seen, page.next_page_token)
}

/// A page is let go of on a scheduler, which must not be held up by freeing its thousands of strings.
impl Drop for RunsPage {
    fn drop(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        if let Ok(runtime) = runtime() {
            runtime.spawn(async move { drop(runs) });
        }
    }
}

impl RunsPage {
    /// The runs with these ids, in the page's order.
    pub fn pick(&self, ids: &[String]) -> Vec<RunTerm> {
        let wanted: HashSet<&String> = ids.iter().collect();
        let runs = self.runs.iter();
        runs.filter(|run| wanted.contains(&run.run_id))
            .cloned()
            .map(RunTerm::from)
            .collect()
    }
}
