//! The ledger, decisions and health.

use super::micros;
use crate::extract::invalid;
use crate::failure::{Failure, reason};
use chancery_api::bundle::Simulated;
use chancery_api::decision::{
    Decide, Decision, DecisionOverridden, Demand, Obligation, Outcome, Risk, RiskLevel, RiskRow,
};
use chancery_api::health::{Health, HealthCheck, HealthStatus};
use chancery_api::ledger::{ConsistencyProof, Entry, InclusionProof, Log};
use chancery_app::decisions::{Question, Who};
use chancery_app::health::{HealthDetails, ShardHealth};
use chancery_app::ledger::{ConsistencyView, InclusionView, LogView};
use chancery_app::maintenance::Maintenance;
use chancery_app::transactions::HistoryEntry;
use chancery_base::digest::hex_encode;
use chancery_ledger::Hash;
use chancery_policy as policy;
use chancery_policy::EntityRef;
use chancery_shard::input::DecisionSummary;

pub(crate) fn log(view: &LogView) -> Log {
    Log {
        shard: view.origin.shard(),
        generation: view.origin.generation(),
        origin: view.origin.to_string(),
        size: view.size,
        checkpoint_size: view.checkpoint_size,
    }
}

pub(crate) fn entry(entry: HistoryEntry) -> Entry {
    Entry {
        seq: entry.seq,
        n: entry.n,
        record: entry.record,
        payload: entry.payload,
        salt: entry.salt.map(|salt| hex_encode(&salt.0)),
    }
}

pub(crate) fn inclusion(view: InclusionView) -> InclusionProof {
    InclusionProof {
        origin: view.origin.to_string(),
        entry: view.index.0,
        size: view.size.0,
        path: view.hashes.iter().map(Hash::to_string).collect(),
        checkpoint: view.checkpoint,
    }
}

pub(crate) fn consistency(view: &ConsistencyView) -> ConsistencyProof {
    ConsistencyProof {
        origin: view.origin.to_string(),
        from: view.old.0,
        to: view.new.0,
        path: view.hashes.iter().map(Hash::to_string).collect(),
    }
}

/// A question as the application takes it.
pub(crate) fn question(body: Decide) -> Result<Question, Failure> {
    let who = match (body.principal, body.subject) {
        (None, None) => Who::Caller,
        (Some(id), None) => Who::Principal(id),
        (None, Some(subject)) => Who::named(EntityRef::new(subject.entity_type, subject.id), subject.attributes)
            .map_err(|why| invalid("subject", &why))?,
        (Some(_), Some(_)) => return Err(invalid("the body", "it takes one of `principal` and `subject`")),
    };
    Ok(Question {
        who,
        action: body.action,
        resource_type: body.resource.entity_type,
        resource_id: body.resource.id,
        resource_attributes: body.resource.attributes,
        context: body.context,
    })
}

pub(crate) fn decision(decision: &DecisionSummary) -> Decision {
    Decision {
        decision: decision.id,
        permitted: decision.permitted,
        outcome: match (decision.permitted, decision.obligations.is_empty()) {
            (true, true) => Outcome::Approved,
            (true, false) => Outcome::Conditional,
            // Obligations come with a permit: what is not permitted all the same waits for people, or for evidence.
            (false, false) => Outcome::Escalated,
            (false, true) => Outcome::Denied,
        },
        reasons: decision.reasons.iter().map(reason).collect(),
        obligations: decision.obligations.iter().map(obligation).collect(),
        would_deny: decision.would_deny,
        overridden: decision.overridden.as_ref().map(|overridden| DecisionOverridden {
            by: overridden.by.id,
            kind: super::overrides::kind(overridden.by.kind),
            original: Outcome::Denied,
            reasons: overridden.reasons.iter().map(reason).collect(),
        }),
        risk: decision.risk.as_ref().map(risk),
        shadow: decision.shadow.as_deref().map(simulated),
        bundle: decision.bundle,
        entry: decision.seq,
    }
}

pub(super) fn obligation(obligation: &policy::Obligation) -> Obligation {
    Obligation {
        policy: obligation.policy.clone(),
        reason: obligation.reason.clone(),
        demand: match &obligation.demand {
            policy::Demand::Approval(approval) => Demand::Approval {
                approvers: approval.approvers,
                role: approval.role.clone(),
                within: approval.within.map(chancery_base::duration::format),
            },
            policy::Demand::Evidence(artefact) => Demand::Evidence {
                name: artefact.name.clone(),
                scope: artefact.scope.word().to_owned(),
                evidence: artefact.cited.map(|cited| cited.id),
                digest: artefact.cited.map(|cited| cited.digest),
            },
            policy::Demand::Mask(fields) => {
                Demand::Mask { fields: fields.iter().map(|path| path.as_str().to_owned()).collect() }
            }
            policy::Demand::Limits(limits) => Demand::Limits { limits: limits.to_json() },
            policy::Demand::Budget(spending) => Demand::Budget {
                budget: spending.budget.clone(),
                amount: spending.amount.as_ref().map(|amount| amount.text().to_owned()),
                cost: spending.cost.as_ref().map(|cost| cost.text().to_owned()),
            },
            policy::Demand::Rate(pace) => {
                Demand::Rate { limit: pace.limit, window: pace.window.to_string(), per: pace.per.to_string() }
            }
            policy::Demand::Notify(notifiers) => Demand::Notify { notifiers: notifiers.iter().cloned().collect() },
        },
    }
}

pub(crate) fn risk(risk: &policy::Risk) -> Risk {
    Risk {
        score: risk.score,
        level: match risk.level {
            policy::RiskLevel::Low => RiskLevel::Low,
            policy::RiskLevel::Medium => RiskLevel::Medium,
            policy::RiskLevel::High => RiskLevel::High,
            policy::RiskLevel::Critical => RiskLevel::Critical,
        },
        dimensions: risk.dimensions.iter().map(|(dimension, risk)| (dimension.word().to_owned(), *risk)).collect(),
        rows: risk.rows.iter().map(risk_row).collect(),
        rows_omitted: count(risk.rows_omitted),
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn risk_row(row: &policy::RiskRow) -> RiskRow {
    RiskRow {
        table: row.table.to_string(),
        version: row.version,
        row: count(row.row),
        id: row.id.as_ref().map(ToString::to_string),
    }
}

/// What a bundle that is asked without being obeyed says, as the API writes it.
#[must_use]
pub fn simulated(decision: &policy::Decision) -> Simulated {
    Simulated {
        permitted: decision.is_permit(),
        reasons: decision.reasons.iter().map(reason).collect(),
        obligations: decision.obligations.iter().map(obligation).collect(),
        bundle: decision.bundle,
    }
}

pub(crate) fn health(status: HealthStatus, details: &HealthDetails) -> Health {
    let store = match &details.store {
        Ok(took) => (HealthStatus::Up, format!("answered in {} µs", micros(*took))),
        Err(error) => (HealthStatus::Down, error.clone()),
    };
    let store = HealthCheck { name: String::from("store"), status: store.0, detail: store.1 };
    Health {
        status,
        version: Some(details.version.to_owned()),
        uptime_s: Some(details.uptime.as_secs()),
        node: Some(details.node.clone()),
        maintenance: details.health.maintenance,
        checks: std::iter::once(store).chain(details.shards.iter().map(shard)).collect(),
    }
}

fn shard(shard: &ShardHealth) -> HealthCheck {
    HealthCheck {
        name: format!("shard {}", shard.tenant),
        status: if shard.ready { HealthStatus::Up } else { HealthStatus::Down },
        detail: format!(
            "epoch {}, {} entries, {} under a checkpoint, {} transactions run{}",
            shard.epoch,
            shard.size,
            shard.checkpoint_size,
            shard.active,
            shard.maintenance.as_ref().map(in_maintenance).unwrap_or_default()
        ),
    }
}

fn in_maintenance(maintenance: &Maintenance) -> String {
    format!("; in maintenance since {}: {}", maintenance.since, maintenance.justification)
}
