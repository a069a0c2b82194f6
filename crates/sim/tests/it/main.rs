//! The simulation as a test.

mod by_hand;
mod sabotage;
mod seeds;
