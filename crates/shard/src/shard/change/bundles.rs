//! Bundles: pushing, signing, putting into force, and what that takes.

use super::Changed;
use crate::control::Control;
use crate::entry::kind;
use crate::input::Refusal;
use crate::payload::Payload;
use crate::row::{BundleRow, ControlRow};
use crate::shard::work::Work;
use crate::trust::{BundleRules, Subject, Trust};
use chancery_base::limits::SIGNERS_MAX;
use chancery_base::{DecisionId, Digest, PrincipalId};
use chancery_ledger::note::{KeyName, VerifierKey};
use chancery_ledger::{Data, Word};
use chancery_policy::{Action, Bundle};
use std::sync::Arc;
use std::time::Duration;

/// When who meets the limit should come again: somebody has to remove one.
const RETRY_AFTER: Duration = Duration::from_secs(60);

pub(super) fn push(actor: PrincipalId, bundle: &Arc<Bundle>, signatures: &Arc<str>, work: &mut Work) -> u64 {
    let row = BundleRow {
        name: bundle.name().clone(),
        version: u32::try_from(bundle.version()).unwrap_or(u32::MAX),
        digest: bundle.digest(),
        pushed_at: work.now,
        pushed_by: actor,
        signatures: Arc::clone(signatures),
        source: Arc::from(bundle.canonical()),
    };
    let data = Data::new().digest("bundle", row.digest).count("version", u64::from(row.version));
    let payload = Payload::new().maybe_text("signatures", Some(&**signatures).filter(|lines| !lines.is_empty()));
    let payload = payload.text("source", &String::from_utf8_lossy(&row.source));
    work.control.push(ControlRow::Bundle(row));
    work.write_control(kind::BUNDLE_PUSHED, actor, data, Some(payload.finish()))
}

pub(super) fn sign(actor: PrincipalId, bundle: Digest, signatures: &Arc<str>, work: &mut Work) -> u64 {
    work.control.push(ControlRow::BundleSigned(bundle, Arc::clone(signatures)));
    let payload = Payload::new().text("signatures", signatures);
    work.write_control(kind::BUNDLE_SIGNED, actor, Data::new().digest("bundle", bundle), Some(payload.finish()))
}

/// Puts a bundle into force, if the rules are met. If not, that is an entry.
pub(super) fn activate(
    actor: PrincipalId,
    (bundle, denies): (&Bundle, u64),
    (pushed_by, signatures): (PrincipalId, &str),
    control: &Control,
    work: &mut Work,
) -> Changed {
    if control.bundle.as_ref().is_some_and(|active| active.digest() == bundle.digest()) {
        return Ok(None);
    }
    if let Err(reasons) = control.trust.check(actor, Subject::from(bundle), (pushed_by, signatures)) {
        let id = DecisionId::draw(work.now, &mut work.entropy);
        let payload = Payload::new().text("call", Action::BundleActivate.as_str()).serialize("reasons", &reasons);
        work.write_decision(actor, id, None, payload);
        return Err(Refusal::NotActivated(reasons));
    }
    work.control.push(ControlRow::ActiveBundle(bundle.digest()));
    work.raise();
    let data = Data::new().digest("bundle", bundle.digest());
    let data = if denies == 0 { data } else { data.count("denies", denies) };
    Ok(Some(work.write_control(kind::BUNDLE_ACTIVATED, actor, data, None)))
}

/// Sets what is demanded: never more than can be met.
pub(super) fn set_rules(actor: PrincipalId, rules: BundleRules, control: &Control, work: &mut Work) -> Changed {
    if control.trust.rules == rules {
        return Ok(None);
    }
    let trust = Trust { rules, ..control.trust.clone() };
    expect_enough(&trust)?;
    let payload = Payload::new().serialize("rules", &rules);
    Ok(Some(write(actor, &trust, (kind::BUNDLE_RULES_CHANGED, payload), work)))
}

/// Has a key's signatures count; none where they do already.
pub(super) fn add_signer(actor: PrincipalId, key: &VerifierKey, control: &Control, work: &mut Work) -> Changed {
    let signers = &control.trust.signers;
    if signers.contains(key) {
        return Ok(None);
    }
    if signers.iter().any(|signer| signer.name() == key.name()) {
        return Err(Refusal::Exists(format!("signer `{}`, with another key,", key.name())));
    }
    // Two names of one key would count as two signers.
    if let Some(signer) = signers.iter().find(|signer| signer.as_bytes() == key.as_bytes()) {
        return Err(Refusal::Exists(format!("this key, as that of signer `{}`,", signer.name())));
    }
    if signers.len() >= SIGNERS_MAX {
        return Err(Refusal::Limited { what: "signers of a tenant", max: SIGNERS_MAX, retry_after: RETRY_AFTER });
    }
    let mut trust = control.trust.clone();
    trust.signers.push(key.clone());
    trust.signers.sort_by(|one, other| one.name().cmp(other.name()));
    let payload = Payload::new().text("key", &key.to_string());
    Ok(Some(write(actor, &trust, (kind::SIGNER_ADDED, payload), work)))
}

/// Has a signer's signatures count no longer: at the next activation.
pub(super) fn remove_signer(actor: PrincipalId, name: &KeyName, control: &Control, work: &mut Work) -> Changed {
    let mut trust = control.trust.clone();
    let Some(place) = trust.signers.iter().position(|signer| signer.name() == name) else {
        return Err(Refusal::NotFound(format!("signer `{name}`")));
    };
    let key = trust.signers.remove(place);
    expect_enough(&trust)?;
    let payload = Payload::new().text("key", &key.to_string());
    Ok(Some(write(actor, &trust, (kind::SIGNER_REMOVED, payload), work)))
}

/// A bundle that no number of signers could sign could never be put into force.
fn expect_enough(trust: &Trust) -> Result<(), Refusal> {
    let (needed, there) = (trust.rules.signatures, trust.signers.len());
    if usize::try_from(needed).is_ok_and(|needed| needed <= there) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("signatures of {needed} signers cannot be demanded where {there} are trusted")))
}

fn write(actor: PrincipalId, trust: &Trust, (kind, payload): (Word, Payload), work: &mut Work) -> u64 {
    work.control.push(if trust.is_empty() { ControlRow::TrustGone } else { ControlRow::Trust(trust.row()) });
    work.raise();
    work.write_control(kind, actor, Data::new(), Some(payload.finish()))
}

/// Puts a bundle in the shadow, or none; no entry where nothing changes.
pub(super) fn shadow(actor: PrincipalId, bundle: Option<&Bundle>, control: &Control, work: &mut Work) -> Option<u64> {
    let digest = bundle.map(|bundle| bundle.digest());
    if control.shadow.as_ref().map(|shadow| shadow.digest()) == digest {
        return None;
    }
    work.control.push(ControlRow::ShadowBundle(digest));
    work.raise();
    let data = digest.map_or_else(Data::new, |digest| Data::new().digest("bundle", digest));
    Some(work.write_control(kind::BUNDLE_SHADOWED, actor, data, None))
}
