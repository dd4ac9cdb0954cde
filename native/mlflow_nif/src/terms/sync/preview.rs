//! What carrying an order out would change.

use mlflow_core::sync::{Change, Preview, Way};
use rustler::{NifMap, NifUnitEnum};

use super::report::ConflictTerm;

#[derive(NifMap)]
#[rustler(encode)]
pub struct PreviewTerm {
    creates: bool,
    run_id: Option<String>,
    changes: Vec<ChangeTerm>,
    conflicts: Vec<ConflictTerm>,
    reads: u64,
}

#[derive(NifMap)]
#[rustler(encode)]
struct ChangeTerm {
    side: WayTerm,
    field: &'static str,
    key: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(NifUnitEnum)]
enum WayTerm {
    Push,
    Pull,
}

impl From<Preview> for PreviewTerm {
    fn from(preview: Preview) -> Self {
        let (changes, conflicts) = (preview.changes, preview.conflicts);
        Self {
            creates: preview.creates,
            run_id: preview.run_id,
            changes: changes.into_iter().map(ChangeTerm::from).collect(),
            conflicts: conflicts.into_iter().map(ConflictTerm::from).collect(),
            reads: preview.requests.reads,
        }
    }
}

impl From<Change> for ChangeTerm {
    fn from(change: Change) -> Self {
        Self {
            side: match change.way {
                Way::Push => WayTerm::Push,
                Way::Pull => WayTerm::Pull,
            },
            field: change.field,
            key: change.key,
            from: change.from,
            to: change.to,
        }
    }
}
