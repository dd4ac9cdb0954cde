//! The embedded store's handle, and how its calls reach the writer thread.

use std::path::{Path, PathBuf};

use mlflow_store::{Checkup, Store, StoreError};
use rustler::{Env, NifMap, Resource, Term};

use crate::reply::Caller;
use crate::store_request::StoreRequest;
use crate::terms::ErrorTerm;

pub struct Database {
    store: Store,
    path: PathBuf,
}

#[rustler::resource_impl]
impl Resource for Database {}

impl Database {
    pub fn open(path: &str) -> Result<Self, StoreError> {
        let path = PathBuf::from(path);
        let store = Store::open(&path)?;
        Ok(Self { store, path })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Queues the request for the writer thread and returns at once; the answer goes to the caller
    /// as a message.
    pub fn call(&self, env: Env, reference: Term, request: StoreRequest) -> Result<(), ErrorTerm> {
        let caller = Caller::new(env.pid(), reference);
        // The promise is made on the writer thread: work that is refused is dropped here, on a
        // scheduler thread, and the refusal is returned instead of sent.
        self.store.submit(Box::new(move |conn| {
            let reply = caller.promise();
            reply.send(request.perform(conn));
        }))?;
        Ok(())
    }

    pub fn close(&self) {
        self.store.close();
    }
}

/// What a doctor finds of a database file.
#[derive(NifMap)]
#[rustler(encode)]
pub struct CheckupTerm {
    version: usize,
    current: usize,
    damage: Vec<String>,
}

impl From<Checkup> for CheckupTerm {
    fn from(checkup: Checkup) -> Self {
        Self {
            version: checkup.version,
            current: checkup.current,
            damage: checkup.damage,
        }
    }
}
