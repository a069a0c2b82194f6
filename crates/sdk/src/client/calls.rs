//! The rest of the API: thin methods, as a command line or an administrator's program needs them.

use super::transport::{Body, Call, parameters};
use super::{Client, EntryPages, Pages, WAIT_MAX};
use crate::Error;
use chancery_api::Page;
use chancery_api::capability::{CapabilityKeys, RevokedCapability};
use chancery_api::decision::{Decide, Decision};
use chancery_api::definition::{Checked, Definition, DefinitionSummary, Registered, VersionQuery};
use chancery_api::event::{Events, EventsQuery};
use chancery_api::health::Health;
use chancery_api::ledger::{ConsistencyProof, ConsistencyQuery, EntriesQuery, InclusionProof, InclusionQuery, Logs};
use chancery_api::maintenance::{Maintenance, SetMaintenance};
use chancery_api::principal::{ChangePrincipal, CreatePrincipal, IssueKey, IssuedKey, Key, Principal};
use chancery_api::queue::{Queue, QueueSettings};
use chancery_api::request::{AnswerRequest, DeferRequest, DelegateRequest, PeopleRequest, RequestsQuery};
use chancery_api::retention::{Retention, SetRetention};
use chancery_api::schedule::{Overlap, Schedule, ScheduleNote, ScheduleTerms, TriggerSchedule, TriggeredSchedule};
use chancery_api::settings::{SetSettings, Settings};
use chancery_api::stop::{SetStop, Stop};
use chancery_api::target::{
    Callback, CalledBack, ForceBreaker, IssueSigningSecret, IssuedSigningSecret, SigningSecret, Target, TargetSettings,
};
use chancery_api::tenant::{CreateTenant, CreatedTenant};
use chancery_api::transaction::{
    Bulk, BulkResult, CountQuery, Justified, Resolve, Transaction, TransactionCount, TransactionState,
    TransactionSummary, TransactionsQuery,
};
use chancery_api::worker::{Exchange, Exchanged};
use chancery_base::{
    KeyId, Name, PrincipalId, RequestId, SigningSecretId, StopId, TargetId, TenantId, Timestamp, TransactionId,
    duration,
};
use serde::Serialize;
use std::time::Duration;

/// The language of a definition document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Language {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Yaml => "application/yaml",
            Self::Json => "application/json",
        }
    }
}

/// What the server can refuse stands in its problem; every method fails likewise if the server can't be reached.
impl Client {
    /// How the node is.
    ///
    /// # Errors
    /// If the node is not ready, or the server can't be reached.
    pub async fn health(&self) -> Result<Health, Error> {
        self.transport.json(Call::get("health", &["health"])).await
    }

    /// Makes a tenant, its owner and the owner's key.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn tenant_create(&self, name: TenantId) -> Result<CreatedTenant, Error> {
        self.post("tenant_create", &["v1", "tenants"], &CreateTenant { name }).await
    }

    /// Makes a principal.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn principal_create(&self, principal: &CreatePrincipal) -> Result<Principal, Error> {
        self.post("principal_create", &["v1", "principals"], principal).await
    }

    /// Reads a principal.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn principal_get(&self, id: PrincipalId) -> Result<Principal, Error> {
        self.transport.json(Call::get("principal_get", &["v1", "principals", &id.to_string()])).await
    }

    /// Changes a principal; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn principal_set(&self, id: PrincipalId, change: &ChangePrincipal) -> Result<Principal, Error> {
        let call = Call::patch("principal_set", &["v1", "principals", &id.to_string()]);
        self.transport.json(call.body(Body::json(change)?)).await
    }

    /// The tenant's principals.
    #[must_use]
    pub fn principals(&self) -> Pages<Principal> {
        self.pages("principal_list", &["v1", "principals"], Vec::new())
    }

    /// Issues an API key. It is shown once.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn key_issue(&self, id: PrincipalId, expires_in: Option<Duration>) -> Result<IssuedKey, Error> {
        let body = IssueKey { expires_in: expires_in.map(duration::format) };
        self.post("key_issue", &["v1", "principals", &id.to_string(), "keys"], &body).await
    }

    /// A principal's keys.
    #[must_use]
    pub fn keys(&self, id: PrincipalId) -> Pages<Key> {
        self.pages("key_list", &["v1", "principals", &id.to_string(), "keys"], Vec::new())
    }

    /// Revokes a key; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn key_revoke(&self, id: KeyId) -> Result<(), Error> {
        self.transport.bytes(Call::delete("key_revoke", &["v1", "keys", &id.to_string()])).await.map(drop)
    }

    /// Registers a definition.
    ///
    /// # Errors
    /// If the server refuses; the problem says where the document is wrong.
    pub async fn definition_register(&self, language: Language, document: &str) -> Result<Registered, Error> {
        let call = Call::post("definition_register", &["v1", "definitions"]).repeatable();
        self.transport.json(call.body(Body::text(language.content_type(), document))).await
    }

    /// Checks a definition and registers nothing.
    ///
    /// # Errors
    /// If the server refuses; the problem says where the document is wrong.
    pub async fn definition_check(&self, language: Language, document: &str) -> Result<Checked, Error> {
        let call = Call::post("definition_check", &["v1", "definitions", "check"]).repeatable();
        self.transport.json(call.body(Body::text(language.content_type(), document))).await
    }

    /// The tenant's definitions.
    #[must_use]
    pub fn definitions(&self) -> Pages<DefinitionSummary> {
        self.pages("definition_list", &["v1", "definitions"], Vec::new())
    }

    /// Reads a definition: this version or the newest.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn definition_get(&self, name: &Name, version: Option<u32>) -> Result<Definition, Error> {
        let call = Call::get("definition_get", &["v1", "definitions", name.as_str()]);
        self.transport.json(call.query(&VersionQuery { version })?).await
    }

    /// The tenant's transactions, newest first.
    ///
    /// # Errors
    /// If the query can't be written.
    pub fn transactions(&self, query: &TransactionsQuery) -> Result<Pages<TransactionSummary>, Error> {
        Ok(self.pages("transaction_list", &["v1", "transactions"], parameters(query)?))
    }

    /// How many transactions a search finds.
    ///
    /// # Errors
    /// If the server refuses; the problem says where the search is wrong.
    pub async fn transaction_count(&self, search: Option<String>) -> Result<TransactionCount, Error> {
        let call = Call::get("transaction_count", &["v1", "transactions", "count"]);
        self.transport.json(call.query(&CountQuery { search })?).await
    }

    /// Ends a transaction at once; nothing is undone.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn terminate(&self, id: TransactionId, justification: &str) -> Result<Transaction, Error> {
        let body = Justified { justification: justification.to_owned() };
        self.operate("transaction_terminate", id, "terminate", Body::json(&body)?).await
    }

    /// Does one thing to a page of the transactions that a search finds. The answer's `next` is the cursor to go on
    /// with: the whole is done when there is none.
    ///
    /// # Errors
    /// If the server refuses. What it refuses of one transaction stands in its result.
    pub async fn bulk(&self, bulk: &Bulk) -> Result<Page<BulkResult>, Error> {
        self.post("transaction_bulk", &["v1", "transactions", "bulk"], bulk).await
    }

    /// Tries what is parked again.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn retry(&self, id: TransactionId, justification: &str) -> Result<Transaction, Error> {
        let body = Justified { justification: justification.to_owned() };
        self.operate("transaction_retry", id, "retry", Body::json(&body)?).await
    }

    /// Hands nothing of a transaction out until it is resumed.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn pause(&self, id: TransactionId, justification: &str) -> Result<Transaction, Error> {
        let body = Justified { justification: justification.to_owned() };
        self.operate("transaction_pause", id, "pause", Body::json(&body)?).await
    }

    /// Has what is paused go on.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn resume(&self, id: TransactionId, justification: &str) -> Result<Transaction, Error> {
        let body = Justified { justification: justification.to_owned() };
        self.operate("transaction_resume", id, "resume", Body::json(&body)?).await
    }

    /// What a transaction's expressions see of it.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn query(&self, id: TransactionId) -> Result<TransactionState, Error> {
        self.transport.json(Call::get("transaction_query", &["v1", "transactions", &id.to_string(), "query"])).await
    }

    /// Says by hand how what is parked is to count.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn resolve(&self, id: TransactionId, resolve: &Resolve) -> Result<Transaction, Error> {
        self.operate("transaction_resolve", id, "resolve", Body::json(resolve)?).await
    }

    /// Asks the tenant's policy, and has the decision recorded.
    ///
    /// # Errors
    /// If the server refuses. A deny is no error.
    pub async fn decide(&self, question: &Decide) -> Result<Decision, Error> {
        self.post("decision_make", &["v1", "decisions"], question).await
    }

    /// Whether new transactions are taken.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn maintenance(&self) -> Result<Maintenance, Error> {
        self.transport.json(Call::get("maintenance_get", &["v1", "maintenance"])).await
    }

    /// Takes no new transactions, or takes them again; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn maintenance_set(&self, set: &SetMaintenance) -> Result<Maintenance, Error> {
        let call = Call::put("maintenance_set", &["v1", "maintenance"]);
        self.transport.json(call.body(Body::json(set)?)).await
    }

    /// A page of the events that steps emitted, in order. Where there is none it waits for one, for `wait` at most (and
    /// at most a minute). Whoever goes on after each page's [`Events::next`] misses none.
    ///
    /// # Errors
    /// If the server refuses or can't be reached.
    pub async fn events(&self, query: &EventsQuery, wait: Duration) -> Result<Events, Error> {
        let wait = wait.min(WAIT_MAX);
        let query = EventsQuery { wait: (!wait.is_zero()).then(|| duration::format(wait)), ..query.clone() };
        self.transport.json(Call::get("event_list", &["v1", "events"]).query(&query)?.waits(wait)).await
    }

    /// How long what has ended is kept.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn retention(&self) -> Result<Retention, Error> {
        self.transport.json(Call::get("retention_get", &["v1", "retention"])).await
    }

    /// Sets how long what has ended is kept; with nothing said, as is usual.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn retention_set(&self, set: &SetRetention) -> Result<Retention, Error> {
        let call = Call::put("retention_set", &["v1", "retention"]);
        self.transport.json(call.body(Body::json(set)?)).await
    }

    /// The stops that are in force, oldest first.
    #[must_use]
    pub fn stops(&self) -> Pages<Stop> {
        self.pages("stop_list", &["v1", "stops"], Vec::new())
    }

    /// Reads a stop that is in force.
    ///
    /// # Errors
    /// If there is no such stop.
    pub async fn stop_get(&self, id: StopId) -> Result<Stop, Error> {
        self.transport.json(Call::get("stop_get", &["v1", "stops", &id.to_string()])).await
    }

    /// Stops something; in force when the call returns. What is stopped already stays so.
    ///
    /// # Errors
    /// If the server refuses: there is no such principal or definition, or it is the caller.
    pub async fn stop_set(&self, set: &SetStop) -> Result<Stop, Error> {
        self.post("stop_set", &["v1", "stops"], set).await
    }

    /// Lifts a stop; gives it as it was.
    ///
    /// # Errors
    /// If there is no such stop.
    pub async fn stop_lift(&self, id: StopId, justification: impl Into<String>) -> Result<Stop, Error> {
        let body = Justified { justification: justification.into() };
        self.post("stop_lift", &["v1", "stops", &id.to_string(), "lift"], &body).await
    }

    /// The queues that steps wait in for workers.
    #[must_use]
    pub fn queues(&self) -> Pages<Queue> {
        self.pages("queue_list", &["v1", "queues"], Vec::new())
    }

    /// Reads a queue.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn queue_get(&self, name: &Name) -> Result<Queue, Error> {
        self.transport.json(Call::get("queue_get", &["v1", "queues", name.as_str()])).await
    }

    /// Sets what a queue is given, in place of what was set before; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn queue_set(&self, name: &Name, settings: &QueueSettings) -> Result<Queue, Error> {
        let call = Call::put("queue_set", &["v1", "queues", name.as_str()]);
        self.transport.json(call.body(Body::json(settings)?)).await
    }

    /// Forgets what was set for a queue; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses, or nothing was set.
    pub async fn queue_reset(&self, name: &Name) -> Result<(), Error> {
        self.transport.bytes(Call::delete("queue_reset", &["v1", "queues", name.as_str()])).await.map(drop)
    }

    /// The settings that expressions see as `env`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn settings(&self) -> Result<Settings, Error> {
        self.transport.json(Call::get("settings_get", &["v1", "settings"])).await
    }

    /// Sets the settings as a whole; what starts from then on sees them. No secrets: they are in the ledger.
    ///
    /// # Errors
    /// If the server refuses, or they are another version than the one that is named.
    pub async fn settings_put(&self, set: &SetSettings) -> Result<Settings, Error> {
        self.transport.json(Call::put("settings_put", &["v1", "settings"]).body(Body::json(set)?)).await
    }

    /// Sets some of the settings, and takes out those that are null; what starts from then on sees them. No secrets:
    /// they are in the ledger.
    ///
    /// # Errors
    /// If the server refuses, or they are another version than the one that is named.
    pub async fn settings_patch(&self, set: &SetSettings) -> Result<Settings, Error> {
        self.transport.json(Call::patch("settings_patch", &["v1", "settings"]).body(Body::json(set)?)).await
    }

    /// The versions of the settings, the newest first.
    #[must_use]
    pub fn settings_versions(&self) -> Pages<Settings> {
        self.pages("settings_list", &["v1", "settings", "versions"], Vec::new())
    }

    /// Requests to people, what is due first before what is due later.
    #[must_use]
    pub fn requests(&self, query: &RequestsQuery) -> Pages<PeopleRequest> {
        let mut pairs = Vec::new();
        let mut add = |name: &str, value: Option<&String>| {
            pairs.extend(value.map(|value| (name.to_owned(), value.clone())));
        };
        add("status", query.status.as_ref());
        add("role", query.role.as_ref());
        add("transaction", query.transaction.as_ref());
        add("mine", query.mine.then(|| "true".to_owned()).as_ref());
        self.pages("request_list", &["v1", "requests"], pairs)
    }

    /// Reads a request, with the input that it is about.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn request_get(&self, id: RequestId) -> Result<PeopleRequest, Error> {
        self.transport.json(Call::get("request_get", &["v1", "requests", &id.to_string()])).await
    }

    /// Says that the caller has seen a request.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn request_acknowledge(&self, id: RequestId) -> Result<PeopleRequest, Error> {
        let path = ["v1", "requests", &id.to_string(), "acknowledge"];
        self.transport.json(Call::post("request_acknowledge", &path)).await
    }

    /// Answers a request with yes or no.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn request_answer(&self, id: RequestId, answer: &AnswerRequest) -> Result<PeopleRequest, Error> {
        self.post("request_answer", &["v1", "requests", &id.to_string(), "answer"], answer).await
    }

    /// Puts a request off: it may be answered until that time.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn request_defer(&self, id: RequestId, deferral: &DeferRequest) -> Result<PeopleRequest, Error> {
        self.post("request_defer", &["v1", "requests", &id.to_string(), "defer"], deferral).await
    }

    /// Hands the caller's say on to another person.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn request_delegate(&self, id: RequestId, delegation: &DelegateRequest) -> Result<PeopleRequest, Error> {
        self.post("request_delegate", &["v1", "requests", &id.to_string(), "delegate"], delegation).await
    }

    /// Makes a schedule, which starts under the caller's grants.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn schedule_create(&self, name: &Name, terms: &ScheduleTerms) -> Result<Schedule, Error> {
        self.post("schedule_create", &["v1", "schedules", name.as_str()], terms).await
    }

    /// Tells a schedule something else, in place of what it was told; the caller is its owner from then on.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn schedule_set(&self, name: &Name, terms: &ScheduleTerms) -> Result<Schedule, Error> {
        let call = Call::put("schedule_set", &["v1", "schedules", name.as_str()]);
        self.transport.json(call.body(Body::json(terms)?)).await
    }

    /// The tenant's schedules, by name.
    #[must_use]
    pub fn schedules(&self) -> Pages<Schedule> {
        self.pages("schedule_list", &["v1", "schedules"], Vec::new())
    }

    /// Reads a schedule.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn schedule_get(&self, name: &Name) -> Result<Schedule, Error> {
        self.transport.json(Call::get("schedule_get", &["v1", "schedules", name.as_str()])).await
    }

    /// Lets a schedule not be due until it is resumed.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn schedule_pause(&self, name: &Name, note: &str) -> Result<Schedule, Error> {
        let body = ScheduleNote { note: note.to_owned() };
        self.post("schedule_pause", &["v1", "schedules", name.as_str(), "pause"], &body).await
    }

    /// Lets a schedule be due again, from now on.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn schedule_resume(&self, name: &Name, note: &str) -> Result<Schedule, Error> {
        let body = ScheduleNote { note: note.to_owned() };
        self.post("schedule_resume", &["v1", "schedules", name.as_str(), "resume"], &body).await
    }

    /// Has a schedule start now, out of turn.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn schedule_trigger(&self, name: &Name, overlap: Option<Overlap>) -> Result<TriggeredSchedule, Error> {
        let path = ["v1", "schedules", name.as_str(), "trigger"];
        self.post("schedule_trigger", &path, &TriggerSchedule { overlap }).await
    }

    /// Deletes a schedule. What it started goes on.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn schedule_delete(&self, name: &Name) -> Result<(), Error> {
        let call = Call::delete("schedule_delete", &["v1", "schedules", name.as_str()]);
        self.transport.bytes(call).await.map(drop)
    }

    /// What steps reach, and how it does.
    #[must_use]
    pub fn targets(&self) -> Pages<Target> {
        self.pages("target_list", &["v1", "targets"], Vec::new())
    }

    /// Reads a target.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn target_get(&self, id: &TargetId) -> Result<Target, Error> {
        self.transport.json(Call::get("target_get", &["v1", "targets", id.as_str()])).await
    }

    /// Sets what a target is given, in place of what was set before; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn target_set(&self, id: &TargetId, settings: &TargetSettings) -> Result<Target, Error> {
        let call = Call::put("target_set", &["v1", "targets", id.as_str()]);
        self.transport.json(call.body(Body::json(settings)?)).await
    }

    /// Holds a target's breaker open or closed, or lets it go; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn target_force(&self, id: &TargetId, force: &ForceBreaker) -> Result<Target, Error> {
        self.post("target_force", &["v1", "targets", id.as_str(), "breaker"], force).await
    }

    /// Issues a secret that calls are signed with. It is shown once.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn signing_secret_issue(&self, target: Option<TargetId>) -> Result<IssuedSigningSecret, Error> {
        self.post("signing_secret_issue", &["v1", "signing-secrets"], &IssueSigningSecret { target }).await
    }

    /// The secrets that calls are signed with, without the secrets.
    #[must_use]
    pub fn signing_secrets(&self) -> Pages<SigningSecret> {
        self.pages("signing_secret_list", &["v1", "signing-secrets"], Vec::new())
    }

    /// Destroys a signing secret; in force when the call returns.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn signing_secret_retire(&self, id: SigningSecretId) -> Result<(), Error> {
        let call = Call::delete("signing_secret_retire", &["v1", "signing-secrets", &id.to_string()]);
        self.transport.bytes(call).await.map(drop)
    }

    /// The public keys that capability tokens are checked with.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn capability_keys(&self) -> Result<CapabilityKeys, Error> {
        self.transport.json(Call::get("capability_keys", &["v1", "capabilities", "keys"])).await
    }

    /// Revokes the capability token of an attempt that is out, which ends the attempt.
    ///
    /// # Errors
    /// If the server refuses, or the attempt is not out any more.
    pub async fn capability_revoke(&self, id: &str, justification: &str) -> Result<RevokedCapability, Error> {
        let body = Justified { justification: justification.to_owned() };
        self.post("capability_revoke", &["v1", "capabilities", id, "revoke"], &body).await
    }

    /// Says what came of a call that was answered with 202. It needs no key: the token is the credential.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn callback(&self, tenant: &TenantId, callback: &Callback) -> Result<CalledBack, Error> {
        let call = Call::post("callback", &["v1", "callbacks", tenant.as_str()]).repeatable();
        self.transport.json(call.body(Body::json(callback)?)).await
    }

    /// The tenant's logs.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn logs(&self) -> Result<Logs, Error> {
        self.transport.json(Call::get("ledger_logs", &["v1", "ledger", "logs"])).await
    }

    /// Entries of the ledger.
    ///
    /// # Errors
    /// If the query can't be written.
    pub fn entries(&self, query: &EntriesQuery) -> Result<EntryPages, Error> {
        Ok(self.pages("ledger_entries", &["v1", "ledger", "entries"], parameters(query)?))
    }

    /// Proves that an entry is in the tree.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn inclusion_proof(&self, query: &InclusionQuery) -> Result<InclusionProof, Error> {
        let call = Call::get("ledger_proof_inclusion", &["v1", "ledger", "proofs", "inclusion"]);
        self.transport.json(call.query(query)?).await
    }

    /// Proves that one tree continues another.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn consistency_proof(&self, query: &ConsistencyQuery) -> Result<ConsistencyProof, Error> {
        let call = Call::get("ledger_proof_consistency", &["v1", "ledger", "proofs", "consistency"]);
        self.transport.json(call.query(query)?).await
    }

    /// The key that checks the checkpoints: a verifier key of signed notes.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn verifier_key(&self) -> Result<String, Error> {
        let call = Call::get("ledger_key", &["v1", "ledger", "key"]).header("accept", "text/plain");
        Ok(self.transport.text(call).await?.trim().to_owned())
    }

    /// The receipt of an entry, byte for byte: `<number>`, `txn_…`, `txn_…/<step>`, `txn_…/<step>/undo` or
    /// `txn_…/<step>/confirm`.
    ///
    /// # Errors
    /// If the server refuses, or no checkpoint covers the entry yet.
    pub async fn receipt(&self, entry: &str) -> Result<Vec<u8>, Error> {
        let path: Vec<&str> = ["v1", "receipts"].into_iter().chain(entry.split('/')).collect();
        Ok(self.transport.bytes(Call::get("receipt_get", &path).waits(Duration::from_secs(3))).await?.bytes)
    }

    /// The same as a C2SP `tlog-proof`.
    ///
    /// # Errors
    /// If the server refuses, or no checkpoint covers the entry yet.
    pub async fn receipt_text(&self, entry: &str) -> Result<String, Error> {
        let path: Vec<&str> = ["v1", "receipts"].into_iter().chain(entry.split('/')).collect();
        let call = Call::get("receipt_get", &path).header("accept", "text/plain");
        self.transport.text(call.waits(Duration::from_secs(3))).await
    }

    /// A file of a log as C2SP tlog-tiles names it, such as `checkpoint` or `tile/0/x001/234`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn log_file(&self, tenant: &TenantId, shard: u16, generation: u32, file: &str) -> Result<Vec<u8>, Error> {
        let (shard, generation) = (shard.to_string(), generation.to_string());
        let path: Vec<&str> =
            ["tlog", tenant.as_str(), &shard, &generation].into_iter().chain(file.split('/')).collect();
        Ok(self.transport.bytes(Call::get("tlog_file", &path).header("accept", "*/*")).await?.bytes)
    }

    /// One exchange of a worker, and when the server answered it. [`crate::Worker`] makes these well.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn exchange(&self, exchange: &Exchange) -> Result<(Exchanged, Option<Timestamp>), Error> {
        let operation = "worker_exchange";
        let wait = exchange.wait.as_deref().and_then(|wait| duration::parse(wait).ok()).unwrap_or_default();
        let call = Call::post(operation, &["v1", "workers", "exchange"]).body(Body::json(exchange)?).waits(wait);
        let answered = self.transport.once(&call).await?;
        let exchanged = serde_json::from_slice(&answered.bytes);
        Ok((exchanged.map_err(|source| Error::Answer { operation, source })?, answered.date))
    }

    pub(super) async fn post<T: serde::de::DeserializeOwned, B: Serialize>(
        &self,
        operation: &'static str,
        path: &[&str],
        body: &B,
    ) -> Result<T, Error> {
        self.transport.json(Call::post(operation, path).body(Body::json(body)?)).await
    }

    pub(super) fn pages<T: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &[&str],
        query: Vec<(String, String)>,
    ) -> Pages<T> {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Pages::new(self.transport.clone(), operation, path, query)
    }
}
