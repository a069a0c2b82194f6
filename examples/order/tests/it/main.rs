//! The examples: that they are what they should be, that the services are right when calls repeat, and that the demo
//! notices what it must.

#[cfg(test)]
mod demo;
#[cfg(test)]
mod payments;
