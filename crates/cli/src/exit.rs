//! What the exit codes mean.

use chancery_base::Kind;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and as it should be.
    Ok,
    /// Done, and the outcome is not the one hoped for: a transaction that did not complete, a denied question, a
    /// document with faults, a receipt or a log that does not verify.
    Failed,
    /// The command line, or a file or value that it names, is wrong.
    Usage,
    /// There is no such thing.
    Missing,
    /// Not permitted, or no valid key.
    Denied,
    /// It contradicts what is already so.
    Conflict,
    /// The server cannot be reached, is busy, or did not finish in time: the same again may succeed.
    Unavailable,
    /// Something is broken: a defect, damaged data, a system that refuses.
    Broken,
}

impl Exit {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Missing,
        Self::Denied,
        Self::Conflict,
        Self::Unavailable,
        Self::Broken,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Missing => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Unavailable => 6,
            Self::Broken => 70,
        }
    }
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Invalid | Kind::TooLarge => Self::Usage,
            Kind::Unauthenticated | Kind::Denied => Self::Denied,
            Kind::Missing => Self::Missing,
            Kind::Conflict => Self::Conflict,
            Kind::Limited | Kind::Busy => Self::Unavailable,
            Kind::Broken | Kind::Bug => Self::Broken,
        }
    }
}
