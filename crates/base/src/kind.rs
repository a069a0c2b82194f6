//! The few kinds of error there are. Every crate's errors say their kind; `api` maps a kind to an HTTP status once.

/// What an error means to the one who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The request is wrong and stays wrong (400).
    Invalid,
    /// Nobody, or nobody known, asks (401).
    Unauthenticated,
    /// The caller may not (403).
    Denied,
    /// No such thing, or not for this caller to know of (404).
    Missing,
    /// It contradicts what is already so (409).
    Conflict,
    /// Larger than a limit (413).
    TooLarge,
    /// Too much at once; try again later (429).
    Limited,
    /// Not now; try again later (503).
    Busy,
    /// A part that this needs does not answer or is damaged (500, an operator must look).
    Broken,
    /// A defect of ours (500).
    Bug,
}
