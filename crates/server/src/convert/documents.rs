//! Definitions and bundles.

use crate::failure::fault;
use chancery_api::bundle::{Bundle, BundleSummary};
use chancery_api::definition::{Checked, Definition, DefinitionSummary, Registered};
use chancery_app::bundles::BundleView;
use chancery_app::definitions::{self, DefinitionView};

pub(crate) fn registered(registered: definitions::Registered) -> Registered {
    let definitions::Checked { name, version, digest, .. } = registered.checked;
    Registered { name, version: narrow(version), digest, existing: registered.existing }
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
        active: view.active,
        shadow: view.shadow,
    }
}
