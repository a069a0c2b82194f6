//! May they? Cedar bundles, decisions, and the proof that an API call was decided.
//!
//! A [`Bundle`] is a schema, policies and static entities, read and validated once. [`decide`] asks it about a
//! [`Request`] of a principal in a [`Directory`], or of a [`Subject`] that it does not know, and answers with a [`Decision`], which holds what it takes to decide
//! again; [`decide_again`] does. [`Access`] is the platform's own bundle and makes the [`Grant`]s that use-cases take.
//!
//! The crate is pure: no clock, no randomness, no I/O. The one thread it starts parses a bundle and ends before the
//! call returns, because Cedar recurses more deeply than a caller's stack may allow.
//!
//! What holds:
//! - only what a policy permits is permitted, unless the bundle's [`Mode`] says otherwise; a forbid overrides, and **a
//!   policy or an obligation that errors denies**;
//! - what is permitted carries every [`Obligation`] that applies;
//! - nothing of a request reaches Cedar unless the bundle's schema declares it, and of a resource's attributes only
//!   those marked `@asserted`;
//! - no text reaches Cedar's parser before [`scan`] has bounded how deeply it nests and how long it chains.

pub mod access;
mod amount;
pub mod bundle;
pub mod cases;
mod decide;
pub mod diff;
mod directory;
mod entity;
mod grant;
pub mod import;
pub mod index;
pub mod lint;
mod mode;
mod obligation;
mod over;
pub mod replay;
mod request;
mod risk;
pub mod scan;
mod schema;
mod subject;
mod types;
mod vocabulary;
mod window;
mod words;

pub use access::{Access, AccessDenied, Action};
pub use amount::Amount;
pub use bundle::{Bundle, BundleError, Problem};
pub use decide::{
    Also, Decision, Effect, Outcome, PolicyFailure, Reason, decide, decide_again, decide_at_risk, decide_overridden,
    engine,
};
pub use directory::{Directory, DirectoryError, Principal};
pub use grant::Grant;
pub use mode::Mode;
pub use obligation::{
    Approval, Artefact, Citation, Demand, FieldPath, Handed, Limits, Obligation, Pace, Scope, Spending,
};
pub use over::{Overridden, Override, OverrideKind};
pub use request::{EntityRef, Request, ResourceRef};
pub use risk::{Dimension, Risk, RiskLevel, RiskRow};
pub use subject::{External, Information, Subject};
pub use window::{Per, Window};

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let next = source.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = source.source();
    }
    text
}
