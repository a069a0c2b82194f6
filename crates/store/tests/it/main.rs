//! One suite that every store passes, and what is each one's own.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod dump;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod open;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod search;
#[cfg(test)]
#[path = "../support/postgres.rs"]
mod server;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod sqlite;
#[cfg(test)]
mod subject;
