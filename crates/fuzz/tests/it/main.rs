//! The corpora, replayed.

#[cfg(test)]
mod corpora;
