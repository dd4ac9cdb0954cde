//! A durable job queue: what must be done, by whom, and how it went.
//!
//! A job waits (`scheduled`, `available` or `retryable`), is leased to one owner (`executing`), and
//! ends (`completed`, `cancelled` or `discarded`). Two keys keep jobs apart: of those with one
//! `unique_key` only one waits at a time, and of those with one `lock_key` only one executes. A job
//! that would become a second waiting one is cancelled as superseded by the first.
//!
//! An owner that dies lets its leases run out, and [`rescue`] makes its jobs available again. An
//! owner that lost its lease can no longer change the job.

mod control;
mod insert;
mod job;
mod lease;
mod outcome;
mod query;

pub use control::{cancel_waiting, prune, retry};
pub use insert::insert_all;
pub use job::{ErrorEntry, Job, JobError, JobState, NewJob};
pub use lease::{fetch, release, renew, rescue};
pub use outcome::{cancel, complete, fail, snooze};
pub use query::{JobFilter, counts, get, list, next_due};
