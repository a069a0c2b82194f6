//! The router, made from the table.

use crate::failure::Failure;
use crate::gate::{Node, Place, gate};
use crate::handlers::{
    authzen, budgets, bundles, capabilities, compliance, definitions, events, evidence, exports, health, ledger,
    maintenance, notifiers, open, operations, overrides, principals, queues, reports, requests, retention, schedules,
    settings, signers, stops, targets, transactions, workers,
};
use crate::scope::Scope;
use crate::tally::Class;
use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use chancery_api::routes::Access;
use chancery_api::{Method, Problem, ProblemKind, ROUTES, Route};
use chancery_policy::Action;
use std::sync::Arc;

/// Why the router can't be made from the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// The table has a route for which there is no handler.
    #[error("route `{0}` has no handler")]
    NoHandler(&'static str),
    /// The table names an action that the role bundle does not know.
    #[error("route `{route}` needs action `{action}`, which the role bundle does not know")]
    NoAction {
        /// The route's operation id.
        route: &'static str,
        /// The action's name.
        action: &'static str,
    },
}

/// Every route of the table behind its gate, and problems for everything else.
pub(crate) fn router(node: &Arc<Node>) -> Result<Router, RouterError> {
    let nowhere = Place { node: Arc::clone(node), route: None, action: None, class: Class::Call };
    let mut router = Router::new();
    for route in ROUTES {
        let place = Place { action: action(route)?, route: Some(route), class: Class::of(route), ..nowhere.clone() };
        let handler = handler(route).ok_or(RouterError::NoHandler(route.operation_id))?;
        router = router.route(route.path, handler.layer(from_fn_with_state(place, gate)));
    }
    let behind_gate = from_fn_with_state(nowhere, gate);
    Ok(router
        .method_not_allowed_fallback(wrong_method.layer(behind_gate.clone()))
        .fallback(unknown_route.layer(behind_gate))
        .with_state(Arc::clone(node)))
}

fn action(route: &'static Route) -> Result<Option<(Action, Scope)>, RouterError> {
    let name = match route.access {
        Access::Open | Access::Token => return Ok(None),
        Access::Action(name) => name,
    };
    let action: Action = name.parse().ok().ok_or(RouterError::NoAction { route: route.operation_id, action: name })?;
    Ok(Some((action, Scope::of(route, action))))
}

async fn unknown_route() -> Failure {
    Problem::new(ProblemKind::UnknownRoute, "there is no such route; GET /openapi.json lists them").into()
}

async fn wrong_method() -> Failure {
    Problem::new(ProblemKind::MethodNotAllowed, "the header `Allow` lists the methods that this route has").into()
}

/// The handler of a route, by its operation id.
fn handler(route: &Route) -> Option<MethodRouter<Arc<Node>>> {
    let filter = match route.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    };
    let id = route.operation_id;
    of_tenants(filter, id)
        .or_else(|| of_transactions(filter, id))
        .or_else(|| of_what_is_reached(filter, id))
        .or_else(|| of_budgets(filter, id))
}

/// Of the node, and of what a tenant has: who there is, definitions, bundles, the ledger.
fn of_tenants(filter: MethodFilter, operation_id: &str) -> Option<MethodRouter<Arc<Node>>> {
    Some(match operation_id {
        "health" | "health_ready" | "ready" => on(filter, health::ready),
        "health_live" => on(filter, health::live),
        "health_startup" => on(filter, health::startup),
        "openapi" => on(filter, health::openapi),
        "metrics" => on(filter, health::metrics),
        "tenant_create" => on(filter, principals::tenant_create),
        "principal_create" => on(filter, principals::create),
        "principal_list" => on(filter, principals::list),
        "principal_get" => on(filter, principals::get),
        "principal_set" => on(filter, principals::set),
        "key_issue" => on(filter, principals::key_issue),
        "key_list" => on(filter, principals::key_list),
        "key_revoke" => on(filter, principals::key_revoke),
        "definition_register" => on(filter, definitions::register),
        "definition_check" => on(filter, definitions::check),
        "definition_list" => on(filter, definitions::list),
        "definition_get" => on(filter, definitions::get),
        "definition_schema" => on(filter, definitions::schema),
        "bundle_push" => on(filter, bundles::push),
        "bundle_check" => on(filter, bundles::check),
        "bundle_list" => on(filter, bundles::list),
        "bundle_get" => on(filter, bundles::get),
        "bundle_activate" => on(filter, bundles::activate),
        "bundle_shadow" => on(filter, bundles::shadow),
        "bundle_shadow_end" => on(filter, bundles::shadow_end),
        "bundle_rollback" => on(filter, bundles::rollback),
        "bundle_simulate" => on(filter, bundles::simulate),
        "bundle_simulate_source" => on(filter, bundles::simulate_source),
        "bundle_replay" => on(filter, bundles::replay),
        "bundle_rules_get" => on(filter, signers::rules),
        "bundle_rules_set" => on(filter, signers::set_rules),
        "signer_list" => on(filter, signers::list),
        "signer_add" => on(filter, signers::add),
        "signer_remove" => on(filter, signers::remove),
        "ledger_logs" => on(filter, ledger::logs),
        "ledger_entries" => on(filter, ledger::entries),
        "ledger_proof_inclusion" => on(filter, ledger::inclusion),
        "ledger_proof_consistency" => on(filter, ledger::consistency),
        "ledger_key" => on(filter, ledger::key),
        "export_make" => on(filter, exports::make),
        "report_responsibility" => on(filter, reports::responsibility),
        "report_oversight" => on(filter, reports::oversight),
        "report_access" => on(filter, reports::access),
        "report_separation" => on(filter, reports::separation),
        "report_separation_of" => on(filter, reports::separation_of),
        "compliance_list" => on(filter, compliance::list),
        "compliance_get" => on(filter, compliance::get),
        "compliance_status" => on(filter, compliance::status),
        "receipt_get" => on(filter, ledger::receipt),
        "tlog_checkpoint" | "tlog_entries" | "tlog_tile" => on(filter, ledger::tlog),
        _ => return None,
    })
}

/// Of transactions, of those who drive them and of those who work for them; of questions to policy.
fn of_transactions(filter: MethodFilter, operation_id: &str) -> Option<MethodRouter<Arc<Node>>> {
    Some(match operation_id {
        "transaction_start" => on(filter, transactions::start),
        "transaction_list" => on(filter, transactions::list),
        "transaction_count" => on(filter, transactions::count),
        "transaction_get" => on(filter, transactions::get),
        "transaction_result" => on(filter, transactions::result),
        "transaction_history" => on(filter, transactions::history),
        "transaction_query" => on(filter, transactions::query),
        "transaction_clones" => on(filter, transactions::clones),
        "transaction_bulk" => on(filter, operations::bulk),
        "transaction_signal" => on(filter, operations::signal),
        "transaction_pause" => on(filter, operations::pause),
        "transaction_resume" => on(filter, operations::resume),
        "transaction_cancel" => on(filter, operations::cancel),
        "transaction_terminate" => on(filter, operations::terminate),
        "transaction_retry" => on(filter, operations::retry),
        "transaction_resolve" => on(filter, operations::resolve),
        "transaction_fork" => on(filter, operations::fork),
        "open_step" => on(filter, open::step),
        "open_outcome" => on(filter, open::outcome),
        "open_commit" => on(filter, open::commit),
        "open_abort" => on(filter, open::abort),
        "open_resume" => on(filter, open::resume),
        "open_heartbeat" => on(filter, open::heartbeat),
        "worker_exchange" => on(filter, workers::exchange),
        "decision_make" => on(filter, workers::decide),
        "access_configuration" => on(filter, authzen::configuration),
        "access_evaluation" => on(filter, authzen::evaluation),
        "access_evaluations" => on(filter, authzen::evaluations),
        "access_search_subject" => on(filter, authzen::search_subject),
        "access_search_resource" => on(filter, authzen::search_resource),
        "access_search_action" => on(filter, authzen::search_action),
        _ => return None,
    })
}

/// Of budgets.
fn of_budgets(filter: MethodFilter, operation_id: &str) -> Option<MethodRouter<Arc<Node>>> {
    Some(match operation_id {
        "budget_list" => on(filter, budgets::list),
        "budget_get" => on(filter, budgets::get),
        "budget_set" => on(filter, budgets::set),
        "budget_delete" => on(filter, budgets::delete),
        _ => return None,
    })
}

/// Of maintenance, of stops and overrides, of retention, of schedules, of requests to people, of events, of the queues that steps wait
/// in, of the targets that they call, and of capability tokens.
fn of_what_is_reached(filter: MethodFilter, operation_id: &str) -> Option<MethodRouter<Arc<Node>>> {
    Some(match operation_id {
        "maintenance_get" => on(filter, maintenance::get),
        "maintenance_set" => on(filter, maintenance::set),
        "stop_set" => on(filter, stops::set),
        "stop_list" => on(filter, stops::list),
        "stop_get" => on(filter, stops::get),
        "stop_lift" => on(filter, stops::lift),
        "evidence_add" => on(filter, evidence::add),
        "evidence_list" => on(filter, evidence::list),
        "evidence_get" => on(filter, evidence::get),
        "evidence_content" => on(filter, evidence::content),
        "notifier_list" => on(filter, notifiers::list),
        "notifier_get" => on(filter, notifiers::get),
        "notifier_set" => on(filter, notifiers::set),
        "notifier_delete" => on(filter, notifiers::delete),
        "notifier_test" => on(filter, notifiers::test),
        "override_request" => on(filter, overrides::request),
        "override_list" => on(filter, overrides::list),
        "override_get" => on(filter, overrides::get),
        "override_grant" => on(filter, overrides::grant),
        "override_refuse" => on(filter, overrides::refuse),
        "override_revoke" => on(filter, overrides::revoke),
        "override_review" => on(filter, overrides::review),
        "retention_get" => on(filter, retention::get),
        "retention_set" => on(filter, retention::set),
        "queue_list" => on(filter, queues::list),
        "queue_get" => on(filter, queues::get),
        "queue_set" => on(filter, queues::set),
        "queue_reset" => on(filter, queues::reset),
        "settings_get" => on(filter, settings::get),
        "settings_put" => on(filter, settings::put),
        "settings_patch" => on(filter, settings::patch),
        "settings_list" => on(filter, settings::list),
        "schedule_list" => on(filter, schedules::list),
        "schedule_create" => on(filter, schedules::create),
        "schedule_get" => on(filter, schedules::get),
        "schedule_set" => on(filter, schedules::set),
        "schedule_delete" => on(filter, schedules::delete),
        "schedule_pause" => on(filter, schedules::pause),
        "schedule_resume" => on(filter, schedules::resume),
        "schedule_trigger" => on(filter, schedules::trigger),
        "request_list" => on(filter, requests::list),
        "request_get" => on(filter, requests::get),
        "request_acknowledge" => on(filter, requests::acknowledge),
        "request_answer" => on(filter, requests::answer),
        "request_defer" => on(filter, requests::defer),
        "request_delegate" => on(filter, requests::delegate),
        "event_list" => on(filter, events::list),
        "target_list" => on(filter, targets::list),
        "target_get" => on(filter, targets::get),
        "target_set" => on(filter, targets::set),
        "target_force" => on(filter, targets::force),
        "signing_secret_issue" => on(filter, targets::secret_issue),
        "signing_secret_list" => on(filter, targets::secret_list),
        "signing_secret_retire" => on(filter, targets::secret_retire),
        "callback" => on(filter, targets::callback),
        "capability_keys" => on(filter, capabilities::keys),
        "capability_revoke" => on(filter, capabilities::revoke),
        _ => return None,
    })
}
