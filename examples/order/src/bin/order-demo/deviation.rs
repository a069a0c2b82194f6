//! What ends the demo.

use std::fmt::{Debug, Display};
use std::path::PathBuf;
use std::time::Duration;

/// Something is not as expected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Deviation {
    /// A value.
    #[error("{what}: expected {expected}, found {found}")]
    Value {
        /// Of what.
        what: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A command's exit status.
    #[error("`{command}`: expected exit status {expected}, found {found}\n{output}")]
    Exit {
        /// The command line.
        command: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
        /// What it wrote.
        output: String,
    },
    /// A command's output.
    #[error("`{command}`: expected JSON of a known form, found {source}: {output}")]
    Output {
        /// The command line.
        command: String,
        /// What it wrote.
        output: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Something did not happen in time.
    #[error("{what}: expected within {} s, found nothing", after.as_secs())]
    Late {
        /// What.
        what: String,
        /// For how long was waited.
        after: Duration,
    },
    /// A process is not there.
    #[error("{name}: expected it to run, found that it ended with {status}")]
    Ended {
        /// Which.
        name: &'static str,
        /// How.
        status: String,
    },
    /// A file or process of this machine.
    #[error("failed to {doing} {}: {source}", path.display())]
    System {
        /// What was to be done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The log or the database of a service.
    #[error("failed to read what a service keeps: {0}")]
    Service(String),
    /// Somebody stopped the demo.
    #[error("expected to be left alone, found a signal to stop")]
    Interrupted,
}

/// Holds two values equal.
pub(crate) fn expect_eq<T: PartialEq + Debug>(what: impl Display, expected: &T, found: &T) -> Result<(), Deviation> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    Err(Deviation::Value { what: what.to_string(), expected, found })
}

/// Holds that something is so.
pub(crate) fn expect(what: impl Display, is_so: bool, expected: &str, found: impl Debug) -> Result<(), Deviation> {
    if is_so {
        return Ok(());
    }
    Err(Deviation::Value { what: what.to_string(), expected: expected.to_owned(), found: format!("{found:?}") })
}
