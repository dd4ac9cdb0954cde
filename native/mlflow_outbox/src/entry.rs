//! What is logged, and its bytes.

use mlflow_core::model::{Metric, MetricValue, Param, RunStatus, Tag};

use crate::error::{OutboxError, Result};

/// Far beyond what any server takes, and little enough to be read at once.
const LONGEST_TEXT: usize = 1 << 20;

const METRIC: u8 = 1;
const PARAM: u8 = 2;
const TAG: u8 = 3;
const STATUS: u8 = 4;

/// One thing that is logged, borrowed from whoever logs it. Times are in ms since the epoch.
#[derive(Clone, Copy, Debug)]
pub enum EntryRef<'a> {
    Metric {
        key: &'a str,
        value: f64,
        step: i64,
        timestamp: i64,
    },
    Param {
        key: &'a str,
        value: &'a str,
    },
    Tag {
        key: &'a str,
        value: &'a str,
    },
    /// The run's own status; of a run that ends, also when.
    Status {
        status: &'a str,
        end_time: Option<i64>,
    },
}

/// The same as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Metric(Metric),
    Param(Param),
    Tag(Tag),
    Status {
        status: RunStatus,
        end_time: Option<i64>,
    },
}

impl EntryRef<'_> {
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) -> Result<()> {
        match *self {
            Self::Metric {
                key,
                value,
                step,
                timestamp,
            } => {
                buffer.push(METRIC);
                put_text(buffer, key)?;
                buffer.extend(value.to_bits().to_le_bytes());
                buffer.extend(step.to_le_bytes());
                buffer.extend(timestamp.to_le_bytes());
            }
            Self::Param { key, value } => put_pair(buffer, PARAM, key, value)?,
            Self::Tag { key, value } => put_pair(buffer, TAG, key, value)?,
            Self::Status { status, end_time } => {
                buffer.push(STATUS);
                put_text(buffer, status)?;
                buffer.push(end_time.is_some().into());
                buffer.extend(end_time.unwrap_or_default().to_le_bytes());
            }
        }
        Ok(())
    }
}

impl Entry {
    pub fn borrow(&self) -> EntryRef<'_> {
        match self {
            Self::Metric(metric) => EntryRef::Metric {
                key: &metric.key,
                value: metric.value.0,
                step: metric.step,
                timestamp: metric.timestamp,
            },
            Self::Param(Param { key, value }) => EntryRef::Param { key, value },
            Self::Tag(Tag { key, value }) => EntryRef::Tag { key, value },
            Self::Status { status, end_time } => EntryRef::Status {
                status: status.as_str(),
                end_time: *end_time,
            },
        }
    }

    /// `None` for bytes that no entry was written as.
    pub(crate) fn decode(bytes: &mut Bytes) -> Option<Self> {
        Some(match bytes.u8()? {
            METRIC => Self::Metric(Metric {
                key: bytes.text()?,
                value: MetricValue(f64::from_bits(bytes.u64()?)),
                step: bytes.i64()?,
                timestamp: bytes.i64()?,
            }),
            PARAM => Self::Param(Param {
                key: bytes.text()?,
                value: bytes.text()?,
            }),
            TAG => Self::Tag(Tag {
                key: bytes.text()?,
                value: bytes.text()?,
            }),
            STATUS => {
                let status = bytes.text()?.into();
                let ended = bytes.u8()? == 1;
                let end_time = Some(bytes.i64()?).filter(|_| ended);
                Self::Status { status, end_time }
            }
            _ => return None,
        })
    }
}

fn put_pair(buffer: &mut Vec<u8>, kind: u8, key: &str, value: &str) -> Result<()> {
    buffer.push(kind);
    put_text(buffer, key)?;
    put_text(buffer, value)
}

pub(crate) fn put_text(buffer: &mut Vec<u8>, text: &str) -> Result<()> {
    if text.len() > LONGEST_TEXT {
        let message = format!(
            "a text of {} bytes cannot be logged: MLflow takes far less, keep it as an artifact",
            text.len()
        );
        return Err(OutboxError::invalid(message));
    }
    buffer.extend((text.len() as u32).to_le_bytes());
    buffer.extend(text.as_bytes());
    Ok(())
}

/// Bytes that are read one value after the other, and may end too soon.
pub(crate) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}
