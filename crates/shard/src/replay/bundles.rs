//! What entries say of bundles, and of what they need to be put into force.

use super::{Replay, ReplayError, typed};
use crate::row::BundleRow;
use crate::trust::Trust;
use chancery_base::Digest;
use chancery_ledger::Record;
use chancery_ledger::note::VerifierKey;
use chancery_policy::Bundle;
use serde_json::{Map, Value};
use std::sync::Arc;

impl Replay {
    pub(super) fn bundle(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let source: String = typed(payload, "source")?;
        let signatures: Option<String> = typed(payload, "signatures")?;
        let known = self.bundles.get(&Digest::of(source.as_bytes()));
        let bundle = match known.filter(|known| known.canonical() == source.as_bytes()) {
            Some(known) => Arc::clone(known),
            None => Bundle::parse(source.as_bytes())
                .map(Arc::new)
                .map_err(|err| ReplayError::Illegal(format!("the bundle can't be read: {err}")))?,
        };
        if record.data.get_digest("bundle") != Some(bundle.digest()) {
            return Err(ReplayError::Digest("bundle"));
        }
        self.rows.bundles.retain(|row| row.digest != bundle.digest());
        self.rows.bundles.push(BundleRow {
            name: bundle.name().clone(),
            version: u32::try_from(bundle.version()).unwrap_or(u32::MAX),
            digest: bundle.digest(),
            pushed_at: record.at,
            pushed_by: record.actor,
            signatures: Arc::from(signatures.unwrap_or_default()),
            source: Arc::from(bundle.canonical()),
        });
        Ok(())
    }

    pub(super) fn bundle_signed(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let signatures: String = typed(payload, "signatures")?;
        let bundle = record.data.get_digest("bundle").ok_or(ReplayError::Digest("bundle"))?;
        let row = self.rows.bundles.iter_mut().find(|row| row.digest == bundle);
        row.ok_or_else(|| ReplayError::Dangling(format!("bundle {bundle}")))?.signatures = Arc::from(signatures);
        Ok(())
    }

    pub(super) fn bundle_activated(&mut self, record: &Record) -> Result<(), ReplayError> {
        let bundle = record.data.get_digest("bundle").ok_or(ReplayError::Digest("bundle"))?;
        self.rows.active_bundle = Some(self.pushed(bundle)?);
        Ok(())
    }

    pub(super) fn bundle_shadowed(&mut self, record: &Record) -> Result<(), ReplayError> {
        let bundle = record.data.get_digest("bundle");
        self.rows.shadow_bundle = bundle.map(|bundle| self.pushed(bundle)).transpose()?;
        Ok(())
    }

    /// A bundle that an entry points to.
    fn pushed(&self, bundle: Digest) -> Result<Digest, ReplayError> {
        let is_there = self.rows.bundles.iter().any(|row| row.digest == bundle);
        is_there.then_some(bundle).ok_or_else(|| ReplayError::Dangling(format!("bundle {bundle}")))
    }

    pub(super) fn trust(&mut self, payload: &Map<String, Value>, record: &Record) -> Result<(), ReplayError> {
        let before = self.rows.trust.as_ref().map_or_else(|| Some(Trust::default()), Trust::of);
        let mut trust = before.ok_or(ReplayError::Row("trust"))?;
        match record.kind.as_str() {
            "bundle_rules.changed" => trust.rules = typed(payload, "rules")?,
            "signer.added" => {
                trust.signers.push(signer(payload)?);
                trust.signers.sort_by(|one, other| one.name().cmp(other.name()));
            }
            _ => {
                let key = signer(payload)?;
                if !trust.signers.contains(&key) {
                    return Err(ReplayError::Dangling(format!("signer `{}`", key.name())));
                }
                trust.signers.retain(|signer| *signer != key);
            }
        }
        self.rows.trust = (!trust.is_empty()).then(|| trust.row());
        Ok(())
    }
}

fn signer(payload: &Map<String, Value>) -> Result<VerifierKey, ReplayError> {
    let key: String = typed(payload, "key")?;
    key.parse().ok().ok_or(ReplayError::Row("key"))
}
