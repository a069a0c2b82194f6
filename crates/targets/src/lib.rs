//! Reaching what steps reach: HTTP calls to origins on an allow-list, each answer mapped to one outcome; and how each
//! target does. Reaching the policy information point, too.
//!
//! The mapping errs on the side of *unknown*: whatever may have taken effect is unknown, whatever the target itself
//! declares final is final, and only what was surely not sent may be tried again without a second thought.
//!
//! [`Health`] is a pure state machine, breaker, bulkhead and rate in one: time is an argument. It says how many calls
//! may begin; who asks takes no more steps than that, so that one that has to wait has not begun.

mod allow;
mod breaker;
mod guard;
mod health;
mod http;
mod information;
mod limits;
pub mod mail;

pub use allow::{AllowList, OriginError};
pub use breaker::{Breaker, Pass, Stage, Verdict};
pub use chancery_base::{Bucket, Rate, TargetId};
pub use guard::{Guard, Network, NetworkError, Range, Refused, range};
pub use health::{Health, HealthView, Ticket};
pub use http::{CALLBACK, Call, Callback, HttpTarget, SetupError, TASK_TOKEN, error_type, verdict};
pub use information::{InformationError, InformationOptions, InformationPoint};
pub use limits::{BreakerLimits, Limits};
pub use mail::{Mail, MailError};
