//! Tests of chancery-policy.

#[cfg(test)]
mod access;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod data;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod equal;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod obligations;
#[cfg(test)]
mod overrides;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod subject;
#[cfg(test)]
mod support;
