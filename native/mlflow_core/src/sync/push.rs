//! What goes to the server.

use super::Work;
use crate::api::RunUpdate;
use crate::diff::Push;
use crate::error::{ErrorKind, Result};
use crate::model::Tag;

/// What our tag's key ends with on a run that the trial has left.
const SUPERSEDED: &str = "_superseded";

impl Work<'_> {
    /// Data first, the status last: a run that says FINISHED has everything.
    pub(super) async fn push(&mut self) -> Result<()> {
        let Some(run_id) = self.report.run_id.clone() else {
            return Ok(());
        };
        let Push {
            params,
            tags,
            deleted_tags,
            points,
            update,
        } = &self.report.plan.push;
        self.client
            .log_entities(&run_id, params, tags, points)
            .await?;
        for key in deleted_tags {
            self.delete_tag(&run_id, key).await?;
        }
        if *update != RunUpdate::default() {
            self.client.update_run(&run_id, update).await?;
        }
        Ok(())
    }

    /// MLflow refuses to delete a tag that is not there, as after an earlier attempt; it answers
    /// alike when it is the run that is not there.
    async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        match self.client.delete_tag(run_id, key).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.client.get_run(run_id).await.map(|_| ())
            }
            outcome => outcome,
        }
    }

    /// Parts the trial from its run. Whoever does it again finds part of it done, which does no
    /// harm: the run is named by the old tag's value under a new key before it loses the old one.
    pub(super) async fn supersede(&mut self, tag: &Tag) -> Result<()> {
        let Some(run_id) = self.report.run_id.clone() else {
            return Ok(());
        };
        let left = superseded(tag);
        self.client.log_entities(&run_id, &[], &[left], &[]).await?;
        self.delete_tag(&run_id, &tag.key).await?;
        self.report.superseded = self.report.run_id.take();
        Ok(())
    }
}

pub(super) fn superseded(tag: &Tag) -> Tag {
    Tag {
        key: format!("{}{SUPERSEDED}", tag.key),
        value: tag.value.clone(),
    }
}
