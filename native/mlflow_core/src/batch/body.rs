//! A log-batch request's body, written as it is filled.

use bytes::Bytes;
use serde::Serialize;

use super::{BatchLimits, OPERATION, Queue};
use crate::error::{Error, ErrorKind, Result};

const BEGIN: &str = "{\"run_id\":";
/// What comes before each kind of entity, in the order in which a batch is filled.
const OPENINGS: [&str; 3] = [",\"params\":[", "],\"tags\":[", "],\"metrics\":["];
const END: &str = "]}";

/// About as long as a point is.
const TYPICAL_ENTITY: usize = 80;

pub(super) struct Body {
    json: Vec<u8>,
    /// What is still to be written besides entities.
    openings: std::array::IntoIter<&'static str, 3>,
    frame_left: usize,
    entities_left: usize,
    max_bytes: usize,
}

impl Body {
    /// For about as many entities as `expected`.
    pub fn begin(run_id: &str, expected: usize, limits: &BatchLimits) -> Result<Self> {
        let mut body = Self {
            json: Vec::with_capacity(expected * TYPICAL_ENTITY),
            openings: OPENINGS.into_iter(),
            frame_left: OPENINGS.iter().map(|opening| opening.len()).sum::<usize>() + END.len(),
            entities_left: limits.entities,
            max_bytes: limits.bytes,
        };
        body.json.extend_from_slice(BEGIN.as_bytes());
        write(&mut body.json, run_id)?;
        Ok(body)
    }

    /// Takes as many of the next entities as fit, and answers how many.
    pub fn fill<T: Serialize>(&mut self, source: &mut Queue<T>, limit: usize) -> Result<usize> {
        let opening = self.openings.next().unwrap_or_default();
        self.json.extend_from_slice(opening.as_bytes());
        self.frame_left -= opening.len();
        let mut count = 0;
        while count < limit.min(self.entities_left)
            && let Some(entity) = source.peek()
        {
            let end = self.json.len();
            if count > 0 {
                self.json.push(b',');
            }
            write(&mut self.json, entity)?;
            if self.json.len() + self.frame_left > self.max_bytes {
                self.json.truncate(end);
                break;
            }
            source.taken += 1;
            count += 1;
        }
        self.entities_left -= count;
        Ok(count)
    }

    pub fn finish(mut self) -> Bytes {
        self.json.extend_from_slice(END.as_bytes());
        self.json.into()
    }
}

fn write(json: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<()> {
    serde_json::to_writer(json, value).map_err(|cause| {
        let message = format!("an entity cannot be written as JSON: {cause}");
        Error::new(ErrorKind::Bug, OPERATION, message)
    })
}
