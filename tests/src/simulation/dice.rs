//! Chance that can be repeated: everything random in a case follows from its seed, or from the
//! input of a fuzzer and, where that ends, from a seed that is its length.

/// `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014),
/// after what has been thrown already.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    thrown: Vec<u8>,
    used: usize,
    state: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            thrown: Vec::new(),
            used: 0,
            state: seed,
        }
    }

    pub(crate) fn thrown_by(input: &[u8]) -> Self {
        Self {
            thrown: input.to_vec(),
            used: 0,
            state: input.len() as u64,
        }
    }

    /// Whether the input is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.used == self.thrown.len()
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`; `n` is not 0. Takes a byte of the input, or two where one is too few.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if self.is_spent() {
            return (self.next() >> 32) as usize % n;
        }
        let bytes = if n > 256 { 2 } else { 1 };
        let end = self.thrown.len().min(self.used + bytes);
        let number = self.thrown[self.used..end]
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte));
        self.used = end;
        number % n
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn try_pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| self.pick(from))
    }

    /// Characters of one, two, three and four bytes, the last a surrogate pair in UTF-16.
    pub(crate) fn text(&mut self, length_max: usize) -> String {
        let letters = ['a', 'b', 'c', 'z', ' ', 'é', '漢', '🦀'];
        let length = self.below(length_max + 1);
        (0..length).map(|_| *self.pick(&letters)).collect()
    }
}
