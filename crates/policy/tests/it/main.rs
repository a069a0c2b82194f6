//! Tests of chancery-policy.

#[cfg(test)]
mod access;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod equal;
#[cfg(test)]
mod support;
