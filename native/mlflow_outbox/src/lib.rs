//! What was logged and is not in MLflow yet: one durable log per run logger, appended to with one
//! write, read in order, and forgotten once it is delivered.
//!
//! An append is in the page cache when it returns, so the death of the process cannot undo it; a
//! thread flushes the logs to the disk at an interval, after which a power cut cannot either.

#![forbid(unsafe_code)]

mod budget;
mod cursor;
mod deliver;
mod entry;
mod error;
mod files;
mod frame;
mod header;
mod lane;
mod log;
mod outbox;
mod reader;
mod rejected;
mod segment;

pub use deliver::{Delivered, deliver};
pub use entry::{Entry, EntryRef};
pub use error::{ErrorKind, OutboxError, Result};
pub use log::{Appended, Info, Log, Progress};
pub use outbox::{LogHandle, Options, Outbox};
pub use reader::Chunk;
pub use rejected::Rejected;
