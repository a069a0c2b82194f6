//! One suite that every store passes, and what is each one's own.

mod conformance;
mod differential;
mod disk;
mod dump;
mod fixture;
mod open;
mod sim;
mod sqlite;
mod subject;
