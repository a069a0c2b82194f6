//! The simulation as a test.

#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod sabotage;
#[cfg(test)]
mod seeds;
