//! What the role bundle granted. It says the same of the same principal as long as that stays what it is, so it is
//! asked once.

use chancery_base::limits::GRANTS_KEPT_MAX;
use chancery_base::{PrincipalId, TenantId};
use chancery_policy::{Access, AccessDenied, Action, Grant, Principal};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Whose call, where, what, and whether it is about what is the caller's own.
type Call = (PrincipalId, TenantId, Action, bool);

/// The role bundle, with its newest grants.
#[derive(Debug)]
pub(crate) struct Grants {
    access: Arc<Access>,
    kept: RwLock<HashMap<Call, (Principal, Grant)>>,
}

impl Grants {
    pub(crate) fn new(access: Access) -> Self {
        Self { access: Arc::new(access), kept: RwLock::default() }
    }

    /// The role bundle itself.
    pub(crate) const fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Asks whether the principal may call; see [`Access::authorize`]. Denials are worked out each time.
    pub(crate) fn authorize(
        &self,
        principal: &Principal,
        tenant: &TenantId,
        action: Action,
        owner: Option<PrincipalId>,
    ) -> Result<Grant, AccessDenied> {
        let is_own = match owner {
            None => false,
            Some(owner) if owner == principal.id => true,
            Some(_) => return self.access.authorize(principal, tenant, action, owner),
        };
        let call = (principal.id, tenant.clone(), action, is_own);
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            // INVARIANT: a grant holds for the principal as it was, roles and suspension included.
            if let Some((_, grant)) = kept.get(&call).filter(|(known, _)| known == principal) {
                return Ok(grant.clone());
            }
        }
        let grant = self.access.authorize(principal, tenant, action, owner)?;
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= GRANTS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(call, (principal.clone(), grant.clone()));
        Ok(grant)
    }
}
