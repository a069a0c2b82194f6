//! A node on the embedded store: what it does, what it survives, and what it does not do.

mod counting;
mod house;
mod life;
mod records;
