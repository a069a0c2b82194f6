//! What a transaction does: definitions, and the state machine that runs them.

pub mod definition;
