//! The server from outside: over a socket, with a client that can send anything.

#[cfg(test)]
mod authzen;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod capabilities;
#[cfg(test)]
mod children;
#[cfg(test)]
mod compliance;
#[cfg(test)]
mod denial;
#[cfg(test)]
mod driven;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod events;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod fail_closed;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod flight;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod forks;
mod headers;
#[cfg(test)]
mod house;
#[cfg(test)]
mod http;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod maintenance;
#[cfg(test)]
mod obligations;
#[cfg(test)]
mod open;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod overrides;
#[cfg(test)]
mod pip;
#[cfg(test)]
mod polls;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod risk;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod search;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod signers;
#[cfg(test)]
mod stops;
#[cfg(test)]
mod tcc;
#[cfg(test)]
mod thirdparty;
#[cfg(test)]
mod waits;
