//! Definitions: what is read, what is refused and where, what is drawn, what expressions give.

mod evaluate;
mod large;
mod properties;
mod read;
mod refused;
mod wait;
