//! Proof that an API call was decided.

use crate::access::Action;
use crate::decide::Reason;
use chancery_base::{PrincipalId, TenantId};

/// Proof that an API call was decided and permitted. Use-cases and the store take the tenant and the principal from it;
/// only [`crate::Access::authorize`] and [`Grant::system`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    tenant: TenantId,
    principal: PrincipalId,
    basis: Basis,
}

/// What a grant rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Basis {
    Decision { action: Action, reasons: Vec<Reason> },
    System { reason: &'static str },
}

impl Grant {
    pub(crate) const fn decided(
        tenant: TenantId,
        principal: PrincipalId,
        action: Action,
        reasons: Vec<Reason>,
    ) -> Self {
        Self { tenant, principal, basis: Basis::Decision { action, reasons } }
    }

    /// A grant of the platform to itself, for what nobody asked for, such as recovery. `reason` says what for.
    #[must_use]
    pub const fn system(reason: &'static str, tenant: TenantId) -> Self {
        Self { tenant, principal: PrincipalId::SYSTEM, basis: Basis::System { reason } }
    }

    /// The tenant whose data may be touched.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who asked; [`PrincipalId::SYSTEM`] if the platform did.
    #[must_use]
    pub const fn principal(&self) -> PrincipalId {
        self.principal
    }

    /// What was permitted; `None` if the platform granted it to itself.
    #[must_use]
    pub const fn action(&self) -> Option<Action> {
        match &self.basis {
            Basis::Decision { action, .. } => Some(*action),
            Basis::System { .. } => None,
        }
    }

    /// Why, in one line.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.basis {
            Basis::Decision { reasons, .. } => reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            Basis::System { reason } => (*reason).to_owned(),
        }
    }
}
