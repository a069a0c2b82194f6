//! Definitions and bundles.

use crate::failure::{fault, reason};
use chancery_api::bundle::{Activated, Bundle, BundleRules, BundleSignature, BundleSummary, Impact, Signer, WouldDeny};
use chancery_api::definition::{Checked, Definition, DefinitionSummary, Registered};
use chancery_app::bundles::{self, BundleView, SignatureView};
use chancery_app::definitions::{self, DefinitionView};
use chancery_app::signers;

pub(crate) fn registered(registered: definitions::Registered) -> Registered {
    let Checked { name, version, digest, warnings } = checked(registered.checked);
    Registered { name, version, digest, existing: registered.existing, warnings }
}

pub(crate) fn checked(checked: definitions::Checked) -> Checked {
    Checked {
        name: checked.name,
        version: narrow(checked.version),
        digest: checked.digest,
        warnings: checked.warnings.into_iter().map(fault).collect(),
    }
}

/// INVARIANT: rows have versions of 32 bits, so a document with a greater one is refused where it is read.
fn narrow(version: u64) -> u32 {
    u32::try_from(version).unwrap_or(u32::MAX)
}

pub(crate) fn definition(view: DefinitionView) -> Definition {
    Definition {
        name: view.name,
        version: view.version,
        digest: view.digest,
        registered_at: view.registered_at,
        source: view.source,
    }
}

pub(crate) fn definition_summary(view: DefinitionView) -> DefinitionSummary {
    DefinitionSummary { name: view.name, version: view.version, digest: view.digest, registered_at: view.registered_at }
}

pub(crate) fn bundle(view: BundleView) -> Bundle {
    Bundle {
        name: view.name,
        version: view.version,
        digest: view.digest,
        pushed_at: view.pushed_at,
        pushed_by: view.pushed_by,
        signatures: view.signatures.into_iter().map(signature).collect(),
        active: view.active,
        shadow: view.shadow,
        source: view.source,
    }
}

pub(crate) fn bundle_summary(view: BundleView) -> BundleSummary {
    BundleSummary {
        name: view.name,
        version: view.version,
        digest: view.digest,
        pushed_at: view.pushed_at,
        pushed_by: view.pushed_by,
        signatures: view.signatures.into_iter().map(signature).collect(),
        active: view.active,
        shadow: view.shadow,
    }
}

fn signature(view: SignatureView) -> BundleSignature {
    BundleSignature { signer: view.signer, trusted: view.trusted, line: view.line }
}

pub(crate) fn bundle_rules(rules: signers::BundleRules) -> BundleRules {
    BundleRules { second_person: rules.second_person, signatures: rules.signatures }
}

pub(crate) fn signer(key: &signers::VerifierKey) -> Signer {
    Signer { name: key.name().to_string(), key: key.to_string() }
}

pub(crate) fn activated(activated: bundles::Activated) -> Activated {
    let bundles::Activated { digest, entry, impact, warnings } = activated;
    let warnings = warnings.into_iter().map(fault).collect();
    Activated { digest, entry, impact: self::impact(impact), warnings }
}

pub(crate) fn impact(impact: bundles::Impact) -> Impact {
    let shown = |denied: bundles::WouldDeny| WouldDeny {
        transaction: denied.transaction,
        definition: denied.definition,
        step: denied.step,
        action: denied.action,
        resource: denied.resource,
        reasons: denied.reasons.iter().map(reason).collect(),
    };
    Impact {
        transactions: impact.transactions,
        would_deny: impact.would_deny.into_iter().map(shown).collect(),
        looked_at: impact.looked_at,
        untold: impact.untold,
        more: impact.more,
    }
}
