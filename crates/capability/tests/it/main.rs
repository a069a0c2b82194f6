//! Tokens as those outside see them.

#[cfg(test)]
mod narrowing;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
