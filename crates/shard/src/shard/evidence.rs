//! Evidence that obligations demand of what is about to be done: it is looked up in the control state, so that what is
//! permitted cites what it rests on, in the same commit.

use super::Control;
use super::demands::name;
use chancery_base::{Timestamp, TransactionId};
use chancery_policy::{Artefact, Citation, Decision, Demand, Obligation, Reason, Scope};
use std::sync::Arc;

/// The step that something is demanded of; none: a start or a question, of which there is no transaction yet.
pub(super) type OfStep<'a> = Option<(TransactionId, &'a str)>;

/// The decision with what meets its demands for evidence, or the denial that it is where some is lacking.
pub(super) fn held(decision: Arc<Decision>, of: OfStep<'_>, control: &Control, now: Timestamp) -> Arc<Decision> {
    match cited(&decision, of, control, now) {
        Ok(None) => decision,
        Ok(Some(cited)) => Arc::new(cited),
        Err(reason) => Arc::new(decision.lacking(reason)),
    }
}

/// The decision with what meets its demands for evidence; none where it demands none.
///
/// # Errors
/// Why it can't be met: the first evidence that is lacking.
pub(super) fn cited(
    decision: &Decision,
    of: OfStep<'_>,
    control: &Control,
    now: Timestamp,
) -> Result<Option<Decision>, Reason> {
    let is_demanded = |obligation: &Obligation| matches!(obligation.demand, Demand::Evidence(_));
    if !decision.obligations.iter().any(is_demanded) {
        return Ok(None);
    }
    let meet = |obligation: &Obligation| match &obligation.demand {
        Demand::Evidence(artefact) => {
            let found = control.evidence.find(&artefact.name, artefact.scope, of, now);
            let found = found.ok_or_else(|| lack(obligation, artefact, of))?;
            let cited = Some(Citation { id: found.id, digest: found.terms.digest });
            Ok(Obligation { demand: Demand::Evidence(Artefact { cited, ..artefact.clone() }), ..obligation.clone() })
        }
        Demand::Approval(_) | Demand::Mask(_) | Demand::Limits(_) | Demand::Budget(_) | Demand::Rate(_) => {
            Ok(obligation.clone())
        }
    };
    let met = decision.obligations.iter().map(meet).collect::<Result<Vec<_>, Reason>>()?;
    Ok(Some(decision.with_obligations(met)))
}

fn lack(obligation: &Obligation, artefact: &Artefact, of: OfStep<'_>) -> Reason {
    let evidence = &artefact.name;
    let why = match (artefact.scope, of) {
        (Scope::Tenant, _) => format!("there is none of the tenant named `{evidence}` that is kept still"),
        (Scope::Transaction, Some((transaction, _))) => {
            format!("{transaction} has none named `{evidence}` that is kept still")
        }
        (Scope::Transaction, None) => format!(
            "`{evidence}` is of a transaction, and there is none yet: demand it of a step, or `@for(\"tenant\")`"
        ),
    };
    Reason {
        policy: obligation.policy.clone(),
        effect: None,
        text: format!("{} demands evidence: {why}", name(obligation)),
    }
}
