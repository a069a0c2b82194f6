//! The SDK against real databases and a scripted server.

#[cfg(test)]
mod client;
#[cfg(feature = "fence-sqlite")]
#[cfg(test)]
mod fence;
#[cfg(test)]
mod fence_postgres;
#[cfg(test)]
#[path = "../../../store/tests/support/postgres.rs"]
#[expect(dead_code, reason = "the store's tests use the rest")]
mod postgres_server;
#[cfg(test)]
mod server;
#[cfg(test)]
mod worker;
