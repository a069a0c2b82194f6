//! Metrics: what the shards observe becomes counters and histograms; what holds at the moment becomes gauges when
//! somebody looks, so that an idle node does nothing.

use crate::app::App;
use crate::clock;
use crate::tenant::Tenant;
use chancery_base::{Name, TargetId, TenantId, Timestamp};
use chancery_engine::Phase;
use chancery_shard::input::{Gauges, Observation, Queue};
use chancery_shard::target::Forced;
use chancery_targets::{Stage, Verdict};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Duration;

/// Names what there is to measure; call it once after an exporter is installed.
pub(crate) fn describe() {
    use metrics::Unit::{Bytes, Count, Seconds};
    describe_counter!("chancery_transactions_started_total", "Transactions that began, by definition");
    describe_counter!(
        "chancery_transactions_ended_total",
        "Transactions that ended or parked, by definition and status"
    );
    describe_gauge!("chancery_transactions_active", Count, "Transactions that have neither ended nor parked");
    describe_gauge!("chancery_transactions_active_max", Count, "How many of them a tenant may have");
    describe_histogram!(
        "chancery_transaction_duration_seconds",
        Seconds,
        "From start to end, by definition and status"
    );
    describe_counter!("chancery_steps_total", "Attempts of steps that ended, by outcome");
    describe_counter!("chancery_step_attempts_total", "Attempts of steps that were handed out");
    describe_counter!("chancery_step_retries_total", "Attempts of steps beyond the first");
    describe_histogram!("chancery_step_wait_seconds", Seconds, "From ready to handed out, by phase");
    describe_counter!("chancery_compensations_total", "Attempts of compensations that ended, by outcome");
    describe_counter!("chancery_compensation_failures_total", "Attempts of compensations that did not succeed");
    describe_counter!("chancery_confirms_total", "Attempts of confirms that ended, by outcome");
    describe_gauge!("chancery_queue_depth", Count, "Steps that wait for a worker, by queue");
    describe_gauge!("chancery_queue_oldest_age_seconds", Seconds, "How long the oldest of them has waited, by queue");
    describe_gauge!("chancery_queue_out", Count, "Attempts that are out with workers, by queue");
    describe_gauge!("chancery_queue_held", Count, "1 where a queue's own limit keeps steps waiting, by queue");
    describe_counter!("chancery_notifications_total", "Attempts to tell people, by notifier and outcome");
    describe_counter!("chancery_target_calls_total", "HTTP calls that ended, by target and whether it answered");
    describe_histogram!("chancery_target_call_duration_seconds", Seconds, "How long a call took, by target");
    describe_gauge!("chancery_target_calls_out", Count, "Calls that are out, by target");
    describe_gauge!("chancery_target_room", Count, "Calls that may begin now, by target");
    describe_gauge!("chancery_target_breaker", Count, "0 closed, 1 half open, 2 open, by target");
    describe_gauge!("chancery_workers", Count, "Workers with a call open or a task in hand");
    describe_gauge!("chancery_leases", Count, "Tasks that are handed out");
    describe_gauge!("chancery_shard_inputs", Count, "Inputs that wait for a shard");
    describe_histogram!("chancery_commit_batch_inputs", Count, "Inputs of a commit");
    describe_histogram!("chancery_commit_batch_entries", Count, "Entries of a commit");
    describe_histogram!("chancery_commit_duration_seconds", Seconds, "How long the store took for a commit");
    describe_counter!("chancery_commit_failures_total", "Commits that failed, by kind");
    describe_gauge!("chancery_store_wal_bytes", Bytes, "Bytes in the embedded store's write-ahead log");
    describe_counter!(
        "chancery_store_wal_waits_total",
        "Times that the writer waited, at that log's bound, for it to begin anew"
    );
    describe_counter!("chancery_schedule_times_total", "Times of schedules that were dealt with, by what came of them");
    describe_policy();
    describe_gauge!("chancery_bundles_active", Count, "Tenants with an active bundle");
    describe_counter!("chancery_ledger_entries_total", "Entries that were committed");
    describe_gauge!("chancery_ledger_size", Count, "Entries of a log");
    describe_gauge!("chancery_ledger_unintegrated_entries", Count, "Committed entries that are not in the tree yet");
    describe_gauge!("chancery_ledger_checkpoint_age_seconds", Seconds, "How long entries have waited for a checkpoint");
    describe_histogram!("chancery_ledger_verification_duration_seconds", Seconds, "How long a check of a sample took");
    describe_counter!("chancery_ledger_verifications_total", "Checks of samples, by result");
    describe_counter!(
        "chancery_ledger_integrity_failures_total",
        "Entries that do not lead to the tree: tampering or damage"
    );
    describe_gauge!("chancery_shard_epoch", Count, "The owner's epoch of a shard");
    describe_gauge!("chancery_maintenance", Count, "1 where a tenant takes no new transactions, by tenant");
    describe_gauge!("chancery_stops", Count, "Stops that are in force, by tenant");
    describe_counter!("chancery_transactions_expired_total", "Ended transactions that were removed");
    describe_gauge!(
        "chancery_expiry_last_timestamp_seconds",
        Seconds,
        "When the newest search for what ended long ago was over, by tenant"
    );
    describe_gauge!("chancery_expiry_last_removed", Count, "How many transactions it removed, by tenant");
    describe_gauge!("chancery_expiry_last_failed", Count, "1 where it stopped before it was through, by tenant");
    describe_gauge!("chancery_node_info", "Always 1, with the node's version");
    describe_gauge!("chancery_node_uptime_seconds", Seconds, "How long the process has run");
}

fn describe_policy() {
    describe_counter!("chancery_decisions_total", "Decisions, by outcome and action");
    describe_counter!(
        "chancery_denials_total",
        "Denials, by what denied: `role`, `rule` (for bundles), `stop` or `policy`"
    );
    describe_counter!("chancery_policy_evaluation_errors_total", "Policies that erred in a decision");
    describe_counter!("chancery_access_searches_total", "Searches of the Authorization API, by what they look for");
    describe_counter!("chancery_access_looks_total", "Candidates that these asked policy about");
    describe_counter!("chancery_information_total", "Subjects looked up, by whether the information point knew them");
}

/// Counts what a shard observed.
pub(crate) fn observed(observation: &Observation) {
    match observation {
        Observation::Started { definition } => {
            counter!("chancery_transactions_started_total", "definition" => definition.to_string()).increment(1);
        }
        Observation::Ended { definition, status, took } => {
            let labels = [("definition", definition.to_string()), ("status", (*status).to_owned())];
            counter!("chancery_transactions_ended_total", &labels).increment(1);
            histogram!("chancery_transaction_duration_seconds", &labels).record(*took);
        }
        Observation::Dispatched { phase, attempt, waited } => {
            if *phase == Phase::Do {
                counter!("chancery_step_attempts_total").increment(1);
                if *attempt > 1 {
                    counter!("chancery_step_retries_total").increment(1);
                }
            }
            histogram!("chancery_step_wait_seconds", "phase" => phase.word()).record(*waited);
        }
        Observation::Attempted { phase: Phase::Do, outcome } => {
            counter!("chancery_steps_total", "outcome" => *outcome).increment(1);
        }
        Observation::Attempted { phase: Phase::Undo, outcome } => {
            counter!("chancery_compensations_total", "outcome" => *outcome).increment(1);
            if *outcome != "completed" {
                counter!("chancery_compensation_failures_total").increment(1);
            }
        }
        Observation::Attempted { phase: Phase::Confirm, outcome } => {
            counter!("chancery_confirms_total", "outcome" => *outcome).increment(1);
        }
        Observation::Scheduled { came } => counter!("chancery_schedule_times_total", "came" => *came).increment(1),
        Observation::Expired { transactions } => {
            counter!("chancery_transactions_expired_total").increment(*transactions as u64);
        }
        Observation::Decided { action, permitted, errors } => decided(action, *permitted, *errors),
        Observation::Shadowed { agrees } => {
            let agrees = if *agrees { "yes" } else { "no" };
            counter!("chancery_shadow_decisions_total", "agrees" => agrees).increment(1);
        }
        Observation::Committed { inputs, entries } => {
            histogram!("chancery_commit_batch_inputs").record(as_f64(*inputs));
            histogram!("chancery_commit_batch_entries").record(as_f64(*entries));
            counter!("chancery_ledger_entries_total").increment(*entries as u64);
        }
    }
}

fn decided(action: &str, permitted: bool, errors: usize) {
    let outcome = if permitted { "permit" } else { "deny" };
    counter!("chancery_decisions_total", "outcome" => outcome, "action" => action.to_owned()).increment(1);
    if !permitted {
        counter!("chancery_denials_total", "reason" => "policy").increment(1);
    }
    counter!("chancery_policy_evaluation_errors_total").increment(errors as u64);
}

/// A notifier told, or could not.
pub(crate) fn notified(tenant: &TenantId, notifier: &Name, told: bool) {
    let outcome = if told { "told" } else { "failed" };
    let labels = [("tenant", tenant.to_string()), ("notifier", notifier.to_string()), ("outcome", outcome.to_owned())];
    counter!("chancery_notifications_total", &labels).increment(1);
}

/// A call of a target that the node's list names.
pub(crate) fn called(tenant: &TenantId, target: &TargetId, verdict: Verdict, took: Duration) {
    let outcome = match verdict {
        Verdict::Answers => "answers",
        Verdict::Fails => "fails",
    };
    let labels = [("tenant", tenant.to_string()), ("target", target.to_string())];
    histogram!("chancery_target_call_duration_seconds", &labels).record(took);
    let [tenant, target] = labels;
    counter!("chancery_target_calls_total", &[tenant, target, ("outcome", outcome.to_owned())]).increment(1);
}

/// How the targets do that the node's list names.
fn targets(tenant: &Tenant) {
    for target in tenant.targets.origins() {
        let (given, view) = tenant.targets.view(target, clock::now());
        let labels = [("tenant", tenant.id.to_string()), ("target", target.to_string())];
        let breaker = match (given.forced, view.stage) {
            (Some(Forced::Closed), _) | (None, Stage::Closed) => 0.0,
            (None, Stage::HalfOpen) => 1.0,
            (Some(Forced::Open), _) | (None, Stage::Open { .. }) => 2.0,
        };
        gauge!("chancery_target_breaker", &labels).set(breaker);
        gauge!("chancery_target_calls_out", &labels).set(f64::from(view.out));
        gauge!("chancery_target_room", &labels).set(f64::from(view.room));
    }
}

/// How long a commit took.
pub(crate) fn committed(took: Duration) {
    histogram!("chancery_commit_duration_seconds").record(took);
}

/// A commit that was not done.
pub(crate) fn commit_failed(kind: &'static str) {
    counter!("chancery_commit_failures_total", "kind" => kind).increment(1);
}

/// A check of a sample of a log.
pub(crate) fn verified(took: Duration, sound: bool) {
    histogram!("chancery_ledger_verification_duration_seconds").record(took);
    counter!("chancery_ledger_verifications_total", "result" => if sound { "sound" } else { "broken" }).increment(1);
    // Said also when there is none, so that an alert on its increase has a first value to compare with.
    counter!("chancery_ledger_integrity_failures_total").increment(u64::from(!sound));
}

/// Sets the gauges to what holds now; to be called before they are read.
pub(crate) async fn refresh(app: &App) {
    gauge!("chancery_node_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("chancery_node_uptime_seconds").set(app.uptime().as_secs_f64());
    let store = app.store().stats();
    gauge!("chancery_store_wal_bytes").set(as_f64_u64(store.wal_bytes));
    counter!("chancery_store_wal_waits_total").absolute(store.wal_waits);
    gauge!("chancery_transactions_active_max").set(as_f64(app.config().running_max));
    let mut bundles = 0;
    for tenant in app.tenants().values() {
        let is_closed = tenant.control().is_ok_and(|control| control.maintenance.is_some());
        gauge!("chancery_maintenance", "tenant" => tenant.id.to_string()).set(f64::from(u8::from(is_closed)));
        let stops = tenant.control().map_or(0, |control| control.stops.len());
        gauge!("chancery_stops", "tenant" => tenant.id.to_string()).set(as_f64(stops));
        bundles += usize::from(tenant.control().is_ok_and(|control| control.bundle.is_some()));
        let Some(now) = tenant.pump.gauges().await else { continue };
        shard(tenant, &now);
        targets(tenant);
        let progress = tenant.integrator.progress();
        let label = tenant.id.to_string();
        let unintegrated = as_f64_u64(now.size.saturating_sub(progress.integrated));
        gauge!("chancery_ledger_unintegrated_entries", "tenant" => label.clone()).set(unintegrated);
        gauge!("chancery_ledger_checkpoint_age_seconds", "tenant" => label)
            .set(tenant.integrator.behind_for(now.size).as_secs_f64());
    }
    gauge!("chancery_bundles_active").set(as_f64(bundles));
}

fn shard(of: &Tenant, now: &Gauges) {
    let tenant = of.id.to_string();
    gauge!("chancery_transactions_active", "tenant" => tenant.clone()).set(as_f64(now.active));
    gauge!("chancery_workers", "tenant" => tenant.clone()).set(as_f64(now.workers));
    gauge!("chancery_leases", "tenant" => tenant.clone()).set(as_f64(now.leases));
    gauge!("chancery_shard_inputs", "tenant" => tenant.clone()).set(as_f64(now.inputs));
    gauge!("chancery_ledger_size", "tenant" => tenant.clone()).set(as_f64_u64(now.size));
    gauge!("chancery_shard_epoch", "tenant" => tenant.clone()).set(as_f64_u64(now.epoch));
    if let Some((run, at)) = now.expiry.as_ref().and_then(|run| Some((run, run.ended_at?))) {
        gauge!("chancery_expiry_last_timestamp_seconds", "tenant" => tenant.clone())
            .set(at.since(Timestamp::EPOCH).as_secs_f64());
        gauge!("chancery_expiry_last_removed", "tenant" => tenant.clone()).set(as_f64_u64(run.removed));
        gauge!("chancery_expiry_last_failed", "tenant" => tenant.clone())
            .set(f64::from(u8::from(run.problem.is_some())));
    }
    for (queue, depth, oldest) in &now.queues {
        let name = match queue {
            Queue::Worker(name) => name.to_string(),
            Queue::Http(target) if of.targets.origins().any(|known| known == target) => target.to_string(),
            // What a definition makes up is no label.
            Queue::Http(_) | Queue::AnyHttp => continue,
        };
        let labels = [("tenant", tenant.clone()), ("queue", name)];
        gauge!("chancery_queue_depth", &labels).set(as_f64(*depth));
        let age = oldest.map_or(Duration::ZERO, |since| clock::now().since(since));
        gauge!("chancery_queue_oldest_age_seconds", &labels).set(age.as_secs_f64());
    }
    queues(of, now);
}

/// What is out of the queues that a tenant has limited.
fn queues(of: &Tenant, now: &Gauges) {
    let Ok(control) = of.control() else { return };
    for name in control.queues.keys() {
        let labels = [("tenant", of.id.to_string()), ("queue", name.to_string())];
        let out = now.out.get(&Queue::Worker(name.clone())).copied().unwrap_or_default();
        gauge!("chancery_queue_out", &labels).set(as_f64(out));
        gauge!("chancery_queue_held", &labels).set(f64::from(u8::from(now.held.contains_key(name))));
    }
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// Exact below 2⁵³, which no log reaches.
#[expect(clippy::cast_precision_loss, reason = "a gauge; exact below 2^53")]
fn as_f64_u64(count: u64) -> f64 {
    count as f64
}
