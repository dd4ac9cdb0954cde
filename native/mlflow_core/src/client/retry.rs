//! Whether to send a request again, and when.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::config::ClientConfig;
use super::target::CONFIG;
use crate::error::{Error, ErrorKind, Result};

/// The longest delay before jitter, which at most doubles it.
const MAX_DELAY: Duration = Duration::from_secs(15);

/// Whether a request may reach the server twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Sent twice, it has the effect of once.
    Always,
    /// The same, but it is not worth it where the server took too long.
    IfInTime,
    /// It makes something new each time, so it may be sent again only when the server certainly
    /// did not act on it.
    IfUnprocessed,
}

impl Repeat {
    fn allows(self, error: &Error) -> bool {
        let may_pass = matches!(
            error.kind,
            ErrorKind::Connect
                | ErrorKind::ConnectionLost
                | ErrorKind::Timeout
                | ErrorKind::RateLimited
                | ErrorKind::Unavailable
                | ErrorKind::Server
                | ErrorKind::BadResponse
        );
        may_pass
            && match self {
                Self::Always => true,
                Self::IfInTime => !error.is_timeout(),
                Self::IfUnprocessed => error.kind.is_unprocessed(),
            }
    }
}

/// The delays between attempts, as configured.
pub(super) fn backoff(config: &ClientConfig) -> Result<ExponentialBuilder> {
    if !(config.backoff_factor >= 1.0 && config.backoff_factor.is_finite()) {
        let message = format!(
            "backoff_factor is {}: give 1 or more",
            config.backoff_factor
        );
        return Err(Error::new(ErrorKind::Config, CONFIG, message));
    }
    Ok(ExponentialBuilder::new()
        .with_min_delay(config.backoff_base.min(MAX_DELAY))
        .with_max_delay(MAX_DELAY)
        .with_factor(config.backoff_factor as f32)
        .with_max_times(config.max_retries as usize)
        .with_jitter())
}

/// The attempts of one call.
pub(super) struct Attempts {
    repeat: Repeat,
    delays: ExponentialBackoff,
    started: Instant,
    pub deadline: Instant,
    pub count: u32,
    /// What went wrong before.
    earlier: Option<Error>,
}

impl Attempts {
    pub fn new(repeat: Repeat, backoff: &ExponentialBuilder, deadline: Instant) -> Self {
        Self {
            repeat,
            delays: backoff.build(),
            started: Instant::now(),
            deadline,
            count: 0,
            earlier: None,
        }
    }

    /// How long to wait before trying again, or the error as the caller shall have it.
    pub fn after(&mut self, error: Error) -> Result<Duration> {
        if !self.repeat.allows(&error) {
            return Err(self.conclude(error));
        }
        let Some(delay) = self.delays.next() else {
            return Err(self.conclude(error));
        };
        // The server knows best how long it wants to be left alone, unless it does not say.
        let delay = error
            .retry_after
            .filter(|wait| !wait.is_zero())
            .unwrap_or(delay);
        if delay >= self.deadline.saturating_duration_since(Instant::now()) {
            return Err(self.conclude(error));
        }
        self.earlier = Some(error);
        Ok(delay)
    }

    /// The error when the next attempt is not let through. What became of an attempt that was made
    /// is not for the refusal to say.
    pub fn refused(&mut self, refusal: Error) -> Error {
        let Some(earlier) = self.earlier.take() else {
            return self.conclude(refusal);
        };
        self.given_up(earlier, refusal)
    }

    /// The last attempt's error, where another one would be refused.
    pub fn given_up(&mut self, error: Error, refusal: Error) -> Error {
        let mut error = self.conclude(error);
        error.message += &format!("; {}", refusal.message);
        error.retry_after = refusal.retry_after;
        error
    }

    /// The error with the story of the call.
    pub fn conclude(&mut self, mut error: Error) -> Error {
        error.attempts = self.count;
        if self.count > 1 {
            let seconds = self.started.elapsed().as_secs_f64();
            error.message += &format!(" ({} attempts in {seconds:.1} s)", self.count);
        }
        if error.kind == ErrorKind::Timeout
            && let Some(earlier) = self.earlier.take()
        {
            error.message += &format!("; before that: {}", earlier.message);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(repeat: Repeat, total: Duration) -> Attempts {
        let config = ClientConfig {
            max_retries: 2,
            ..ClientConfig::default()
        };
        Attempts::new(repeat, &backoff(&config).unwrap(), Instant::now() + total)
    }

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "test", "no")
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_request_that_must_not_happen_twice_is_repeated_only_if_it_did_not_happen() {
        for (kind, always, if_unprocessed) in [
            (ErrorKind::Connect, true, true),
            (ErrorKind::RateLimited, true, true),
            (ErrorKind::ConnectionLost, true, false),
            (ErrorKind::Timeout, true, false),
            (ErrorKind::Unavailable, true, false),
            (ErrorKind::Server, true, false),
            (ErrorKind::BadResponse, true, false),
            (ErrorKind::Invalid, false, false),
            (ErrorKind::NotFound, false, false),
            (ErrorKind::Conflict, false, false),
            (ErrorKind::Unauthenticated, false, false),
            (ErrorKind::Tls, false, false),
            (ErrorKind::NotMlflow, false, false),
        ] {
            let error = error(kind);
            assert_eq!(Repeat::Always.allows(&error), always, "{kind:?}");
            assert_eq!(
                Repeat::IfUnprocessed.allows(&error),
                if_unprocessed,
                "{kind:?}"
            );
            let in_time = always && kind != ErrorKind::Timeout;
            assert_eq!(Repeat::IfInTime.allows(&error), in_time, "{kind:?}");
        }
    }

    #[test]
    fn delays_grow_and_end() {
        let mut attempts = attempts(Repeat::Always, MINUTE);
        let first = attempts.after(error(ErrorKind::Server)).unwrap();
        let second = attempts.after(error(ErrorKind::Server)).unwrap();
        assert!(first >= Duration::from_millis(500) && first <= Duration::from_secs(1));
        assert!(second >= Duration::from_secs(1) && second <= Duration::from_secs(2));
        attempts.count = 3;
        let last = attempts.after(error(ErrorKind::Server)).unwrap_err();
        assert_eq!(last.attempts, 3);
        assert!(last.message.starts_with("no (3 attempts in "), "{last}");
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_or_passed_on() {
        let asked = |seconds| Error {
            retry_after: Some(Duration::from_secs(seconds)),
            ..error(ErrorKind::RateLimited)
        };
        let mut attempts = attempts(Repeat::Always, MINUTE);
        assert_eq!(attempts.after(asked(7)).unwrap(), Duration::from_secs(7));
        assert!(attempts.after(asked(0)).unwrap() >= Duration::from_secs(1));
        let mut attempts = self::attempts(Repeat::Always, MINUTE);
        let error = attempts.after(asked(61)).unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(61)));
    }

    #[test]
    fn a_factor_that_makes_no_sense_is_refused() {
        for backoff_factor in [0.5, -1.0, f64::NAN, f64::INFINITY] {
            let config = ClientConfig {
                backoff_factor,
                ..ClientConfig::default()
            };
            assert_eq!(backoff(&config).unwrap_err().kind, ErrorKind::Config);
        }
    }
}
