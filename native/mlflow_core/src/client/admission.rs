//! Whether a request may be sent now, and what its outcome teaches: the throttle and the circuit
//! that all sessions with a server share.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::circuit::{Circuit, Refusal};
use super::endpoint::Endpoint;
use super::throttle::Throttle;
use crate::error::{Error, ErrorKind, Result};

/// What a request that had to wait for its turn is left with at least, or half of what it had.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

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
        let latest = latest_start(Instant::now(), deadline);
        let mut turn = None;
        loop {
            // From here on, so that no news is missed between looking and waiting.
            let news = self.news.notified();
            let now = Instant::now();
            if let Some(refusal) = self.closed_to(endpoint, now) {
                return Err(refusal.into_error(endpoint.name));
            }
            let given = self.throttle.turn(turn, now, latest);
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

/// Waiting must leave the request itself some time: one that is sent with a moment to go is answered
/// too late, and nobody knows what became of it.
fn latest_start(now: Instant, deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);
    now + left - TIME_TO_ANSWER.min(left / 2)
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
         too late for its deadline",
        wait.as_secs_f64()
    );
    Error {
        retry_after: Some(wait),
        ..Error::new(ErrorKind::RateLimited, endpoint.name, message)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinHandle;

    use super::*;

    const GET: Endpoint = Endpoint::get("runs/get");
    const HEALTH: Endpoint = Endpoint::page("health");
    const SECOND: Duration = Duration::from_secs(1);

    fn admission(rate: Option<f64>) -> Arc<Admission> {
        Arc::new(Admission::new(rate, SECOND))
    }

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "test", "no answer")
    }

    fn told_to_wait(seconds: u32) -> Result<()> {
        Err(Error {
            retry_after: Some(SECOND * seconds),
            ..error(ErrorKind::RateLimited)
        })
    }

    /// Sends one request, which has this outcome after a moment.
    async fn send(admission: &Admission, endpoint: &Endpoint, outcome: Result<()>) {
        let deadline = Instant::now() + SECOND;
        let permit = admission.admit(endpoint, deadline).await.unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        permit.settle(&outcome, SECOND);
    }

    async fn open(admission: &Admission) {
        for _ in 0..5 {
            send(admission, &GET, Err(error(ErrorKind::Connect))).await;
        }
        assert!(admission.outage().is_some());
    }

    /// How many s the request had to wait, and its error if it was refused.
    fn ask(admission: &Arc<Admission>, patience: u32) -> JoinHandle<(u64, Option<Error>)> {
        let admission = Arc::clone(admission);
        let started = Instant::now();
        tokio::spawn(async move {
            let admitted = admission.admit(&GET, started + SECOND * patience).await;
            (started.elapsed().as_secs(), admitted.err())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_to_one_holds_all() {
        let admission = admission(None);
        send(&admission, &GET, told_to_wait(10)).await;
        let (hasty, patient) = (ask(&admission, 5), ask(&admission, 60));
        let (waited, refused) = hasty.await.unwrap();
        let refused = refused.unwrap();
        assert_eq!((waited, refused.kind), (0, ErrorKind::RateLimited));
        assert_eq!(
            (refused.retry_after, refused.attempts),
            (Some(10 * SECOND), 0)
        );
        assert!(matches!(patient.await.unwrap(), (10, None)));
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_is_sent_with_its_time_as_good_as_over() {
        let admission = admission(None);
        send(&admission, &GET, told_to_wait(10)).await;
        let (waited, refused) = ask(&admission, 10).await.unwrap();
        assert_eq!((waited, refused.unwrap().attempts), (0, 0));
        assert!(matches!(ask(&admission, 12).await.unwrap(), (10, None)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_a_longer_wait_at_once() {
        let admission = admission(Some(1.0));
        let under_way = admission
            .admit(&GET, Instant::now() + SECOND)
            .await
            .unwrap();
        let waiting = [ask(&admission, 5), ask(&admission, 60)];
        tokio::time::sleep(Duration::from_millis(10)).await;
        under_way.settle(&told_to_wait(30), SECOND);
        let [hasty, patient] = waiting;
        let (waited, refused) = hasty.await.unwrap();
        assert_eq!((waited, refused.unwrap().kind), (0, ErrorKind::RateLimited));
        assert!(matches!(patient.await.unwrap(), (30, None)));
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_the_order_of_asking() {
        let admission = admission(Some(1.0));
        let mut waits = Vec::new();
        for asked in (0..5).map(|_| ask(&admission, 60)).collect::<Vec<_>>() {
            waits.push(asked.await.unwrap().0);
        }
        assert_eq!(waits, [0, 1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_server_that_is_not_there() {
        let admission = admission(Some(5.0));
        let mut permits = Vec::new();
        for _ in 0..5 {
            permits.push(
                admission
                    .admit(&GET, Instant::now() + SECOND)
                    .await
                    .unwrap(),
            );
        }
        let queued = ask(&admission, 60);
        let resting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.rest(&GET, 60 * SECOND).await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let started = Instant::now();
        for permit in permits {
            permit.settle(&Err::<(), _>(error(ErrorKind::ConnectionLost)), SECOND);
        }
        let (_, refused) = queued.await.unwrap();
        let refused = refused.unwrap();
        assert_eq!((refused.kind, refused.attempts), (ErrorKind::Connect, 0));
        assert!(refused.message.contains("no answer"), "{refused}");
        resting.await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_whose_caller_went_away_is_another_s_to_make() {
        let admission = admission(None);
        open(&admission).await;
        tokio::time::advance(2 * SECOND).await;
        let deadline = Instant::now() + SECOND;
        let probe = admission.admit(&GET, deadline).await.unwrap();
        assert!(admission.admit(&GET, deadline).await.is_err());
        drop(probe);
        let probe = admission.admit(&GET, deadline).await.unwrap();
        probe.settle(&Ok(()), SECOND);
        assert!(admission.outage().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn health_is_asked_for_through_an_open_circuit() {
        let admission = admission(None);
        open(&admission).await;
        let before = admission.outage().unwrap().wait;
        send(&admission, &HEALTH, Err(error(ErrorKind::Connect))).await;
        assert!(admission.outage().unwrap().wait <= before);
        admission.rest(&HEALTH, SECOND / 100).await;
        send(&admission, &HEALTH, Ok(())).await;
        assert!(admission.outage().is_none());
        send(&admission, &GET, Ok(())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_the_server_says_is_a_sign_of_life() {
        let admission = admission(None);
        let said = |kind, status| Error {
            status: Some(status),
            ..error(kind)
        };
        for alive in [
            said(ErrorKind::Server, 500),
            said(ErrorKind::NotFound, 404),
            said(ErrorKind::Timeout, 408),
            said(ErrorKind::NotMlflow, 302),
            error(ErrorKind::BadResponse),
        ] {
            for _ in 0..4 {
                send(&admission, &GET, Err(error(ErrorKind::Timeout))).await;
            }
            send(&admission, &GET, Err(alive)).await;
        }
        assert!(admission.outage().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn running_out_of_too_little_time_proves_nothing() {
        let admission = admission(None);
        for _ in 0..20 {
            let permit = admission
                .admit(&GET, Instant::now() + SECOND)
                .await
                .unwrap();
            let outcome = Err::<(), _>(error(ErrorKind::Timeout));
            permit.settle(&outcome, SECOND / 2);
        }
        assert!(admission.outage().is_none());
    }
}
