//! Takes over what MLflow keeps in an SQLite database (MLflow 2.9 and later) or in an `mlruns`
//! folder: experiments, runs with their whole metric histories, datasets, logged models and the
//! registry. Ids stay what they are. Artifacts stay where they are too: only their URIs are taken.
//!
//! What is there already, by its id, is left as it is and counted, so that an import that broke off
//! is gone on with by importing again. An experiment whose name another one has here comes under a
//! name with its id added: what refers to it does so by id.

mod batches;
mod database;
mod experiments;
mod folder;
mod logged_models;
mod meta;
mod records;
mod registry;
mod runs;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use crate::error::{Result, StoreError};
use database::Database;
use folder::Folder;
use records::Source;

/// How far an import is with one kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// "experiments", "runs", "logged_models" or "registered_models".
    pub table: &'static str,
    pub done: usize,
    pub total: usize,
}

/// What an import brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub experiments: Count,
    pub runs: Count,
    pub metric_points: u64,
    pub logged_models: Count,
    pub registered_models: Count,
    pub model_versions: Count,
    /// Experiments that came under another name: the old one, and the new.
    pub renamed: Vec<(String, String)>,
    /// What the source has and this store has no place for, such as traces, and how much of it.
    pub left_out: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub imported: u64,
    /// Was there already.
    pub present: u64,
}

impl Count {
    fn add(&mut self, is_new: bool) {
        if is_new {
            self.imported += 1;
        } else {
            self.present += 1;
        }
    }
}

/// Imports a database, or a folder, and tells `progress` how far it is. What was told as done is
/// committed.
pub fn import(
    conn: &Connection,
    source: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Summary> {
    if source.is_dir() {
        import_from(conn, &Folder::open(source)?, &mut progress)
    } else if source.is_file() {
        import_from(conn, &Database::open(source)?, &mut progress)
    } else {
        let message = format!(
            "{} is neither an SQLite file nor a folder: give the path of MLflow's database or of \
             its mlruns folder",
            source.display()
        );
        Err(StoreError::invalid(message))
    }
}

fn import_from(
    conn: &Connection,
    source: &impl Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary> {
    let mut summary = Summary {
        left_out: source.left_out()?,
        ..Summary::default()
    };
    experiments::import(conn, source, &mut summary, progress)?;
    runs::import(conn, source, &mut summary, progress)?;
    logged_models::import(conn, source, &mut summary, progress)?;
    registry::import(conn, source, &mut summary, progress)?;
    Ok(summary)
}
