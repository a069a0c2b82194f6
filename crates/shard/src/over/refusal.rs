//! Why something may not happen to an override.

use super::OverrideStatus;
use chancery_base::limits::OVERRIDE_JUSTIFICATION_MIN;
use chancery_base::{Kind, PrincipalId, Timestamp};

/// Why something may not happen to an override. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideRefusal {
    /// It is a machine.
    #[error("{0} is not a person: people answer for overrides, with a `user`'s credential")]
    Machine(PrincipalId),
    /// They asked for it.
    #[error("{0} asked for this override, and who asks neither answers nor reviews: another person has to")]
    Requester(PrincipalId),
    /// It is for what they do.
    #[error("this override is for what {0} does, who neither answers nor reviews it: another person has to")]
    Beneficiary(PrincipalId),
    /// They granted it.
    #[error("{0} granted this override, and who granted it does not review it: another person has to")]
    Granter(PrincipalId),
    /// It is not in a state that allows it.
    #[error("the override is {}{}: nothing of the kind is done to it", status.word(), if *reviewed { " and reviewed" } else { "" })]
    Status {
        /// Where it stands.
        status: OverrideStatus,
        /// Whether it was reviewed.
        reviewed: bool,
    },
    /// It is in force still.
    #[error("the override is in force until {0}: it is reviewed once it is used, expired or revoked")]
    Early(Timestamp),
    /// It can't be in force until then.
    #[error("an override is in force until a time from now to {latest}, 24 hours from now, not {until}")]
    Until {
        /// Until when it was to be.
        until: Timestamp,
        /// The latest that is possible.
        latest: Timestamp,
    },
    /// Too short.
    #[error(
        "the justification has {0} characters, {OVERRIDE_JUSTIFICATION_MIN} are needed: say what for, and who answers for it"
    )]
    Justification(usize),
}

impl OverrideRefusal {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Machine(_) | Self::Requester(_) | Self::Beneficiary(_) | Self::Granter(_) => Kind::Denied,
            Self::Status { .. } | Self::Early(_) => Kind::Conflict,
            Self::Until { .. } | Self::Justification(_) => Kind::Invalid,
        }
    }
}
