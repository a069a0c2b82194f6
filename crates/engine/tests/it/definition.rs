//! Definitions: what is read, what is refused and where, what is drawn, what expressions give.

#[cfg(test)]
mod capability;
#[cfg(test)]
mod child;
mod diff;
mod evaluate;
#[cfg(test)]
mod inline;
#[cfg(test)]
mod input;
mod large;
#[cfg(test)]
mod lint;
mod open;
#[cfg(test)]
mod poll;
mod properties;
mod read;
mod refused;
#[cfg(test)]
mod request;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tcc;
#[cfg(test)]
mod wait;
