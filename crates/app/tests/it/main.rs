//! A node on the embedded store: what it does, what it survives, and what it does not do.

#[cfg(test)]
mod counting;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod fan_out;
#[cfg(test)]
mod house;
#[cfg(test)]
mod life;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod records;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod stops;
#[cfg(test)]
mod targets;
