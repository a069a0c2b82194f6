//! What obligations demand to be there when something is about to be done: evidence, and notifiers that tell of it. It is
//! looked up in the control state, so that what is permitted rests on what holds in the same commit.

use super::Control;
use super::demands::name;
use chancery_base::{Timestamp, TransactionId};
use chancery_policy::{Artefact, Citation, Decision, Demand, Obligation, Reason, Scope};
use std::sync::Arc;

/// The step that something is demanded of; none: a start or a question, of which there is no transaction yet.
pub(super) type OfStep<'a> = Option<(TransactionId, &'a str)>;

/// The decision with the evidence that it demands, or the denial that it is where something is lacking.
pub(super) fn held(decision: Arc<Decision>, of: OfStep<'_>, control: &Control, now: Timestamp) -> Arc<Decision> {
    let decision = told(decision, control);
    match cited(&decision, of, control, now) {
        Ok(None) => decision,
        Ok(Some(cited)) => Arc::new(cited),
        Err(reason) => Arc::new(decision.lacking(reason)),
    }
}

/// The decision, or the denial that it is where a notifier is not there that is to tell of it: nobody would hear of it.
pub(super) fn told(decision: Arc<Decision>, control: &Control) -> Arc<Decision> {
    let lack = decision.obligations.iter().find_map(|obligation| {
        let notifier = obligation.demand.told().find(|notifier| !control.notifiers.contains_key(*notifier))?;
        let text = format!("{} demands notify: there is no notifier `{notifier}`", name(obligation));
        Some(Reason { policy: obligation.policy.clone(), effect: None, text })
    });
    match lack {
        Some(reason) => Arc::new(decision.lacking(reason)),
        None => decision,
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
        Demand::Approval(_)
        | Demand::Mask(_)
        | Demand::Limits(_)
        | Demand::Budget(_)
        | Demand::Rate(_)
        | Demand::Notify(_) => Ok(obligation.clone()),
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
