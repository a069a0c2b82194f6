//! What a server's death, a bad disk and hostile clients must not do, shown on the real binary: SIGKILL under load, disks
//! that forget, fill up and fail, owners that wake too late, requests that are slow, half or enormous.

#[cfg(test)]
mod campaign;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod forget;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod load;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod postgres;
#[cfg(test)]
#[path = "../../../store/tests/support/postgres.rs"]
#[expect(dead_code, reason = "the store's tests use the rest")]
mod postgres_server;
#[cfg(test)]
mod stage;
