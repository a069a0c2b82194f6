//! `verify` notices whatever is changed in a store behind its back, and says where.

#[cfg(test)]
mod check;
#[cfg(test)]
mod columns;
#[cfg(test)]
mod history;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod whole;
#[cfg(test)]
mod world;
