//! Lanes: folders of logs, each held by one process at a time.
//!
//! A process takes the first lane that nobody holds as its own, and later also those whose holders
//! have died, so that what these left behind is delivered. The lock goes with the process.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::{At, ErrorKind, OutboxError, Result};

/// How often 10 ms are waited for a lock of our own.
const PATIENCE: u32 = 5;

#[derive(Debug)]
pub(crate) struct Lane {
    pub number: u32,
    pub folder: PathBuf,
    _lock: File,
}

impl Lane {
    /// The first lane that is free, created where there is none.
    pub fn first_free(root: &Path) -> Result<Self> {
        for number in 1..=u32::MAX {
            if let Some(lane) = Self::take(root, number, PATIENCE)? {
                return Ok(lane);
            }
        }
        unreachable_lanes(root)
    }

    /// Those that exist, that are not among `held`, and whose holders are gone.
    pub fn abandoned(root: &Path, held: &[Self]) -> Result<Vec<Self>> {
        let mut lanes = Vec::new();
        for folder in fs::read_dir(root).at(root)? {
            let name = folder.at(root)?.file_name();
            let number = name.to_str().and_then(|name| name.parse().ok());
            if let Some(number) = number
                && !held.iter().any(|lane| lane.number == number)
            {
                lanes.extend(Self::take(root, number, 0)?);
            }
        }
        Ok(lanes)
    }

    /// `None` while somebody else holds it.
    fn take(root: &Path, number: u32, patience: u32) -> Result<Option<Self>> {
        let folder = root.join(number.to_string());
        fs::create_dir_all(&folder).at(&folder)?;
        let path = folder.join("lock");
        let mut options = File::options();
        let lock = options
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .at(&path)?;
        match try_lock(&lock, patience) {
            Ok(()) => Ok(Some(Self {
                number,
                folder,
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                let message = format!(
                    "{} cannot be locked ({error}): put the outbox on a disk of this machine",
                    path.display()
                );
                Err(OutboxError::new(ErrorKind::Io, message))
            }
        }
    }
}

/// A process that is being started inherits every lock for the moment until it becomes another
/// program, and so holds for a moment what its parent has given up.
fn try_lock(lock: &File, patience: u32) -> std::result::Result<(), TryLockError> {
    for _ in 0..patience {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
            outcome => return outcome,
        }
    }
    lock.try_lock()
}

fn unreachable_lanes(root: &Path) -> Result<Lane> {
    let message = format!("every lane of {} is taken", root.display());
    Err(OutboxError::new(ErrorKind::Io, message))
}
