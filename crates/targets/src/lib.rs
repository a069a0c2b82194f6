//! Reaching what steps reach: HTTP calls to origins on an allow-list, each answer mapped to one outcome.
//!
//! The mapping errs on the side of *unknown*: whatever may have taken effect is unknown, whatever the target itself
//! declares final is final, and only what was surely not sent may be tried again without a second thought.

mod allow;
mod http;

pub use allow::{AllowList, OriginError};
pub use http::{Call, HttpTarget, SetupError, error_type};
