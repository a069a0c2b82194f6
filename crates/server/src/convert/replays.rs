//! Bundles that are asked without being in force.

use crate::failure::{Failure, reason};
use crate::json;
use chancery_api::bundle::{NotReplayed, ReplayFlip, ReplayGroup, Replayed, SimulateBundle};
use chancery_app::bundles::replay::Report;
use chancery_base::Digest;
use chancery_base::json::Bounds;
use chancery_base::limits::{BODY_BYTES_MAX, BUNDLE_VALUES_MAX};
use chancery_policy::replay::{Flip, Flips, Tally};

/// What further definitions, principals and actions are called.
const OTHERS: &str = "(others)";

/// A body of as many values as a bundle may have.
pub(crate) fn simulate_bundle(bytes: &[u8]) -> Result<SimulateBundle, Failure> {
    let (read, _) = json::read_within(bytes, Bounds { bytes: BODY_BYTES_MAX, values: BUNDLE_VALUES_MAX })?;
    Ok(read)
}

/// What became of decisions that were taken again, as the API writes it; there is no more of the range.
#[must_use]
pub fn replayed(bundle: Digest, report: Report) -> Replayed {
    let Report { tally, flips, erased, .. } = report;
    let Tally { decisions, flips: Flips { denied, permitted }, groups, others, .. } = tally;
    let mut groups: Vec<ReplayGroup> = groups.into_iter().map(group).collect();
    if others != Flips::default() {
        groups.push(group(((None, OTHERS.to_owned(), OTHERS.to_owned()), others)));
    }
    let not_replayed = NotReplayed {
        erased_entries: erased,
        erased: tally.erased,
        refused: tally.refused,
        malformed: tally.malformed,
    };
    let flips = flips.into_iter().map(|(entry, flip)| replay_flip(entry, flip)).collect();
    let (would_deny, would_permit) = (denied, permitted);
    Replayed { bundle, decisions, would_deny, would_permit, groups, not_replayed, flips, next: None }
}

/// A decision that comes out otherwise, as the API writes it.
#[must_use]
pub fn replay_flip(entry: u64, flip: Flip) -> ReplayFlip {
    ReplayFlip {
        entry,
        before: flip.before.word().to_owned(),
        after: flip.after.word().to_owned(),
        principal: flip.asked.principal,
        action: flip.asked.action,
        resource: flip.asked.resource,
        reasons: flip.reasons.iter().map(reason).collect(),
    }
}

fn group(((definition, principal, action), flips): ((Option<String>, String, String), Flips)) -> ReplayGroup {
    ReplayGroup { definition, principal, action, would_deny: flips.denied, would_permit: flips.permitted }
}
