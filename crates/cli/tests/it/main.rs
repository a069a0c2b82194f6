//! The command line, from outside: the built binary, its output, its exit codes.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod authzen;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod capability;
#[cfg(test)]
mod driven;
#[cfg(test)]
mod event;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod export;
#[cfg(test)]
mod first_success;
#[cfg(test)]
mod fork;
mod headers;
#[cfg(test)]
mod help;
#[cfg(test)]
mod mail_tls;
#[cfg(test)]
mod notifier;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod open;
#[cfg(test)]
mod overrides;
#[cfg(test)]
mod polls;
#[cfg(test)]
mod postgres;
#[cfg(test)]
#[path = "../../../store/tests/support/postgres.rs"]
#[expect(dead_code, reason = "the store's tests use the rest")]
mod postgres_server;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod report;
#[cfg(test)]
mod request;
#[cfg(test)]
mod risk;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod server;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
