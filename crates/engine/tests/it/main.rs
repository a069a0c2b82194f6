//! Tests of the engine, one module a subject.

mod definition;
#[cfg(test)]
mod open;
#[cfg(test)]
mod saga;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod search;
