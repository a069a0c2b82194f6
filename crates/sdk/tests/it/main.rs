//! The SDK against real databases and a scripted server.

#[cfg(test)]
mod client;
#[cfg(feature = "fence-sqlite")]
#[cfg(test)]
mod fence;
#[cfg(test)]
mod server;
#[cfg(test)]
mod worker;
