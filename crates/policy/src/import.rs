//! Other people's policies as bundles.

pub mod lexecon;
