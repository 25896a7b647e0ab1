//! Random choices that are the same everywhere for the same seed.

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (end.max(1) as u64)).expect("small")
    }
}

/// How many seeds a random test goes through, from 1.
pub(crate) fn seeds() -> u64 {
    if std::env::var_os("INDELIBLE_LONG").is_some() {
        300
    } else {
        60
    }
}
