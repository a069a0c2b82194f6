//! The table itself.

use super::Access::{Action, Open, Token};
use super::Method::{Delete, Get, Patch, Post, Put};
use super::{Answer, Body, Parameter, Route};

const fn text(name: &'static str, text: &'static str) -> Parameter {
    Parameter { name, header: false, number: false, required: false, text }
}

const fn number(name: &'static str, text: &'static str) -> Parameter {
    Parameter { name, header: false, number: true, required: false, text }
}

const fn header(name: &'static str, text: &'static str) -> Parameter {
    Parameter { name, header: true, number: false, required: false, text }
}

const fn required(parameter: Parameter) -> Parameter {
    Parameter { required: true, ..parameter }
}

const LIMIT: Parameter = number("limit", "How many items at most: 1 to 1,000, else 100.");
const CURSOR: Parameter = text("cursor", "The `next` of the page before.");
const SEARCH: Parameter = text("search", "Such as `status:failed,parked -label.region:eu started<2h`.");
const PAGE: &[Parameter] = &[LIMIT, CURSOR];
const ACCEPT: &str = "Of how many running transactions it may deny steps; else of none.";
const RANGE: &[Parameter] = &[
    text("from", "From this time on; without it 90 days before the end."),
    text("to", "Until before this time; without it until now."),
];

/// Every route that the server has.
pub const ROUTES: &[Route] = &[
    // Health, metrics, this document.
    Route::new(Get, "/health", "health", Open).summary("Whether the node is ready").gives(HEALTH),
    Route::new(Get, "/health/live", "health_live", Open).summary("Whether the process works").gives(HEALTH),
    Route::new(Get, "/health/ready", "health_ready", Open).summary("Whether the node is ready").gives(HEALTH),
    Route::new(Get, "/health/startup", "health_startup", Open).summary("Whether the node has started").gives(HEALTH),
    Route::new(Get, "/ready", "ready", Open).summary("Whether the node is ready").gives(HEALTH),
    Route::new(Get, "/openapi.json", "openapi", Open).summary("This document").gives(Answer::AnyJson),
    Route::new(Get, "/metrics", "metrics", Action("metrics:read"))
        .summary("Metrics in Prometheus' text format")
        .gives(Answer::Text),
    // Tenants and principals.
    Route::new(Post, "/v1/tenants", "tenant_create", Action("tenant:create"))
        .summary("Make a tenant, its owner and the owner's key")
        .takes(Body::Json("CreateTenant"))
        .gives(Answer::Json(201, "CreatedTenant")),
    Route::new(Post, "/v1/principals", "principal_create", Action("principal:create"))
        .summary("Make a principal")
        .takes(Body::Json("CreatePrincipal"))
        .gives(Answer::Json(201, "Principal")),
    Route::new(Get, "/v1/principals", "principal_list", Action("principal:list"))
        .summary("List principals")
        .with(PAGE)
        .gives(Answer::Page("Principal")),
    Route::new(Get, "/v1/principals/{id}", "principal_get", Action("principal:read"))
        .summary("Read a principal")
        .gives(Answer::Json(200, "Principal")),
    Route::new(Patch, "/v1/principals/{id}", "principal_set", Action("principal:set"))
        .summary("Change or suspend a principal; in force when the call returns")
        .takes(Body::Json("ChangePrincipal"))
        .gives(Answer::Json(200, "Principal")),
    Route::new(Post, "/v1/principals/{id}/keys", "key_issue", Action("key:issue"))
        .summary("Issue an API key; it is shown once")
        .takes(Body::Json("IssueKey"))
        .gives(Answer::Json(201, "IssuedKey")),
    Route::new(Get, "/v1/principals/{id}/keys", "key_list", Action("key:list"))
        .summary("List a principal's keys")
        .gives(Answer::Page("Key")),
    Route::new(Delete, "/v1/keys/{id}", "key_revoke", Action("key:revoke"))
        .summary("Revoke a key; in force when the call returns"),
    // Definitions.
    Route::new(Post, "/v1/definitions", "definition_register", Action("definition:register"))
        .summary("Register a definition")
        .takes(Body::Definition)
        .gives(Answer::Json(201, "Registered")),
    Route::new(Post, "/v1/definitions/check", "definition_check", Action("definition:check"))
        .summary("Check a definition and register nothing")
        .takes(Body::Definition)
        .gives(Answer::Json(200, "Checked")),
    Route::new(Get, "/v1/definitions", "definition_list", Action("definition:read"))
        .summary("List definitions")
        .with(PAGE)
        .gives(Answer::Page("DefinitionSummary")),
    Route::new(Get, "/v1/definitions/{name}", "definition_get", Action("definition:read"))
        .summary("Read a definition")
        .with(&[number("version", "Which version; the newest without it.")])
        .gives(Answer::Json(200, "Definition")),
    Route::new(Get, "/v1/schemas/definition", "definition_schema", Action("definition:read"))
        .summary("Read the JSON Schema of definitions")
        .gives(Answer::AnyJson),
    // Bundles.
    Route::new(Post, "/v1/bundles", "bundle_push", Action("bundle:push"))
        .summary("Push a bundle, with `signatures` beside it; it does not decide until it is activated")
        .takes(Body::Bundle)
        .gives(Answer::Json(201, "Registered")),
    Route::new(Post, "/v1/bundles/check", "bundle_check", Action("bundle:check"))
        .summary("Check a bundle and push nothing")
        .takes(Body::Bundle)
        .gives(Answer::Json(200, "Checked")),
    Route::new(Get, "/v1/bundles", "bundle_list", Action("bundle:read"))
        .summary("List bundles")
        .with(PAGE)
        .gives(Answer::Page("BundleSummary")),
    Route::new(Get, "/v1/bundles/{digest}", "bundle_get", Action("bundle:read"))
        .summary("Read a bundle")
        .gives(Answer::Json(200, "Bundle")),
    Route::new(Post, "/v1/bundles/{digest}/activate", "bundle_activate", Action("bundle:activate"))
        .summary("Make a bundle the active one; in force when the call returns")
        .with(&[number("accept", ACCEPT)])
        .gives(Answer::Json(200, "Activated")),
    Route::new(Post, "/v1/bundles/{digest}/shadow", "bundle_shadow", Action("bundle:activate"))
        .summary("Ask a bundle beside the active one from now on, and record what it says")
        .gives(Answer::Json(200, "Shadowed")),
    Route::new(Delete, "/v1/bundles/shadow", "bundle_shadow_end", Action("bundle:activate"))
        .summary("Take the bundle that is in the shadow out of it"),
    Route::new(Post, "/v1/bundles/rollback", "bundle_rollback", Action("bundle:activate"))
        .summary("Make the bundle that was active before the active one; in force when the call returns")
        .with(&[number("accept", ACCEPT)])
        .gives(Answer::Json(200, "Activated")),
    Route::new(Post, "/v1/bundles/{digest}/simulate", "bundle_simulate", Action("bundle:read"))
        .summary("Ask a pushed bundle, active or not; nothing is recorded")
        .takes(Body::Json("Decide"))
        .gives(Answer::Json(200, "Simulated")),
    Route::new(Post, "/v1/bundles/simulate", "bundle_simulate_source", Action("bundle:check"))
        .summary("Ask a bundle that need not be pushed; nothing is recorded")
        .takes(Body::Json("SimulateBundle"))
        .gives(Answer::Json(200, "Simulated")),
    Route::new(Post, "/v1/bundles/{digest}/replay", "bundle_replay", Action("bundle:replay"))
        .summary("Take past decisions again under a pushed bundle, 10,000 entries a call; nothing is recorded")
        .takes(Body::Json("ReplayBundle"))
        .gives(Answer::Json(200, "Replayed")),
    Route::new(Get, "/v1/bundle-rules", "bundle_rules_get", Action("bundle:read"))
        .summary("Read what a bundle needs to be put into force")
        .gives(Answer::Json(200, "BundleRules")),
    Route::new(Put, "/v1/bundle-rules", "bundle_rules_set", Action("bundle_rules:set"))
        .summary("Set what a bundle needs to be put into force")
        .takes(Body::Json("BundleRules"))
        .gives(Answer::Json(200, "BundleRules")),
    Route::new(Get, "/v1/signers", "signer_list", Action("bundle:read"))
        .summary("List those whose signatures of bundles count")
        .gives(Answer::Page("Signer")),
    Route::new(Post, "/v1/signers", "signer_add", Action("signer:add"))
        .summary("Have somebody's signatures of bundles count")
        .takes(Body::Json("AddSigner"))
        .gives(Answer::Json(201, "Signer")),
    Route::new(Delete, "/v1/signers/{name}", "signer_remove", Action("signer:remove"))
        .summary("Have somebody's signatures of bundles count no longer"),
    // Transactions.
    Route::new(Post, "/v1/transactions", "transaction_start", Action("transaction:start"))
        .summary("Start a transaction; 200 where the idempotency key had started it")
        .with(&[
            header("Idempotency-Key", "The same key with the same body gives the same transaction; where the definition has a business key, for each of these."),
            header("traceparent", "W3C Trace Context, handed on to the workers."),
        ])
        .takes(Body::Json("StartTransaction"))
        .gives(Answer::Json(201, "StartedTransaction")),
    Route::new(Get, "/v1/transactions", "transaction_list", Action("transaction:list"))
        .summary("Search transactions, newest first; a page may be short, though more follow")
        .with(&[
            SEARCH,
            text("status", "Only those with this status."),
            text("definition", "Only those of this definition."),
            LIMIT,
            CURSOR,
        ])
        .gives(Answer::Page("TransactionSummary")),
    Route::new(Get, "/v1/transactions/count", "transaction_count", Action("transaction:list"))
        .summary("Count the transactions that a search finds, up to 10,000")
        .with(&[SEARCH])
        .gives(Answer::Json(200, "TransactionCount")),
    Route::new(Post, "/v1/transactions/bulk", "transaction_bulk", Action("transaction:bulk"))
        .summary("Cancel, terminate or retry every transaction that a search finds, a page a call")
        .takes(Body::Json("Bulk"))
        .gives(Answer::Page("BulkResult")),
    Route::new(Get, "/v1/transactions/{id}", "transaction_get", Action("transaction:read"))
        .summary("Read a transaction and its steps")
        .gives(Answer::Json(200, "Transaction")),
    Route::new(Get, "/v1/transactions/{id}/result", "transaction_result", Action("transaction:read"))
        .summary("Wait until a transaction ended or parked, or the time is over")
        .with(&[text("wait", "How long, such as `30s`, at most `60s`.")])
        .gives(Answer::Json(200, "Transaction")),
    Route::new(Get, "/v1/transactions/{id}/history", "transaction_history", Action("transaction:read"))
        .summary("List a transaction's entries with their payloads")
        .with(PAGE)
        .gives(Answer::Page("Entry")),
    Route::new(Get, "/v1/transactions/{id}/query", "transaction_query", Action("transaction:read"))
        .summary("Read what a transaction's expressions see of it: outputs by step")
        .gives(Answer::Json(200, "TransactionState")),
    Route::new(Post, "/v1/transactions/{id}/signals", "transaction_signal", Action("transaction:signal"))
        .summary("Send a signal; it is kept until a step takes it. 200 where one with this id had come")
        .takes(Body::Json("SendSignal"))
        .gives(Answer::Json(201, "SentSignal")),
    Route::new(Post, "/v1/transactions/{id}/pause", "transaction_pause", Action("transaction:pause"))
        .summary("Hand nothing out until it is resumed; what is out comes in")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Transaction")),
    Route::new(Post, "/v1/transactions/{id}/resume", "transaction_resume", Action("transaction:resume"))
        .summary("Have what is paused go on; what is due fires at once")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Transaction")),
    Route::new(Get, "/v1/transactions/{id}/steps/{step}/clones", "transaction_clones", Action("transaction:read"))
        .summary("List the clones of a step that fanned out")
        .with(PAGE)
        .gives(Answer::Page("Step")),
    Route::new(Post, "/v1/transactions/{id}/cancel", "transaction_cancel", Action("transaction:cancel"))
        .summary("Undo what was done and end as cancelled")
        .takes(Body::Json("Cancel"))
        .gives(Answer::Json(200, "Transaction")),
    Route::new(Post, "/v1/transactions/{id}/terminate", "transaction_terminate", Action("transaction:terminate"))
        .summary("End at once; nothing is undone")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Transaction")),
    Route::new(Post, "/v1/transactions/{id}/fork", "transaction_fork", Action("transaction:fork"))
        .summary("Start a transaction that takes over from one that has ended; 200 where the key had started it")
        .with(&[
            header("Idempotency-Key", "The same key with the same body gives the same fork."),
            header("traceparent", "W3C Trace Context, handed on to the workers."),
        ])
        .takes(Body::Json("ForkTransaction"))
        .gives(Answer::Json(201, "StartedTransaction")),
    Route::new(Post, "/v1/transactions/{id}/retry", "transaction_retry", Action("transaction:retry"))
        .summary("Try what is parked again")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Transaction")),
    Route::new(Post, "/v1/transactions/{id}/resolve", "transaction_resolve", Action("transaction:resolve"))
        .summary("Say by hand how what is parked is to count")
        .takes(Body::Json("Resolve"))
        .gives(Answer::Json(200, "Transaction")),
    // Open transactions: what their drivers call.
    Route::new(Post, "/v1/transactions/{id}/steps", "open_step", Action("transaction:drive"))
        .summary("Ask for a step of an open transaction: a permit, a denial, or what is recorded of it")
        .takes(Body::Json("OpenStep"))
        .gives(Answer::Json(200, "OpenStepped")),
    Route::new(Put, "/v1/transactions/{id}/steps/{step}", "open_outcome", Action("transaction:drive"))
        .summary("Say what came of a step of an open transaction")
        .takes(Body::Json("OpenOutcome"))
        .gives(Answer::Json(200, "OpenAcknowledged")),
    Route::new(Post, "/v1/transactions/{id}/commit", "open_commit", Action("transaction:drive"))
        .summary("End an open transaction as completed")
        .takes(Body::Json("OpenCommit"))
        .gives(Answer::Json(200, "StartedTransaction")),
    Route::new(Post, "/v1/transactions/{id}/abort", "open_abort", Action("transaction:drive"))
        .summary("Undo what an open transaction did and end it as cancelled")
        .takes(Body::Json("OpenAbort"))
        .gives(Answer::Json(200, "StartedTransaction")),
    Route::new(Post, "/v1/transactions/{id}/drivers", "open_resume", Action("transaction:drive"))
        .summary("Become the driver of an open transaction; whoever was it before is not any more")
        .takes(Body::Json("OpenResume"))
        .gives(Answer::Json(200, "OpenResumed")),
    Route::new(Post, "/v1/transactions/{id}/heartbeat", "open_heartbeat", Action("transaction:drive"))
        .summary("Say that the driver of an open transaction lives")
        .takes(Body::Json("OpenHeartbeat"))
        .gives(Answer::Json(200, "OpenHeard")),
    // Workers and decisions.
    Route::new(Post, "/v1/workers/exchange", "worker_exchange", Action("worker:exchange"))
        .summary("Hand in outcomes and take tasks out")
        .takes(Body::Json("Exchange"))
        .gives(Answer::Json(200, "Exchanged")),
    Route::new(Post, "/v1/decisions", "decision_make", Action("decision:make"))
        .summary("Decide a question of the tenant's policy and record it")
        .takes(Body::Json("Decide"))
        .gives(Answer::Json(200, "Decision")),
    // The Authorization API 1.0 of OpenID AuthZEN.
    Route::new(Get, "/.well-known/authzen-configuration", "access_configuration", Open)
        .summary("Where the Authorization API is")
        .gives(Answer::Json(200, "AccessConfiguration")),
    Route::new(Post, "/access/v1/evaluation", "access_evaluation", Action("decision:make"))
        .summary("Decide whether a subject may do an action to a resource, and record it")
        .takes(Body::Json("AccessEvaluation"))
        .gives(Answer::Json(200, "AccessDecision")),
    Route::new(Post, "/access/v1/evaluations", "access_evaluations", Action("decision:make"))
        .summary("Decide up to 100 of these in one commit, all or until the first deny or permit")
        .takes(Body::Json("AccessEvaluations"))
        .gives(Answer::Json(200, "AccessDecisions")),
    Route::new(Post, "/access/v1/search/subject", "access_search_subject", Action("decision:make"))
        .summary("Find the subjects of a type that may do it; a page may be short, though more follow")
        .takes(Body::Json("AccessSubjectSearch"))
        .gives(Answer::Json(200, "AccessFound")),
    Route::new(Post, "/access/v1/search/resource", "access_search_resource", Action("decision:make"))
        .summary("Find the resources of a type to which it may be done; a page may be short, though more follow")
        .takes(Body::Json("AccessResourceSearch"))
        .gives(Answer::Json(200, "AccessFound")),
    Route::new(Post, "/access/v1/search/action", "access_search_action", Action("decision:make"))
        .summary("Find the actions that a subject may do to a resource; a page may be short, though more follow")
        .takes(Body::Json("AccessActionSearch"))
        .gives(Answer::Json(200, "AccessFound")),
    // Maintenance.
    Route::new(Get, "/v1/maintenance", "maintenance_get", Action("maintenance:read"))
        .summary("Read whether new transactions are taken")
        .gives(Answer::Json(200, "Maintenance")),
    Route::new(Put, "/v1/maintenance", "maintenance_set", Action("maintenance:set"))
        .summary("Take no new transactions, or take them again; in `system` for the platform as a whole")
        .takes(Body::Json("SetMaintenance"))
        .gives(Answer::Json(200, "Maintenance")),
    // Stops.
    Route::new(Post, "/v1/stops", "stop_set", Action("stop:set"))
        .summary("Stop something; in force when the call returns. 200 where it is stopped already")
        .takes(Body::Json("SetStop"))
        .gives(Answer::Json(201, "Stop")),
    Route::new(Get, "/v1/stops", "stop_list", Action("stop:read"))
        .summary("List the stops that are in force, oldest first")
        .with(PAGE)
        .gives(Answer::Page("Stop")),
    Route::new(Get, "/v1/stops/{id}", "stop_get", Action("stop:read"))
        .summary("Read a stop that is in force")
        .gives(Answer::Json(200, "Stop")),
    Route::new(Post, "/v1/stops/{id}/lift", "stop_lift", Action("stop:lift"))
        .summary("Lift a stop; what waited for that goes on when the call returns")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Stop")),
    // Budgets.
    Route::new(Get, "/v1/budgets", "budget_list", Action("budget:read"))
        .summary("List budgets, by their names")
        .with(PAGE)
        .gives(Answer::Page("Budget")),
    Route::new(Get, "/v1/budgets/{name}", "budget_get", Action("budget:read"))
        .summary("Read a budget and its accounts")
        .gives(Answer::Json(200, "BudgetAccounts")),
    Route::new(Put, "/v1/budgets/{name}", "budget_set", Action("budget:set"))
        .summary("Set a budget, in place of what was set before; in force when the call returns")
        .takes(Body::Json("SetBudget"))
        .gives(Answer::Json(200, "Budget")),
    Route::new(Delete, "/v1/budgets/{name}", "budget_delete", Action("budget:set"))
        .summary("Delete a budget and its accounts; what it is demanded of is denied when the call returns"),
    // Evidence.
    Route::new(Post, "/v1/evidence", "evidence_add", Action("evidence:add"))
        .summary("Add an artefact that shows that something was done; it counts when the call returns")
        .takes(Body::Json("AddEvidence"))
        .gives(Answer::Json(201, "Evidence")),
    Route::new(Get, "/v1/evidence", "evidence_list", Action("evidence:read"))
        .summary("List the evidence whose time is not over, oldest first")
        .with(&[LIMIT, CURSOR, text("name", "Of this name."), text("transaction", "Of this transaction.")])
        .gives(Answer::Page("Evidence")),
    Route::new(Get, "/v1/evidence/{id}", "evidence_get", Action("evidence:read"))
        .summary("Read what an artefact is")
        .gives(Answer::Json(200, "Evidence")),
    Route::new(Get, "/v1/evidence/{id}/content", "evidence_content", Action("evidence:read"))
        .summary("Read the content of an artefact, where it is stored, under its media type")
        .gives(Answer::Bytes),
    // Notifiers.
    Route::new(Get, "/v1/notifiers", "notifier_list", Action("notifier:read"))
        .summary("List notifiers, and how each does")
        .with(PAGE)
        .gives(Answer::Page("Notifier")),
    Route::new(Get, "/v1/notifiers/{name}", "notifier_get", Action("notifier:read"))
        .summary("Read a notifier, never its password")
        .gives(Answer::Json(200, "Notifier")),
    Route::new(Put, "/v1/notifiers/{name}", "notifier_set", Action("notifier:set"))
        .summary("Set who is told that people are asked something, and by which way")
        .takes(Body::Json("SetNotifier"))
        .gives(Answer::Json(200, "Notifier")),
    Route::new(Delete, "/v1/notifiers/{name}", "notifier_delete", Action("notifier:set"))
        .summary("Delete a notifier, with its password"),
    Route::new(Post, "/v1/notifiers/{name}/test", "notifier_test", Action("notifier:set"))
        .summary("Have a notifier tell something now, once")
        .gives(Answer::Json(200, "NotifierTested")),
    // Overrides.
    Route::new(Post, "/v1/overrides", "override_request", Action("override:request"))
        .summary("Ask for an override of what the tenant's policy denies; another person grants it")
        .takes(Body::Json("RequestOverride"))
        .gives(Answer::Json(201, "Override")),
    Route::new(Get, "/v1/overrides", "override_list", Action("override:read"))
        .summary("List overrides, oldest first")
        .with(&[
            text("due", "`true`: only those that are granted and not reviewed."),
            text("status", "`requested`, `granted`, `used`, `refused`, `revoked` or `expired`."),
            LIMIT,
            CURSOR,
        ])
        .gives(Answer::Page("Override")),
    Route::new(Get, "/v1/overrides/{id}", "override_get", Action("override:read"))
        .summary("Read an override")
        .gives(Answer::Json(200, "Override")),
    Route::new(Post, "/v1/overrides/{id}/grant", "override_grant", Action("override:answer"))
        .summary("Grant an override that another asked for; in force when the call returns")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Override")),
    Route::new(Post, "/v1/overrides/{id}/refuse", "override_refuse", Action("override:answer"))
        .summary("Refuse an override that another asked for")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Override")),
    Route::new(Post, "/v1/overrides/{id}/revoke", "override_revoke", Action("override:revoke"))
        .summary("End an override before its time, or take it back; in force when the call returns")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Override")),
    Route::new(Post, "/v1/overrides/{id}/review", "override_review", Action("override:review"))
        .summary("Review an override that is over: not who asked for it, nor who granted it")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "Override")),
    // Retention.
    Route::new(Get, "/v1/retention", "retention_get", Action("retention:read"))
        .summary("Read how long what has ended is kept, and how removing it went")
        .gives(Answer::Json(200, "Retention")),
    Route::new(Put, "/v1/retention", "retention_set", Action("retention:set"))
        .summary("Set how long what has ended is kept; with nothing said, as is usual")
        .takes(Body::Json("SetRetention"))
        .gives(Answer::Json(200, "Retention")),
    // Queues.
    Route::new(Get, "/v1/queues", "queue_list", Action("queue:read"))
        .summary("List queues: what waits in them, what is out, and what they are given")
        .gives(Answer::Page("Queue")),
    Route::new(Get, "/v1/queues/{name}", "queue_get", Action("queue:read"))
        .summary("Read a queue")
        .gives(Answer::Json(200, "Queue")),
    Route::new(Put, "/v1/queues/{name}", "queue_set", Action("queue:set"))
        .summary("Set what a queue is given; in force when the call returns")
        .takes(Body::Json("QueueSettings"))
        .gives(Answer::Json(200, "Queue")),
    Route::new(Delete, "/v1/queues/{name}", "queue_reset", Action("queue:set"))
        .summary("Forget what was set for a queue; in force when the call returns"),
    // Settings.
    Route::new(Get, "/v1/settings", "settings_get", Action("settings:read"))
        .summary("Read the settings that expressions see as `env`")
        .gives(Answer::Json(200, "Settings")),
    Route::new(Put, "/v1/settings", "settings_put", Action("settings:set"))
        .summary("Set the settings as a whole; what starts from then on sees them")
        .takes(Body::Json("SetSettings"))
        .gives(Answer::Json(200, "Settings")),
    Route::new(Patch, "/v1/settings", "settings_patch", Action("settings:set"))
        .summary("Set some of the settings, and take out those that are null; what starts from then on sees them")
        .takes(Body::Json("SetSettings"))
        .gives(Answer::Json(200, "Settings")),
    Route::new(Get, "/v1/settings/versions", "settings_list", Action("settings:read"))
        .summary("List the versions of the settings, the newest first")
        .with(PAGE)
        .gives(Answer::Page("Settings")),
    // Schedules.
    Route::new(Get, "/v1/schedules", "schedule_list", Action("schedule:read"))
        .summary("List schedules, by name, with when they are due next")
        .with(PAGE)
        .gives(Answer::Page("Schedule")),
    Route::new(Post, "/v1/schedules/{name}", "schedule_create", Action("schedule:create"))
        .summary("Make a schedule, which starts under the caller's grants")
        .takes(Body::Json("ScheduleTerms"))
        .gives(Answer::Json(201, "Schedule")),
    Route::new(Get, "/v1/schedules/{name}", "schedule_get", Action("schedule:read"))
        .summary("Read a schedule: what it was told, its next times, and what came of its latest ones")
        .gives(Answer::Json(200, "Schedule")),
    Route::new(Put, "/v1/schedules/{name}", "schedule_set", Action("schedule:set"))
        .summary("Tell a schedule something else, in place of what it was told; the caller is its owner from then on")
        .takes(Body::Json("ScheduleTerms"))
        .gives(Answer::Json(200, "Schedule")),
    Route::new(Delete, "/v1/schedules/{name}", "schedule_delete", Action("schedule:delete"))
        .summary("Delete a schedule; what it started goes on"),
    Route::new(Post, "/v1/schedules/{name}/pause", "schedule_pause", Action("schedule:pause"))
        .summary("Let a schedule not be due until it is resumed")
        .takes(Body::Json("ScheduleNote"))
        .gives(Answer::Json(200, "Schedule")),
    Route::new(Post, "/v1/schedules/{name}/resume", "schedule_resume", Action("schedule:pause"))
        .summary("Let a schedule be due again, from now on")
        .takes(Body::Json("ScheduleNote"))
        .gives(Answer::Json(200, "Schedule")),
    Route::new(Post, "/v1/schedules/{name}/trigger", "schedule_trigger", Action("schedule:trigger"))
        .summary("Have a schedule start now, out of turn, under its owner's grants")
        .takes(Body::Json("TriggerSchedule"))
        .gives(Answer::Json(200, "TriggeredSchedule")),
    // Requests to people.
    Route::new(Get, "/v1/requests", "request_list", Action("request:read"))
        .summary("List requests to people, what is due first before what is due later; a page may be short, though more follow")
        .with(&[
            text("status", "`open` (without it), `any`, or another status."),
            text("role", "The role of those who may answer."),
            text("transaction", "Whose they are."),
            text("mine", "`true`: only those that the caller can answer now."),
            LIMIT,
            CURSOR,
        ])
        .gives(Answer::Page("PeopleRequest")),
    Route::new(Get, "/v1/requests/{id}", "request_get", Action("request:read"))
        .summary("Read a request, with the input that it is about and what was said to it")
        .gives(Answer::Json(200, "PeopleRequest")),
    Route::new(Post, "/v1/requests/{id}/acknowledge", "request_acknowledge", Action("request:answer"))
        .summary("Say that the caller has seen a request")
        .gives(Answer::Json(200, "PeopleRequest")),
    Route::new(Post, "/v1/requests/{id}/answer", "request_answer", Action("request:answer"))
        .summary("Answer a request with yes or no; durable when the call returns")
        .takes(Body::Json("AnswerRequest"))
        .gives(Answer::Json(200, "PeopleRequest")),
    Route::new(Post, "/v1/requests/{id}/defer", "request_defer", Action("request:answer"))
        .summary("Put a request off: it may be answered until that time")
        .takes(Body::Json("DeferRequest"))
        .gives(Answer::Json(200, "PeopleRequest")),
    Route::new(Post, "/v1/requests/{id}/delegate", "request_delegate", Action("request:answer"))
        .summary("Hand the caller's say on to another person")
        .takes(Body::Json("DelegateRequest"))
        .gives(Answer::Json(200, "PeopleRequest")),
    // Events.
    Route::new(Get, "/v1/events", "event_list", Action("event:read"))
        .summary("Read events that steps emitted, in order, and wait for the next; a page may be short, though more follow")
        .with(&[
            text("type", "What they are called, such as `order.shipped`, `order.*` or `**.failed`."),
            text("subject", "What they are about."),
            text("after", "The `next` of the page before; without it from the first event on."),
            LIMIT,
            text("wait", "How long to wait where there is none, such as `30s`, at most `60s`."),
        ])
        .gives(Answer::Json(200, "Events")),
    // What steps reach.
    Route::new(Get, "/v1/targets", "target_list", Action("target:read"))
        .summary("List targets: how they do, and what they are given")
        .gives(Answer::Page("Target")),
    Route::new(Get, "/v1/targets/{id}", "target_get", Action("target:read"))
        .summary("Read a target")
        .gives(Answer::Json(200, "Target")),
    Route::new(Put, "/v1/targets/{id}", "target_set", Action("target:set"))
        .summary("Set what a target is given; in force when the call returns")
        .takes(Body::Json("TargetSettings"))
        .gives(Answer::Json(200, "Target")),
    Route::new(Post, "/v1/targets/{id}/breaker", "target_force", Action("target:force"))
        .summary("Hold a target's breaker open or closed, or let it go")
        .takes(Body::Json("ForceBreaker"))
        .gives(Answer::Json(200, "Target")),
    Route::new(Post, "/v1/signing-secrets", "signing_secret_issue", Action("signing_secret:issue"))
        .summary("Issue a secret that calls are signed with; it is shown once")
        .takes(Body::Json("IssueSigningSecret"))
        .gives(Answer::Json(201, "IssuedSigningSecret")),
    Route::new(Get, "/v1/signing-secrets", "signing_secret_list", Action("signing_secret:list"))
        .summary("List the secrets that calls are signed with, without the secrets")
        .gives(Answer::Page("SigningSecret")),
    Route::new(Delete, "/v1/signing-secrets/{id}", "signing_secret_retire", Action("signing_secret:retire"))
        .summary("Destroy a signing secret; in force when the call returns"),
    Route::new(Post, "/v1/callbacks/{tenant}", "callback", Token)
        .summary("Say what came of a call that was accepted; its task token is the credential")
        .takes(Body::Json("Callback"))
        .gives(Answer::Json(200, "CalledBack")),
    // Capability tokens.
    Route::new(Get, "/v1/capabilities/keys", "capability_keys", Action("capability:read"))
        .summary("Read the public keys that capability tokens are checked with")
        .gives(Answer::Json(200, "CapabilityKeys")),
    Route::new(Post, "/v1/capabilities/{id}/revoke", "capability_revoke", Action("capability:revoke"))
        .summary("Revoke the capability token of an attempt that is out, which ends the attempt")
        .takes(Body::Json("Justified"))
        .gives(Answer::Json(200, "RevokedCapability")),
    // The ledger.
    Route::new(Get, "/v1/ledger/logs", "ledger_logs", Action("ledger:read"))
        .summary("List the tenant's logs")
        .gives(Answer::Json(200, "Logs")),
    Route::new(Get, "/v1/ledger/entries", "ledger_entries", Action("ledger:read"))
        .summary("List entries with their payloads")
        .with(&[
            text("transaction", "Only those of this transaction."),
            number("from", "From this number on: in the log, or in the transaction if one is named."),
            LIMIT,
            CURSOR,
        ])
        .gives(Answer::Page("Entry")),
    Route::new(Get, "/v1/ledger/proofs/inclusion", "ledger_proof_inclusion", Action("ledger:read"))
        .summary("Prove that an entry is in the tree")
        .with(&[
            required(number("entry", "The entry's number in the log.")),
            number("size", "In the tree of this size; without it in that of the newest checkpoint."),
        ])
        .gives(Answer::Json(200, "InclusionProof")),
    Route::new(Get, "/v1/ledger/proofs/consistency", "ledger_proof_consistency", Action("ledger:read"))
        .summary("Prove that one tree continues another")
        .with(&[
            required(number("from", "The smaller tree.")),
            number("to", "The greater one; without it that of the newest checkpoint."),
        ])
        .gives(Answer::Json(200, "ConsistencyProof")),
    Route::new(Get, "/v1/ledger/key", "ledger_key", Action("ledger:read"))
        .summary("The key that checks the checkpoints, as a signed-note verifier key")
        .gives(Answer::Text),
    Route::new(Post, "/v1/exports", "export_make", Action("export:make"))
        .summary("Export entries with proofs and signatures; that it was made is recorded before anything is sent")
        .takes(Body::Json("MakeExport"))
        .gives(Answer::Export),
    Route::new(Get, "/v1/compliance/packs", "compliance_list", Action("compliance:read"))
        .summary("List the compliance packs that come with the server")
        .gives(Answer::Page("CompliancePack")),
    Route::new(Get, "/v1/compliance/packs/{name}", "compliance_get", Action("compliance:read"))
        .summary("Read how the controls of a compliance pack stand: which entries support them")
        .with(RANGE)
        .gives(Answer::Json(200, "ComplianceStatus")),
    Route::new(Post, "/v1/compliance/status", "compliance_status", Action("compliance:read"))
        .summary("The same of a pack that the caller brings; it is not kept")
        .with(RANGE)
        .takes(Body::Pack)
        .gives(Answer::Json(200, "ComplianceStatus")),
    // Reports.
    Route::new(Get, "/v1/reports/responsibility", "report_responsibility", Action("report:read"))
        .summary("Who or what is responsible for the entries of a range, and at what level")
        .with(RANGE)
        .gives(Answer::Json(200, "ResponsibilityReport")),
    Route::new(Get, "/v1/reports/oversight", "report_oversight", Action("report:read"))
        .summary("How people oversee what is done: decisions, requests, overrides, times to answer")
        .with(RANGE)
        .gives(Answer::Json(200, "OversightReport")),
    Route::new(Get, "/v1/reports/access", "report_access", Action("report:read"))
        .summary("Who may do what, by asking about every principal; a page may be short, though more follow")
        .with(&[LIMIT, CURSOR, text("denied", "`true`: also what they may not.")])
        .gives(Answer::Page("AccessRow")),
    Route::new(Get, "/v1/reports/separation", "report_separation", Action("report:read"))
        .summary("Who could do both of two duties that are kept apart, and who did")
        .with(RANGE)
        .gives(Answer::Json(200, "SeparationReport")),
    Route::new(Post, "/v1/reports/separation", "report_separation_of", Action("report:read"))
        .summary("The same of pairs of duties that the caller brings; they are not kept")
        .with(RANGE)
        .takes(Body::Json("DutyPairs"))
        .gives(Answer::Json(200, "SeparationReport")),
    Route::new(Get, "/v1/receipts/{*entry}", "receipt_get", Action("receipt:read"))
        .summary("The receipt of an entry: `<number>`, `txn_…`, `txn_…/<step>`, `txn_…/<step>/undo` or `txn_…/<step>/confirm`")
        .gives(Answer::Receipt),
    Route::new(Get, "/tlog/{tenant}/{shard}/{generation}/checkpoint", "tlog_checkpoint", Action("ledger:read"))
        .summary("The newest checkpoint (C2SP tlog-checkpoint)")
        .gives(Answer::Text),
    Route::new(Get, "/tlog/{tenant}/{shard}/{generation}/tile/entries/{*index}", "tlog_entries", Action("ledger:read"))
        .summary("A bundle of entries (C2SP tlog-tiles)")
        .gives(Answer::Bytes),
    Route::new(Get, "/tlog/{tenant}/{shard}/{generation}/tile/{level}/{*index}", "tlog_tile", Action("ledger:read"))
        .summary("A tile of hashes (C2SP tlog-tiles)")
        .gives(Answer::Bytes),
];

const HEALTH: Answer = Answer::Json(200, "Health");
