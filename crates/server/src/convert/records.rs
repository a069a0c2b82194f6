//! The ledger, decisions and health.

use super::micros;
use crate::failure::reason;
use chancery_api::decision::{Decide, Decision};
use chancery_api::health::{Health, HealthCheck, HealthStatus};
use chancery_api::ledger::{ConsistencyProof, Entry, InclusionProof, Log};
use chancery_app::decisions::Question;
use chancery_app::health::{HealthDetails, ShardHealth};
use chancery_app::ledger::{ConsistencyView, InclusionView, LogView};
use chancery_app::maintenance::Maintenance;
use chancery_app::transactions::HistoryEntry;
use chancery_base::digest::hex_encode;
use chancery_ledger::Hash;
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

pub(crate) fn question(body: Decide) -> Question {
    Question {
        principal: body.principal,
        action: body.action,
        resource_type: body.resource.entity_type,
        resource_id: body.resource.id,
        resource_attributes: body.resource.attributes,
        context: body.context,
    }
}

pub(crate) fn decision(decision: &DecisionSummary) -> Decision {
    Decision {
        decision: decision.id,
        permitted: decision.permitted,
        reasons: decision.reasons.iter().map(reason).collect(),
        bundle: decision.bundle,
        entry: decision.seq,
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
