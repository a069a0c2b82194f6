//! Randomness as an argument: pure crates draw from an [`Entropy`] that someone else seeded.

use sha2::{Digest as _, Sha256};

/// A deterministic stream of bytes from a 32-byte seed: SHA-256 in counter mode.
///
/// Seeded from the operating system in production (each batch anew), from a test's seed in simulation.
#[derive(Clone)]
pub struct Entropy {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entropy").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl Entropy {
    /// A stream that is the same for the same seed.
    #[must_use]
    pub const fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0, block: [0; 32], used: 32 }
    }

    /// A stream of its own, seeded from this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.take())
    }

    /// 8 bytes of the stream.
    pub fn bytes8(&mut self) -> [u8; 8] {
        self.take()
    }

    /// 16 bytes of the stream.
    pub fn bytes16(&mut self) -> [u8; 16] {
        self.take()
    }

    /// A number of the stream.
    pub fn next_u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    // INVARIANT: N divides 32, so a draw never spans two blocks.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N == 8 || N == 16 || N == 32) };
        if self.used + N > self.block.len() {
            self.block =
                Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize().into();
            self.counter += 1;
            self.used = 0;
        }
        let mut out = [0; N];
        for (to, from) in out.iter_mut().zip(self.block.iter().skip(self.used)) {
            *to = *from;
        }
        self.used += N;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_without_repeats() {
        let (mut a, mut b) = (Entropy::from_seed([7; 32]), Entropy::from_seed([7; 32]));
        let drawn: Vec<u64> = (0..100).map(|_| a.next_u64()).collect();
        assert_eq!(drawn, (0..100).map(|_| b.next_u64()).collect::<Vec<_>>());
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
    }
}
