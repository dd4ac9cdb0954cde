//! What a run has one of: name, status, times, artifact URI.

use super::base::{ARTIFACTS, END, NAME, START, STATUS, Single};
use super::change::{Changed, changed};
use super::policy::Side;
use super::{Merge, Winner};
use crate::model::RunStatus;

impl Merge<'_> {
    /// A name cannot be taken away, so a side without one has no say.
    pub(super) fn name(&mut self) {
        let local = self.trial.name.as_ref().filter(|name| !name.is_empty());
        let base = self.base.map(|base| base.name.as_ref());
        let remote = self.remote.name;
        match (changed(local, base, remote), local, remote) {
            (Changed::Neither, name, _) => self.agree(NAME, name),
            (Changed::There, _, Some(theirs)) | (Changed::Both, None, Some(theirs)) => {
                self.pull_name(theirs);
            }
            (Changed::Both, Some(ours), Some(theirs)) => {
                let side = self.policy.name;
                match self.settle(side, "name", None, Some(ours), Some(theirs)) {
                    Winner::Local => self.push_name(ours),
                    Winner::Remote => self.pull_name(theirs),
                }
            }
            (Changed::Here | Changed::Both, Some(ours), _) => self.push_name(ours),
            _ => {}
        }
    }

    fn push_name(&mut self, ours: &String) {
        if self.direction.pushes() {
            self.plan.push.update.run_name = Some(ours.clone());
            self.agree(NAME, Some(ours));
        }
    }

    fn pull_name(&mut self, theirs: &String) {
        if self.direction.pulls() {
            self.plan.pull.name = Some(theirs.clone());
            self.agree(NAME, Some(theirs));
        }
    }

    pub(super) fn status(&mut self) {
        let local = &self.trial.status;
        let remote = self.remote.status;
        // A status that only the server knows is none that a trial could have.
        let theirs = remote.filter(|status| !matches!(status, RunStatus::Other(_)));
        match (self.status_change(), theirs) {
            (Changed::Neither, _) => self.agree(STATUS, Some(local)),
            (Changed::There, Some(theirs)) if self.direction.pulls() => self.pull_status(theirs),
            // What stays behind is where both were, or the next diff would take it for a change.
            (Changed::There, _) => self.agree(STATUS, Some(local)),
            (Changed::Here, _) if !self.direction.pushes() => self.agree(STATUS, remote),
            (Changed::Here, _) => self.push_status(),
            (Changed::Both, _) => {
                let side = theirs.map_or(Side::Local, |_| self.policy.status);
                match (
                    self.settle(side, "status", None, Some(local), remote),
                    theirs,
                ) {
                    (Winner::Remote, Some(theirs)) => self.pull_status(theirs),
                    _ => self.push_status(),
                }
            }
        }
    }

    fn push_status(&mut self) {
        if self.direction.pushes() {
            self.plan.push.update.status = Some(self.trial.status.clone());
            self.agree(STATUS, Some(&self.trial.status));
        }
    }

    fn pull_status(&mut self, theirs: &RunStatus) {
        if self.direction.pulls() {
            self.plan.pull.status = Some(theirs.clone());
            self.agree(STATUS, Some(theirs));
        }
    }

    /// Without a base, an ended side has simply got further than one that has not.
    fn status_change(&self) -> Changed {
        let base = self.base.and_then(|base| base.status.as_ref()).map(Some);
        match (
            changed(Some(&self.trial.status), base, self.remote.status),
            self.remote.status,
        ) {
            (Changed::Both, Some(remote)) if base.is_none() => {
                match (self.trial.status.is_terminal(), remote.is_terminal()) {
                    (false, true) => Changed::There,
                    (true, true) => Changed::Both,
                    (_, false) => Changed::Here,
                }
            }
            (change, _) => change,
        }
    }

    /// An end time means something only beside an ended status, so each side is taken with the
    /// status it is about to have. It cannot be taken away: a side without one has no say.
    pub(super) fn end_time(&mut self) {
        let (pulled, pushed) = (&self.plan.pull.status, &self.plan.push.update.status);
        let has_ended = |status: Option<&RunStatus>| status.is_some_and(RunStatus::is_terminal);
        let ends_here = has_ended(pulled.as_ref().or(Some(&self.trial.status)));
        let ends_there = has_ended(pushed.as_ref().or(self.remote.status));
        let local = self.trial.end_time.filter(|_| ends_here);
        let remote = self.remote.end_time.copied().filter(|_| ends_there);
        let base = self.base.map(|base| base.end_time.as_ref());
        let change = changed(local.as_ref(), base, remote.as_ref());
        // What is left over from before a restart is no side's opinion.
        let is_stale_here = !self.trial.status.is_terminal();
        let is_stale_there = !has_ended(self.remote.status);
        let winner = match (change, local, remote) {
            (Changed::Neither, ..) => return self.agree(END, local.as_ref()),
            (Changed::There, ..) => Winner::Remote,
            (Changed::Here, ..) => Winner::Local,
            (Changed::Both, None, _) => Winner::Remote,
            (Changed::Both, _, Some(_)) if is_stale_here => Winner::Remote,
            (Changed::Both, _, None) => Winner::Local,
            (Changed::Both, ..) if is_stale_there => Winner::Local,
            (Changed::Both, Some(ours), Some(theirs)) => {
                let side = self.policy.times;
                self.settle(side, "end_time", None, Some(&ours), Some(&theirs))
            }
        };
        match (winner, local, remote) {
            (Winner::Remote, _, Some(theirs)) if ends_here && self.direction.pulls() => {
                self.plan.pull.end_time = Some(theirs);
                self.agree(END, Some(&theirs));
            }
            (Winner::Local, Some(ours), _) if ends_there && self.direction.pushes() => {
                self.plan.push.update.end_time = Some(ours);
                self.agree(END, Some(&ours));
            }
            _ => {}
        }
    }

    pub(super) fn start_time(&mut self) {
        let (local, remote) = (self.trial.start_time.as_ref(), self.remote.start_time);
        let is_taken = self.fixed(START, self.policy.times, "start_time", local, remote);
        self.plan.pull.start_time = is_taken.then(|| remote.copied()).flatten();
    }

    pub(super) fn artifact_uri(&mut self) {
        let local = self
            .trial
            .artifact_uri
            .as_ref()
            .filter(|uri| !uri.is_empty());
        let (remote, side) = (self.remote.artifact_uri, self.policy.artifact_uri);
        let is_taken = self.fixed(ARTIFACTS, side, "artifact_uri", local, remote);
        self.plan.pull.artifact_uri = is_taken.then(|| remote.cloned()).flatten();
    }

    /// Whether a trial takes over what MLflow never changes once a run is created. What the trial
    /// has otherwise, and keeps, is told once.
    fn fixed<T: PartialEq + Clone + ToString>(
        &mut self,
        field: Single<T>,
        side: Side,
        name: &'static str,
        local: Option<&T>,
        remote: Option<&T>,
    ) -> bool {
        let Some(theirs) = remote else { return false };
        let base = self.base.map(|base| field.0(base).as_ref());
        let winner = match changed(local, base, remote) {
            Changed::Here => return false,
            Changed::Neither => Winner::Local,
            Changed::Both if local.is_some() => {
                let winner = self.winner(side);
                self.conflict(name, None, local, remote, winner);
                winner
            }
            Changed::There | Changed::Both => Winner::Remote,
        };
        let is_taken = winner == Winner::Remote && self.direction.pulls();
        if is_taken || winner == Winner::Local {
            self.agree(field, Some(theirs));
        }
        is_taken
    }
}
