//! [`Rng`]: chance that is the same for the same seed.

use std::time::Duration;

/// A small generator of numbers: the same seed gives the same numbers, on every machine and in
/// every version of this crate.
///
/// ```
/// use migrate_core::testkit::Rng;
///
/// let numbers = |seed| { let mut rng = Rng::new(seed); [rng.below(100), rng.below(100)] };
/// assert_eq!(numbers(7), numbers(7));
/// ```
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (SplitMix64: any seed will do, even zero).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; zero where the bound is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// A time below `longest`, in whole milliseconds, which is as fine as a runtime's clock is.
    pub fn time(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Another generator, which takes nothing from this one but its seed.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }
}
