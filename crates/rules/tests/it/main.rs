//! Tables as their users see them: reading, asking, analysing, and that the index and the analysis agree with what a
//! cell by cell reading says.

#[cfg(test)]
mod analyse;
#[cfg(test)]
mod evaluate;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod read;
#[cfg(test)]
mod support;
