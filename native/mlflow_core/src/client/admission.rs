//! Whether a request may be sent now, and what its outcome teaches: the throttle and the circuit
//! that all sessions with a server share.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::circuit::{Circuit, Refusal};
use super::endpoint::Endpoint;
use super::throttle::Throttle;
use crate::error::{Error, ErrorKind, Result};

pub(super) struct Admission {
    throttle: Throttle,
    circuit: Circuit,
    /// The circuit opened or the server wants a pause: whoever waits looks again.
    news: Notify,
    /// An attempt that was given less time than this proves nothing by running out of it.
    patience: Duration,
}

/// The right to send one request. Dropped without an outcome, it has never been.
pub(super) struct Permit<'a> {
    admission: &'a Admission,
    sent: Instant,
    is_probe: bool,
}

/// Whether there is a server.
enum Sign<'a> {
    Life,
    /// And how that showed.
    Absence(&'a str),
    Neither,
}

impl Admission {
    pub fn new(rate: Option<f64>, patience: Duration) -> Self {
        Self {
            throttle: Throttle::new(rate),
            circuit: Circuit::default(),
            news: Notify::new(),
            patience,
        }
    }

    /// Waits for the request's turn. What cannot come before the deadline, or would find nobody, is
    /// refused at once.
    pub async fn admit(&self, endpoint: &Endpoint, deadline: Instant) -> Result<Permit<'_>> {
        let mut turn = None;
        loop {
            // From here on, so that no news is missed between looking and waiting.
            let news = self.news.notified();
            let now = Instant::now();
            if let Some(refusal) = self.closed_to(endpoint, now) {
                return Err(refusal.into_error(endpoint.name));
            }
            let given = self.throttle.turn(turn, now, deadline);
            let given = given.map_err(|wait| throttled(endpoint, wait))?;
            if given.at <= now {
                return self.enter(endpoint, now);
            }
            let _ = timeout_at(given.at, news).await;
            turn = Some(given);
        }
    }

    /// Waits before a request is sent again, unless it turns out that it would find nobody.
    pub async fn rest(&self, endpoint: &Endpoint, delay: Duration) {
        let until = Instant::now() + delay;
        loop {
            let news = self.news.notified();
            let is_in_vain = !endpoint.is_probe && self.outage().is_some();
            if is_in_vain || timeout_at(until, news).await.is_err() {
                return;
            }
        }
    }

    /// The story of the open circuit, and how long until the next probe.
    pub fn outage(&self) -> Option<Refusal> {
        self.circuit.outage(Instant::now())
    }

    /// Requests per s, and how long there are to be none at all.
    pub fn rate(&self) -> (Option<f64>, Duration) {
        self.throttle.now(Instant::now())
    }

    fn closed_to(&self, endpoint: &Endpoint, now: Instant) -> Option<Refusal> {
        if endpoint.is_probe {
            return None;
        }
        self.circuit.refusal(now)
    }

    fn enter(&self, endpoint: &Endpoint, now: Instant) -> Result<Permit<'_>> {
        let entered = match self.circuit.enter(now) {
            Err(_) if endpoint.is_probe => Ok(false),
            entered => entered,
        };
        Ok(Permit {
            admission: self,
            sent: now,
            is_probe: entered.map_err(|refusal| refusal.into_error(endpoint.name))?,
        })
    }
}

impl Permit<'_> {
    /// `limit` is the time that the attempt was given.
    pub fn settle<T>(mut self, outcome: &Result<T>, limit: Duration) {
        let Admission {
            throttle, circuit, ..
        } = self.admission;
        let now = Instant::now();
        let is_slowed = match outcome {
            Ok(_) => {
                throttle.passed();
                false
            }
            Err(error) if asks_for_less(error) => {
                throttle.pushed_back(self.sent, now, error.retry_after)
            }
            Err(_) => false,
        };
        let is_opened = match sign(outcome, limit >= self.admission.patience) {
            Sign::Life => {
                circuit.answered(now);
                false
            }
            Sign::Absence(reason) => circuit.failed(self.sent, now, self.is_probe, reason),
            // As if it had never been sent.
            Sign::Neither => return,
        };
        self.is_probe = false;
        if is_slowed || is_opened {
            self.admission.news.notify_waiters();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.admission.circuit.probe_lost();
        }
    }
}

/// Any word from the server proves that it is there, be it that the request is wrong or that
/// something broke. What a proxy says in its place (502, 503, 504) does not.
fn sign<T>(outcome: &Result<T>, in_full_time: bool) -> Sign<'_> {
    let Err(error) = outcome else {
        return Sign::Life;
    };
    match error.kind {
        _ if asks_for_less(error) => Sign::Life,
        ErrorKind::Unavailable | ErrorKind::Connect | ErrorKind::ConnectionLost => {
            Sign::Absence(&error.message)
        }
        _ if error.status.is_some() => Sign::Life,
        ErrorKind::NotMlflow | ErrorKind::BadResponse => Sign::Life,
        ErrorKind::Timeout if in_full_time => Sign::Absence(&error.message),
        _ => Sign::Neither,
    }
}

fn asks_for_less(error: &Error) -> bool {
    error.kind == ErrorKind::RateLimited || error.retry_after.is_some()
}

fn throttled(endpoint: &Endpoint, wait: Duration) -> Error {
    let message = format!(
        "the server takes no more requests at the moment; this one's turn would come in {:.1} s, \
         which is after its deadline",
        wait.as_secs_f64()
    );
    Error {
        retry_after: Some(wait),
        ..Error::new(ErrorKind::RateLimited, endpoint.name, message)
    }
}
