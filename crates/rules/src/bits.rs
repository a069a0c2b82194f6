//! Sets of rows, a bit each.

/// Some of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn none(rows: usize) -> Self {
        Self(vec![0; words(rows)].into())
    }

    pub(crate) fn all(rows: usize) -> Self {
        let mut bits = Self::none(rows);
        (0..rows).for_each(|row| bits.set(row));
        bits
    }

    pub(crate) fn set(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.keep(other);
        both
    }

    /// The rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(|(at, word)| (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at * 64 + bit))
    }
}

/// Words that the bits of so many rows take.
pub(crate) const fn words(rows: usize) -> usize {
    rows.div_ceil(64)
}
