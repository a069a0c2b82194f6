//! Domain types to wire types and back, field by field.

mod authzen;
mod budgets;
mod compliance;
mod documents;
mod events;
mod evidence;
mod exports;
mod faults;
mod maintenance;
mod notifiers;
mod open;
mod overrides;
mod people;
mod queues;
mod records;
mod replays;
mod reports;
mod requests;
mod retention;
mod schedules;
mod settings;
mod stops;
mod targets;
mod transactions;
mod workers;

pub(crate) use authzen::{
    SearchCall, access_configuration, access_decision, access_decisions, access_evaluation, access_evaluations,
    access_found, sought_actions, sought_resources, sought_subjects,
};
pub(crate) use budgets::{budget, budget_accounts, budget_terms};
pub(crate) use compliance::{pack, pack_status};
pub(crate) use documents::{
    activated, bundle, bundle_rules, bundle_summary, checked, definition, definition_summary, impact, registered,
    signer,
};
pub(crate) use events::{event_query, events};
pub(crate) use evidence::{artefact, evidence};
pub(crate) use exports::export;
pub(crate) use maintenance::maintenance;
pub(crate) use notifiers::{notifier, notifier_tested, set_notifier};
pub(crate) use open::{open_outcome, open_resumed, open_step, open_stepped};
pub(crate) use overrides::{asked, over, override_kind, override_query};
pub(crate) use people::{created_tenant, issued_key, key, new_principal, patch, principal};
pub(crate) use queues::{queue, queue_settings};
pub use records::simulated;
pub(crate) use records::{consistency, decision, entry, health, inclusion, log, question, risk};
pub(crate) use replays::simulate_bundle;
pub use replays::{replay_flip, replayed};
pub(crate) use reports::{access_row, oversight, responsibility, separation};
pub(crate) use requests::{request, request_query, say};
pub(crate) use retention::{retention, set_retention};
pub(crate) use schedules::{overlap, schedule, schedule_terms, triggered};
pub(crate) use settings::tenant_settings;
pub(crate) use stops::{stop, stop_on};
pub(crate) use targets::{callback, called_back, forced, issued_signing_secret, settings, signing_secret, target};
pub(crate) use transactions::{
    bulk, count, fork, operated, resolution, search, searched, sent, signal, start, started, state, step, transaction,
    transaction_summary,
};
pub(crate) use workers::{ack, call, exchanged};

use std::time::Duration;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
