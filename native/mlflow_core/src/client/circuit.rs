//! Whether the server is there at all. Once it has not answered several times in a row, requests
//! fail at once, and only now and then one is let through to see.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};

/// So many failures in a row are no coincidence.
const THRESHOLD: u32 = 5;

/// Between probes, before jitter, which at most doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(15);

#[derive(Default)]
pub(super) struct Circuit {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    answered: Option<Instant>,
    outage: Option<Outage>,
}

/// The circuit is open.
struct Outage {
    reason: String,
    delays: ExponentialBackoff,
    delay: Duration,
    next_probe: Instant,
    probing: bool,
}

/// Why a request is not let through.
pub(super) struct Refusal {
    pub wait: Duration,
    pub story: String,
}

impl Refusal {
    pub fn into_error(self, operation: &'static str) -> Error {
        Error {
            retry_after: Some(self.wait),
            ..Error::new(ErrorKind::Connect, operation, self.story)
        }
    }
}

impl Circuit {
    /// Lets a request through, and says whether it is a probe, whose end has to be reported.
    pub fn enter(&self, now: Instant) -> std::result::Result<bool, Refusal> {
        let mut state = self.state();
        if let Some(refusal) = state.refusal(now) {
            return Err(refusal);
        }
        match &mut state.outage {
            None => Ok(false),
            Some(outage) => {
                outage.probing = true;
                Ok(true)
            }
        }
    }

    /// Why a request would not be let through now.
    pub fn refusal(&self, now: Instant) -> Option<Refusal> {
        self.state().refusal(now)
    }

    /// The story of the open circuit, and how long until the next probe.
    pub fn outage(&self, now: Instant) -> Option<Refusal> {
        self.state().story(now)
    }

    /// The server is there, whatever it said.
    pub fn answered(&self, now: Instant) {
        *self.state() = State {
            answered: Some(now),
            ..State::default()
        };
    }

    /// A request that was sent then found no server. Whether that opened the circuit.
    pub fn failed(&self, sent: Instant, now: Instant, is_probe: bool, reason: &str) -> bool {
        let mut state = self.state();
        // Another one was answered meanwhile.
        if state.answered.is_some_and(|answered| sent < answered) {
            return false;
        }
        state.failures = state.failures.saturating_add(1);
        if let Some(outage) = &mut state.outage {
            // Others were sent before the circuit opened, or by somebody who does not mind.
            if is_probe {
                outage.go_on(now, reason);
            }
            return false;
        }
        if state.failures < THRESHOLD {
            return false;
        }
        state.outage = Some(Outage::begin(now, reason));
        true
    }

    /// The probe was given up before it could tell.
    pub fn probe_lost(&self) {
        if let Some(outage) = &mut self.state().outage {
            outage.probing = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refusal(&self, now: Instant) -> Option<Refusal> {
        let outage = self.outage.as_ref()?;
        let is_due = !outage.probing && outage.next_probe <= now;
        if is_due { None } else { self.story(now) }
    }

    fn story(&self, now: Instant) -> Option<Refusal> {
        let outage = self.outage.as_ref()?;
        let wait = outage.wait(now);
        let story = format!(
            "the server has not answered {} times in a row, the last time because: {}; it is \
             tried again in {:.1} s",
            self.failures,
            outage.reason,
            wait.as_secs_f64()
        );
        Some(Refusal { wait, story })
    }
}

impl Outage {
    fn begin(now: Instant, reason: &str) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LONGEST_DELAY)
            .without_max_times()
            .with_jitter()
            .build();
        let mut outage = Self {
            reason: String::new(),
            delays,
            delay: FIRST_DELAY,
            next_probe: now,
            probing: false,
        };
        outage.go_on(now, reason);
        outage
    }

    fn go_on(&mut self, now: Instant, reason: &str) {
        self.reason = reason.to_owned();
        self.delay = self.delays.next().unwrap_or(LONGEST_DELAY);
        self.next_probe = now + self.delay;
        self.probing = false;
    }

    /// How a probe under way will end, and when, nobody knows; as long as before is a good guess.
    fn wait(&self, now: Instant) -> Duration {
        if self.probing {
            self.delay
        } else {
            self.next_probe.saturating_duration_since(now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: &str = "connection refused";

    /// A circuit that has just opened, and when.
    fn open() -> (Circuit, Instant) {
        let circuit = Circuit::default();
        let now = Instant::now();
        let opened: Vec<_> = (0..THRESHOLD)
            .map(|_| circuit.failed(now, now, false, REASON))
            .collect();
        assert_eq!(opened, [false, false, false, false, true]);
        (circuit, now)
    }

    fn wait(circuit: &Circuit, now: Instant) -> Duration {
        circuit.enter(now).err().unwrap().wait
    }

    #[test]
    fn an_answer_in_between_keeps_it_closed() {
        let circuit = Circuit::default();
        let now = Instant::now();
        for _ in 0..THRESHOLD {
            for _ in 1..THRESHOLD {
                assert!(!circuit.failed(now, now, false, REASON));
            }
            circuit.answered(now);
        }
        assert!(matches!(circuit.enter(now), Ok(false)));
    }

    #[test]
    fn failures_of_before_an_answer_do_not_count() {
        let circuit = Circuit::default();
        let sent = Instant::now();
        let answered = sent + Duration::from_secs(1);
        circuit.answered(answered);
        for _ in 0..2 * THRESHOLD {
            assert!(!circuit.failed(sent, answered, false, REASON));
        }
        assert!(circuit.outage(answered).is_none());
    }

    #[test]
    fn an_open_circuit_says_why_and_when_it_looks_again() {
        let (circuit, now) = open();
        let error = circuit.enter(now).err().unwrap().into_error("runs/get");
        assert_eq!(error.kind, ErrorKind::Connect);
        let wait = error.retry_after.unwrap();
        assert!(wait >= FIRST_DELAY && wait <= 2 * FIRST_DELAY, "{wait:?}");
        for part in ["5 times in a row", REASON, "tried again in"] {
            assert!(error.message.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn one_probe_at_a_time_at_growing_distances() {
        let (circuit, mut now) = open();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = wait(&circuit, now);
            waits.push(wait);
            now += wait;
            assert!(matches!(circuit.enter(now), Ok(true)));
            assert!(circuit.enter(now).is_err(), "a second probe");
            circuit.failed(now, now, true, REASON);
        }
        let expected = [1, 2, 4, 8, 15, 15, 15, 15].map(Duration::from_secs);
        for (wait, least) in waits.iter().zip(expected) {
            assert!(*wait >= least && *wait <= 2 * least, "{waits:?}");
        }
    }

    #[test]
    fn one_answer_closes_it() {
        let (circuit, now) = open();
        let later = now + wait(&circuit, now);
        assert!(matches!(circuit.enter(later), Ok(true)));
        circuit.answered(later);
        assert!(matches!(circuit.enter(later), Ok(false)));
    }

    #[test]
    fn stragglers_change_nothing() {
        let (circuit, now) = open();
        let before = wait(&circuit, now);
        for _ in 0..1000 {
            assert!(!circuit.failed(now, now, false, REASON));
        }
        assert_eq!(wait(&circuit, now), before);
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_another() {
        let (circuit, now) = open();
        let later = now + wait(&circuit, now);
        assert!(matches!(circuit.enter(later), Ok(true)));
        circuit.probe_lost();
        assert!(matches!(circuit.enter(later), Ok(true)));
    }
}
