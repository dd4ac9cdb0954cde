//! How large a batch the server takes, as far as has been learned.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::batch::{Batch, BatchLimits};

/// Below these a batch is not refused for its size by any server that is of use. One entity always
/// fits.
const LEAST_ENTITIES: usize = 10;
const LEAST_BYTES: usize = 64_000;

/// A batch above this weight that takes too long may do so for its size.
const LARGE: usize = 100;

/// So many batches that passed raise the size by one part of this many of the profile's.
const PASSES_PER_STEP: u32 = 10;
const STEPS: usize = 20;

/// What all sessions with a server have learned; it begins with, and never exceeds, what the
/// server's profile says.
pub(crate) struct BatchSizes {
    profile: BatchLimits,
    state: Mutex<State>,
}

struct State {
    size: BatchSize,
    passes: u32,
}

/// The size of a batch. Its weight counts entities, where one of a kind that the profile admits
/// fewer of counts for more: so all kinds shrink and grow together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchSize {
    pub weight: usize,
    pub bytes: usize,
}

impl BatchSize {
    fn at_most(self, other: Self) -> Self {
        Self {
            weight: self.weight.min(other.weight),
            bytes: self.bytes.min(other.bytes),
        }
    }

    pub fn is_large(self) -> bool {
        self.weight > LARGE
    }

    /// Half of it, unless it is so small already that size cannot be what is wrong.
    pub fn halved_by_weight(self, limit: Self) -> Option<Self> {
        let weight = halved(self.weight, LEAST_ENTITIES)?;
        Some(Self { weight, ..limit })
    }

    pub fn halved_by_bytes(self, limit: Self) -> Option<Self> {
        let bytes = halved(self.bytes, LEAST_BYTES)?;
        Some(Self { bytes, ..limit })
    }
}

fn halved(size: usize, least: usize) -> Option<usize> {
    (size > least).then(|| (size / 2).max(least))
}

impl BatchSizes {
    pub fn new(profile: BatchLimits) -> Self {
        let size = BatchSize {
            weight: profile.entities,
            bytes: profile.bytes,
        };
        Self {
            profile,
            state: Mutex::new(State { size, passes: 0 }),
        }
    }

    pub fn size(&self) -> BatchSize {
        self.state().size
    }

    /// What to cut batches by, so that none is above `size`.
    pub fn limits(&self, size: BatchSize) -> BatchLimits {
        let part = |of: usize| (of * size.weight / self.profile.entities).max(1);
        BatchLimits {
            entities: size.weight,
            metrics: part(self.profile.metrics),
            params: part(self.profile.params),
            tags: part(self.profile.tags),
            bytes: size.bytes,
        }
    }

    pub fn of(&self, batch: &Batch) -> BatchSize {
        let profile = &self.profile;
        let kinds = [
            (batch.metrics, profile.metrics),
            (batch.params, profile.params),
            (batch.tags, profile.tags),
        ];
        let together = kinds.iter().map(|(count, _)| count).sum();
        let weights = kinds
            .iter()
            .map(|(count, limit)| count * profile.entities / limit);
        BatchSize {
            weight: weights.fold(together, usize::max),
            bytes: batch.body.len(),
        }
    }

    /// From now on no batch is larger.
    pub fn lower(&self, size: BatchSize) {
        let mut state = self.state();
        state.size = state.size.at_most(size);
        state.passes = 0;
    }

    /// A batch got through: after many of those the next may be a little larger again.
    pub fn passed(&self) {
        let mut state = self.state();
        state.passes += 1;
        if state.passes < PASSES_PER_STEP {
            return;
        }
        let profile = BatchSize {
            weight: self.profile.entities,
            bytes: self.profile.bytes,
        };
        let raised = BatchSize {
            weight: state.size.weight + profile.weight.div_ceil(STEPS),
            bytes: state.size.bytes + profile.bytes.div_ceil(STEPS),
        };
        state.size = raised.at_most(profile);
        state.passes = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> BatchSizes {
        BatchSizes::new(BatchLimits::default())
    }

    fn batch(params: usize, metrics: usize, bytes: usize) -> Batch {
        Batch {
            body: vec![b' '; bytes].into(),
            metrics,
            params,
            tags: 0,
        }
    }

    #[test]
    fn the_profile_is_where_it_begins() {
        let sizes = sizes();
        assert_eq!(sizes.limits(sizes.size()), BatchLimits::default());
    }

    /// Whatever a batch is made of, its half holds no more than half of its fullest kind.
    #[test]
    fn half_of_a_batch_is_less_than_it() {
        let sizes = sizes();
        for (params, metrics) in [(100, 900), (30, 0), (2, 0), (2, 11), (0, 1000), (0, 11)] {
            let whole = sizes.of(&batch(params, metrics, 1000));
            let half = whole.halved_by_weight(sizes.size()).unwrap();
            let limits = sizes.limits(half);
            assert!(
                params > limits.params
                    || metrics > limits.metrics
                    || params + metrics > limits.entities,
                "{params} params and {metrics} metrics fit {limits:?}"
            );
        }
    }

    #[test]
    fn there_is_an_end_to_halving() {
        let sizes = sizes();
        for (params, metrics) in [(1, 0), (0, 10), (1, 5)] {
            let whole = sizes.of(&batch(params, metrics, LEAST_BYTES));
            assert_eq!(whole.halved_by_weight(sizes.size()), None);
            assert_eq!(whole.halved_by_bytes(sizes.size()), None);
        }
    }

    #[test]
    fn sizes_recover_slowly_and_not_beyond_the_profile() {
        let sizes = sizes();
        let half = BatchSize {
            weight: 500,
            bytes: 495_000,
        };
        sizes.lower(half);
        let pass = |times| (0..times).for_each(|_| sizes.passed());
        pass(PASSES_PER_STEP - 1);
        assert_eq!(sizes.size(), half);
        pass(1);
        assert_eq!((sizes.size().weight, sizes.size().bytes), (550, 544_500));
        pass(PASSES_PER_STEP * 20);
        assert_eq!(sizes.limits(sizes.size()), BatchLimits::default());
    }

    #[test]
    fn two_that_learn_at_once_learn_one_thing() {
        let sizes = sizes();
        let whole = sizes.size();
        for _ in 0..2 {
            sizes.lower(whole.halved_by_weight(whole).unwrap());
        }
        assert_eq!(sizes.size().weight, 500);
    }
}
