//! The examples through a running server: how they end, and that no step of theirs can be broken, repeated or lost
//! without the participants' books being as they should.

#[cfg(test)]
mod agent;
#[cfg(test)]
mod breaks;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod house;
#[cfg(test)]
mod nightly;
#[cfg(test)]
mod program;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod trip;
