//! Any number of a run's entities, in as few `runs/log-batch` as the server takes.

use tokio::time::Instant;

use super::runs::LOG_BATCH;
use super::wire;
use crate::batch::{Batch, Batches};
use crate::client::{BatchSize, Client, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Metric, Param, Tag};

const LOG_LARGE_BATCH: Endpoint = Endpoint::large(LOG_BATCH.name);

impl Client {
    /// Logs them in batches as large as the server takes; one that it refuses for its size, or that
    /// takes too long, is sent again in parts, and the sizes are remembered for all sessions. Every
    /// batch that gets through has a deadline of its own. A call that fails half-way may be repeated
    /// without harm.
    pub async fn log_entities(
        &self,
        run_id: &str,
        params: &[Param],
        tags: &[Tag],
        metrics: &[Metric],
    ) -> Result<()> {
        let size = self.sizes().size();
        let upload = Upload {
            client: self,
            rest: Batches::new(run_id, params, tags, metrics)?,
            begun: size,
            cut: size,
            on_trial: None,
        };
        upload.send().await
    }
}

struct Upload<'a> {
    client: &'a Client,
    rest: Batches<'a>,
    /// What the first batch was cut by, and the last one.
    begun: BatchSize,
    cut: BatchSize,
    /// A smaller size that no batch has got through with yet.
    on_trial: Option<BatchSize>,
}

impl Upload<'_> {
    async fn send(mut self) -> Result<()> {
        let mut deadline = self.client.deadline();
        while let Some(batch) = self.next_batch()? {
            let size = self.client.sizes().of(&batch);
            let endpoint = if size.is_large() {
                &LOG_LARGE_BATCH
            } else {
                &LOG_BATCH
            };
            let body = batch.body.clone();
            let sent = self.client.post_by(deadline, endpoint, body, wire::done);
            match sent.await {
                Ok(()) => {
                    self.passed();
                    deadline = self.client.deadline();
                }
                Err(error) => {
                    let error = self.shrink(size, error)?;
                    if Instant::now() >= deadline {
                        return Err(self.give_up(error));
                    }
                    self.rest.put_back(&batch);
                }
            }
        }
        self.learn();
        Ok(())
    }

    /// By the size that counts now.
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let sizes = self.client.sizes();
        self.cut = self.on_trial.unwrap_or_else(|| sizes.size());
        self.rest.next_batch(&sizes.limits(self.cut))
    }

    fn passed(&self) {
        if self.on_trial.is_none() {
            self.client.sizes().passed();
        }
    }

    /// That everything got through in smaller parts is what tells that it was their size.
    fn learn(&self) {
        if let Some(size) = self.on_trial {
            self.client.sizes().lower(size);
        }
    }

    /// A server that is slow over large batches would let no call find out: the next one begins a
    /// step smaller, however many steps this one tried.
    fn give_up(&self, error: Error) -> Error {
        if error.is_timeout()
            && let Some(smaller) = self.begun.halved_by_weight(self.begun)
        {
            self.client.sizes().lower(smaller);
        }
        error
    }

    /// Has what failed sent in smaller parts, unless that would not help. What is refused however
    /// small it is was not refused for its size, and teaches nothing.
    fn shrink(&mut self, sent: BatchSize, error: Error) -> Result<Error> {
        let smaller = match excess(&error, sent) {
            None => None,
            Some(Excess::Bytes) => sent.halved_by_bytes(self.cut),
            Some(Excess::Entities | Excess::Time) => sent.halved_by_weight(self.cut),
        };
        let Some(smaller) = smaller else {
            return Err(error);
        };
        self.on_trial = Some(smaller);
        Ok(error)
    }
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    Entities,
    Bytes,
    Time,
}

/// Whether a batch failed for its size, as far as the error tells.
fn excess(error: &Error, sent: BatchSize) -> Option<Excess> {
    match (error.kind, error.status) {
        _ if error.is_timeout() => sent.is_large().then_some(Excess::Time),
        (ErrorKind::Invalid, Some(413)) => Some(Excess::Bytes),
        (ErrorKind::Invalid, Some(_)) => complaint(&error.message),
        _ => None,
    }
}

/// MLflow: "A batch logging request can contain at most 1000 metrics", "Batched logging API requests
/// must be at most 1000000 bytes". Azure: "A field of the entity is over the size limit." Others
/// have words of their own.
const TOO_MUCH: [&str; 8] = [
    "at most",
    "too many",
    "too large",
    "too big",
    "exceed",
    "limit",
    "maximum",
    "max ",
];

/// What is said of one entity that is wrong by itself, or of what a run can hold in all.
const NOT_THE_BATCH: [&str; 6] = [
    "length",
    "character",
    "per run",
    "per experiment",
    "quota",
    "already logged",
];

fn complaint(message: &str) -> Option<Excess> {
    let said = unquoted(message).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if !says(&TOO_MUCH) || says(&NOT_THE_BATCH) {
        None
    } else if says(&["byte", "payload", "body"]) {
        Some(Excess::Bytes)
    } else {
        Some(Excess::Entities)
    }
}

/// Without keys and values of the user's, which may say anything.
fn unquoted(message: &str) -> String {
    let mut said = String::with_capacity(message.len());
    let mut quote = None;
    let mut before = ' ';
    for char in message.chars() {
        match quote {
            Some(open) if char == open => quote = None,
            Some(_) => {}
            // An apostrophe stands within a word.
            None if matches!(char, '"' | '\'' | '`') && !before.is_alphanumeric() => {
                quote = Some(char);
            }
            None => said.push(char),
        }
        before = char;
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_about_a_batch_are_understood() {
        for (message, excess) in [
            (
                "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. \
                 Please split up metrics across multiple requests and try again.",
                Excess::Entities,
            ),
            (
                "Batched logging API requests must be at most 1000000 bytes, got a request of size \
                 1000001.",
                Excess::Bytes,
            ),
            (
                "A field of the entity is over the size limit. \
                 FieldName=MetricV2Dto.Value/Count, Limit=250, Size=699.",
                Excess::Entities,
            ),
            ("Too many params in the request", Excess::Entities),
            ("Request payload exceeds the maximum", Excess::Bytes),
        ] {
            assert_eq!(complaint(message), Some(excess), "{message}");
        }
    }

    #[test]
    fn complaints_about_an_entity_are_not_taken_for_it() {
        for message in [
            "'params[0].value' exceeds the maximum length of 6000 characters",
            "Param value 'xyz' had length 7000, which exceeded length limit of 6000",
            "Changing param values is not allowed. Param with key='batch_limit' was already logged \
             with value='too many' for run ID='0123'.",
            "Changing param values is not allowed. Params were already logged='[{'key': 'limit', \
             'old_value': 'too many', 'new_value': 'at most 5'}]' for run ID='0123'.",
            "Invalid value \"at most 10\" for parameter 'metrics[0].timestamp' supplied",
            "Exceeded the number of params allowed per run: 200",
            "Got invalid value nan for metric",
        ] {
            assert_eq!(complaint(message), None, "{message}");
        }
    }
}
