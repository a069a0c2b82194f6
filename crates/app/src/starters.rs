//! Who started which transaction: a fact, so that the driver of an open one is not looked up with each of its calls.

use chancery_base::limits::STARTERS_KEPT_MAX;
use chancery_base::{PrincipalId, TenantId, TransactionId};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The starters of transactions that were asked about, [`STARTERS_KEPT_MAX`] at most.
#[derive(Debug, Default)]
pub(crate) struct Starters(Mutex<HashMap<TransactionId, (TenantId, PrincipalId)>>);

impl Starters {
    /// Who started a tenant's transaction, where that is known.
    pub(crate) fn of(&self, tenant: &TenantId, id: TransactionId) -> Option<PrincipalId> {
        self.lock().get(&id).filter(|(of, _)| of == tenant).map(|(_, starter)| *starter)
    }

    /// Keeps who started one.
    pub(crate) fn keep(&self, tenant: &TenantId, id: TransactionId, starter: PrincipalId) {
        let mut kept = self.lock();
        if kept.len() >= STARTERS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(id, (tenant.clone(), starter));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TransactionId, (TenantId, PrincipalId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::{Entropy, PrincipalKind, Slot, Timestamp};

    #[test]
    fn a_starter_is_known_to_its_tenant_and_many_are_forgotten_at_once() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let mut id = || TransactionId::draw(Timestamp::EPOCH, Slot::new(7).unwrap(), &mut entropy);
        let starter = PrincipalId::draw(PrincipalKind::Agent, Timestamp::EPOCH, &mut Entropy::from_seed([2; 32]));
        let (acme, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let starters = Starters::default();
        let first = id();
        starters.keep(&acme, first, starter);
        assert_eq!((starters.of(&acme, first), starters.of(&other, first)), (Some(starter), None));
        (0..STARTERS_KEPT_MAX).for_each(|_| starters.keep(&acme, id(), starter));
        assert_eq!(starters.of(&acme, first), None);
    }
}
