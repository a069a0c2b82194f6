//! The crate's integration tests, in one binary.

#[cfg(test)]
mod export;
#[cfg(test)]
mod note;
#[cfg(test)]
mod range;
#[cfg(test)]
mod receipt;
#[cfg(test)]
mod record;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tile;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod verify;
