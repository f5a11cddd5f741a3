//! A small seeded generator (SplitMix64): the same seed gives the same account on every platform.

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(0x5851_F42D_4C95_7F2D))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }
}

/// Spreads a share evenly over a sequence, so that even a small account shows each kind of case:
/// a share of 0.01 hits exactly once in a hundred, starting at a random place.
#[derive(Debug)]
pub(crate) struct Share {
    share: f64,
    filled: f64,
}

impl Share {
    pub(crate) fn new(share: f64, rng: &mut Rng) -> Self {
        Self {
            share,
            filled: rng.unit(),
        }
    }

    pub(crate) fn hit(&mut self) -> bool {
        self.advance();
        self.take()
    }

    fn advance(&mut self) {
        self.filled += self.share;
    }

    fn take(&mut self) -> bool {
        let hit = self.filled >= 1.0;
        if hit {
            self.filled -= 1.0;
        }
        hit
    }
}

/// The kind whose turn it is, of several that exclude each other. One that comes second waits for the next turn,
/// so that none is lost where the turns of two coincide.
pub(crate) fn turn<K: Copy>(kinds: &mut [(Share, K)]) -> Option<K> {
    for (share, _) in kinds.iter_mut() {
        share.advance();
    }
    kinds
        .iter_mut()
        .find_map(|(share, kind)| share.take().then_some(*kind))
}
