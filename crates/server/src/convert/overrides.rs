//! Overrides.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::over::{
    Override, OverrideKind, OverrideResource, OverrideSaid, OverrideStatus, OverrideUsed, OverridesQuery,
    RequestOverride,
};
use chancery_app::overrides::{self as app, Asked, OverrideOn, Query, Said};
use chancery_policy::EntityRef;

/// What an override is asked for.
pub(crate) fn asked(body: &RequestOverride) -> Result<Asked, Failure> {
    match (body.principal, &body.action, &body.resource, body.transaction, &body.step) {
        (Some(principal), Some(action), Some(resource), None, None) => {
            let resource = EntityRef::new(&resource.entity_type, &resource.id);
            Ok(Asked::Access { principal, action: action.clone(), resource })
        }
        (None, None, None, Some(transaction), Some(step)) => Ok(Asked::Step { transaction, step: step.clone() }),
        _ => Err(invalid(
            "the body",
            "it takes `principal`, `action` and `resource`, or else `transaction` and `step`: each of the three, or \
             each of the two",
        )),
    }
}

pub(crate) const fn override_kind(kind: OverrideKind) -> app::OverrideKind {
    match kind {
        OverrideKind::EmergencyBypass => app::OverrideKind::EmergencyBypass,
        OverrideKind::ExecutiveOverride => app::OverrideKind::ExecutiveOverride,
        OverrideKind::TimeLimitedException => app::OverrideKind::TimeLimitedException,
        OverrideKind::RiskAccepted => app::OverrideKind::RiskAccepted,
    }
}

pub(super) const fn kind(kind: app::OverrideKind) -> OverrideKind {
    match kind {
        app::OverrideKind::EmergencyBypass => OverrideKind::EmergencyBypass,
        app::OverrideKind::ExecutiveOverride => OverrideKind::ExecutiveOverride,
        app::OverrideKind::TimeLimitedException => OverrideKind::TimeLimitedException,
        app::OverrideKind::RiskAccepted => OverrideKind::RiskAccepted,
    }
}

pub(crate) fn override_query(query: &OverridesQuery) -> Query {
    let status = query.status.map(|status| match status {
        OverrideStatus::Requested => app::OverrideStatus::Requested,
        OverrideStatus::Granted => app::OverrideStatus::Granted,
        OverrideStatus::Used => app::OverrideStatus::Used,
        OverrideStatus::Refused => app::OverrideStatus::Refused,
        OverrideStatus::Revoked => app::OverrideStatus::Revoked,
        OverrideStatus::Expired => app::OverrideStatus::Expired,
    });
    Query { due: query.due, status }
}

pub(crate) fn over(view: app::Override) -> Override {
    let status = match view.status {
        app::OverrideStatus::Requested => OverrideStatus::Requested,
        app::OverrideStatus::Granted => OverrideStatus::Granted,
        app::OverrideStatus::Used => OverrideStatus::Used,
        app::OverrideStatus::Refused => OverrideStatus::Refused,
        app::OverrideStatus::Revoked => OverrideStatus::Revoked,
        app::OverrideStatus::Expired => OverrideStatus::Expired,
    };
    let (principal, review_due) = (view.on.principal(), view.review_due());
    let (action, resource, transaction, step) = match view.on {
        OverrideOn::Access { action, resource, .. } => {
            let resource = OverrideResource { entity_type: resource.kind, id: resource.id };
            (Some(action), Some(resource), None, None)
        }
        OverrideOn::Step { transaction, step, .. } => (None, None, Some(transaction), Some(step)),
    };
    Override {
        id: view.id,
        kind: kind(view.kind),
        status,
        principal,
        action,
        resource,
        transaction,
        step,
        until: view.until,
        requested: said(view.requested),
        granted: view.granted.map(said),
        refused: view.refused.map(said),
        revoked: view.revoked.map(said),
        used: view.used.map(|used| OverrideUsed {
            transaction: used.act.transaction,
            step: used.act.step,
            decision: used.decision,
        }),
        review_due,
        reviewed: view.reviewed.map(said),
    }
}

fn said(said: Said) -> OverrideSaid {
    OverrideSaid { by: said.by, at: said.at, justification: said.justification }
}
