//! The caller of HTTP targets.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod health;
