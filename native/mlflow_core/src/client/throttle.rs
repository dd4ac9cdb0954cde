//! How many requests per s the server wants, and when it wants none: a token bucket whose rate is
//! halved when the server says that it is too much, and raised bit by bit while it does not.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What an idle bucket holds, in s of its rate.
const BURST: Duration = Duration::from_secs(1);

/// The lowest rate, per s.
const LEAST: f64 = 1.0;

/// By how much the rate grows within each second in which it is made full use of.
const GROWTH: f64 = 1.0;

/// A rate that came so many times beyond what was too much proves that it is that no longer.
const FORGET: f64 = 2.0;

pub(super) struct Throttle {
    /// A rate that is given and not learned.
    ceiling: Option<f64>,
    state: Mutex<State>,
}

struct State {
    /// `None`: as fast as can be.
    rate: Option<f64>,
    /// The last rate that was too much.
    refused: f64,
    /// What was under way then was refused for the same reason.
    halved: Option<Instant>,
    paused_until: Option<Instant>,
    /// When the bucket will be empty no more, and then full: the generic cell rate algorithm's
    /// theoretical arrival time.
    arrival: Instant,
    /// Turns that were given out before a pause are void.
    epoch: u64,
    meter: Meter,
}

/// A request's place in the order of all.
pub(super) struct Turn {
    pub at: Instant,
    epoch: u64,
}

impl Throttle {
    pub fn new(ceiling: Option<f64>) -> Self {
        let now = Instant::now();
        Self {
            ceiling,
            state: Mutex::new(State {
                rate: ceiling,
                refused: 0.0,
                halved: None,
                paused_until: None,
                arrival: now,
                epoch: 0,
                meter: Meter::new(now),
            }),
        }
    }

    /// When the request may go: the turn it has, as long as that is good, or a new one. How long it
    /// would have to wait, where that is longer than it can.
    pub fn turn(
        &self,
        turn: Option<Turn>,
        now: Instant,
        latest: Instant,
    ) -> std::result::Result<Turn, Duration> {
        let mut state = self.state();
        let epoch = state.epoch;
        let turn = match turn.filter(|turn| turn.epoch == epoch) {
            Some(turn) => turn,
            None => {
                let at = state.earliest(now);
                if at > now && at >= latest {
                    return Err(at - now);
                }
                state.take(at);
                Turn { at, epoch }
            }
        };
        if turn.at <= now {
            state.meter.count(now);
        }
        Ok(turn)
    }

    pub fn passed(&self) {
        let mut state = self.state();
        let Some(rate) = state.rate else { return };
        let raised = rate + GROWTH / rate;
        state.rate = match self.ceiling {
            Some(ceiling) => Some(raised.min(ceiling)),
            None if raised >= state.refused * FORGET => None,
            None => Some(raised),
        };
    }

    /// The server said to a request that was sent then that it was one too many. Whether requests
    /// that wait have to look again.
    pub fn pushed_back(&self, sent: Instant, now: Instant, wait: Option<Duration>) -> bool {
        let mut state = self.state();
        let is_news = state.halved.is_none_or(|halved| sent > halved);
        if is_news {
            let used = state.meter.per_second(now);
            state.refused = state.rate.map_or(used, |rate| rate.min(used)).max(LEAST);
            state.rate = Some((state.refused / 2.0).max(LEAST));
            state.halved = Some(now);
        }
        let until = now + wait.unwrap_or_else(|| state.interval());
        let is_longer = state.paused_until.is_none_or(|paused| until > paused);
        if is_longer {
            state.paused_until = Some(until);
        }
        if is_news || is_longer {
            state.empty();
        }
        is_news || is_longer
    }

    /// Requests per s, and how long there are to be none at all.
    pub fn now(&self, now: Instant) -> (Option<f64>, Duration) {
        let state = self.state();
        let paused = state.paused_until.unwrap_or(now);
        (state.rate, paused.saturating_duration_since(now))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn interval(&self) -> Duration {
        self.rate
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(rate.recip()))
    }

    /// How far the bucket may run ahead of its rate.
    fn tolerance(&self) -> Duration {
        BURST.saturating_sub(self.interval())
    }

    fn earliest(&self, now: Instant) -> Instant {
        let paused = self.paused_until.unwrap_or(now);
        let filled = match self.rate {
            Some(_) => self.arrival.checked_sub(self.tolerance()).unwrap_or(now),
            None => now,
        };
        now.max(paused).max(filled)
    }

    fn take(&mut self, at: Instant) {
        self.arrival = self.arrival.max(at) + self.interval();
    }

    /// Nothing is in the bucket when the pause is over, and everybody gets a new turn.
    fn empty(&mut self) {
        if let Some(until) = self.paused_until {
            self.arrival = until + self.tolerance();
        }
        self.epoch += 1;
    }
}

/// Requests sent within the last second, to know what it was that was too much.
struct Meter {
    second: Instant,
    sent: u32,
    sent_before: u32,
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self {
            second: now,
            sent: 0,
            sent_before: 0,
        }
    }

    fn count(&mut self, now: Instant) {
        self.advance(now);
        self.sent += 1;
    }

    fn per_second(&mut self, now: Instant) -> f64 {
        self.advance(now);
        let begun = now.saturating_duration_since(self.second).as_secs_f64();
        f64::from(self.sent_before) * (1.0 - begun).max(0.0) + f64::from(self.sent)
    }

    fn advance(&mut self, now: Instant) {
        match now.saturating_duration_since(self.second).as_secs() {
            0 => {}
            1 => {
                self.second += Duration::from_secs(1);
                self.sent_before = self.sent;
                self.sent = 0;
            }
            _ => *self = Self::new(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When so many requests may go that all ask now, in ms from now.
    fn turns(throttle: &Throttle, count: usize, now: Instant) -> Vec<u128> {
        (0..count)
            .map(|_| {
                let turn = throttle.turn(None, now, now + 1000 * SECOND);
                (turn.unwrap_or_else(|wait| panic!("{wait:?}")).at - now).as_millis()
            })
            .collect()
    }

    #[test]
    fn without_a_word_there_is_no_limit() {
        let throttle = Throttle::new(None);
        let now = Instant::now();
        assert_eq!(turns(&throttle, 10_000, now), vec![0; 10_000]);
        assert_eq!(throttle.now(now), (None, Duration::ZERO));
    }

    #[test]
    fn a_rate_lets_a_second_s_worth_through_at_once() {
        let throttle = Throttle::new(Some(4.0));
        let now = Instant::now();
        assert_eq!(turns(&throttle, 7, now), [0, 0, 0, 0, 250, 500, 750]);
        assert_eq!(turns(&throttle, 1, now + 3 * SECOND), [0]);
    }

    #[test]
    fn all_wait_while_the_server_wants_none_and_resume_slowly() {
        let throttle = Throttle::new(None);
        let now = Instant::now();
        turns(&throttle, 8, now);
        assert!(throttle.pushed_back(now, now, Some(10 * SECOND)));
        assert_eq!(throttle.now(now), (Some(4.0), 10 * SECOND));
        assert_eq!(turns(&throttle, 3, now), [10_000, 10_250, 10_500]);
    }

    #[test]
    fn a_turn_is_void_when_the_server_says_stop() {
        let throttle = Throttle::new(Some(1.0));
        let now = Instant::now();
        turns(&throttle, 1, now);
        let turn = throttle.turn(None, now, now + 60 * SECOND).unwrap();
        assert_eq!(turn.at, now + SECOND);
        throttle.pushed_back(now, now, Some(30 * SECOND));
        let turn = throttle.turn(Some(turn), now, now + 60 * SECOND).unwrap();
        assert_eq!(turn.at, now + 30 * SECOND);
        let turn = throttle.turn(Some(turn), now, now + 60 * SECOND).unwrap();
        assert_eq!(turn.at, now + 30 * SECOND);
    }

    #[test]
    fn who_cannot_wait_is_told_how_long_and_takes_no_turn() {
        let throttle = Throttle::new(None);
        let now = Instant::now();
        throttle.pushed_back(now, now, Some(10 * SECOND));
        for _ in 0..5 {
            let turn = throttle.turn(None, now, now + 5 * SECOND);
            assert_eq!(turn.err(), Some(10 * SECOND));
        }
        assert_eq!(turns(&throttle, 1, now), [10_000]);
    }

    #[test]
    fn what_was_under_way_together_is_refused_as_one() {
        let throttle = Throttle::new(Some(40.0));
        let now = Instant::now();
        turns(&throttle, 40, now);
        assert!(throttle.pushed_back(now, now, Some(SECOND)));
        assert!(!throttle.pushed_back(now, now, Some(SECOND)));
        assert_eq!(throttle.now(now), (Some(20.0), SECOND));
        assert!(throttle.pushed_back(now, now, Some(2 * SECOND)));
        assert_eq!(throttle.now(now), (Some(20.0), 2 * SECOND));
    }

    #[test]
    fn a_rate_grows_with_its_use_up_to_the_one_given() {
        let throttle = Throttle::new(Some(10.0));
        let now = Instant::now();
        turns(&throttle, 10, now);
        throttle.pushed_back(now, now, None);
        assert_eq!(throttle.now(now).0, Some(5.0));
        (0..5).for_each(|_| throttle.passed());
        let rate = throttle.now(now).0.unwrap();
        assert!((5.9..=6.0).contains(&rate), "{rate}");
        (0..100).for_each(|_| throttle.passed());
        assert_eq!(throttle.now(now).0, Some(10.0));
    }

    #[test]
    fn a_rate_that_was_learned_is_forgotten_once_disproved() {
        let throttle = Throttle::new(None);
        let now = Instant::now();
        turns(&throttle, 10, now);
        throttle.pushed_back(now, now, None);
        let passes = (1..).find(|_| {
            throttle.passed();
            throttle.now(now).0.is_none()
        });
        // From 5 to 20 per s, one more in each second.
        assert!((150..=200).contains(&passes.unwrap()), "{passes:?}");
    }

    #[test]
    fn the_rate_never_ends_at_nothing() {
        let throttle = Throttle::new(None);
        let mut now = Instant::now();
        for _ in 0..10 {
            turns(&throttle, 1, now);
            now += 10 * SECOND;
            throttle.pushed_back(now, now, None);
        }
        assert_eq!(throttle.now(now), (Some(1.0), SECOND));
    }

    #[test]
    fn the_meter_knows_the_last_second() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        (0..10).for_each(|_| meter.count(start));
        let ms = |ms| start + Duration::from_millis(ms);
        assert_eq!(meter.per_second(ms(500)), 10.0);
        assert!((meter.per_second(ms(1500)) - 5.0).abs() < 0.01);
        assert_eq!(meter.per_second(ms(5000)), 0.0);
    }
}
