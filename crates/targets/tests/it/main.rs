//! The caller of HTTP targets.

#[cfg(test)]
mod calls;
