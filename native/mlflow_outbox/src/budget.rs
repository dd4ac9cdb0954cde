//! How many bytes may wait in all logs together.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{ErrorKind, OutboxError, Result};

#[derive(Debug)]
pub(crate) struct Budget {
    limit: AtomicU64,
    used: AtomicU64,
}

impl Budget {
    pub fn new(limit: u64) -> Self {
        Self {
            limit: AtomicU64::new(limit),
            used: AtomicU64::new(0),
        }
    }

    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Room for so many more bytes, or none of them.
    pub fn take(&self, bytes: u64) -> Result<()> {
        let limit = self.limit.load(Ordering::Relaxed);
        let grown = |used: u64| Some(used + bytes).filter(|grown| *grown <= limit);
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
        {
            Ok(_) => Ok(()),
            Err(used) => Err(overloaded(used, limit)),
        }
    }

    /// For what waits already, and for the end of a run, which comes last and is small.
    pub fn take_anyway(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn overloaded(used: u64, limit: u64) -> OutboxError {
    let message = format!(
        "{used} bytes wait in the outbox and outbox_limit is {limit}: bring the MLflow server \
         back, log less often, or raise outbox_limit; nothing of this call was written"
    );
    OutboxError::new(ErrorKind::Overloaded, message)
}
