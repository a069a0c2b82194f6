//! The platform's own access control: who may call the API.

use crate::bundle::{Bundle, BundleError};
use crate::decide::{Reason, decide_for};
use crate::directory::{Directory, Principal};
use crate::grant::Grant;
use crate::request::{Request, ResourceRef};
use chancery_base::{Kind, Name, PrincipalId, TenantId};
use serde_json::{Map, Value, json};
use std::fmt;
use std::str::FromStr;

const POLICIES: &str = include_str!("../builtin/roles.cedar");
const SCHEMA: &str = include_str!("../builtin/roles.cedarschema");

/// The roles that the built-in bundle knows.
pub const ROLES: [&str; 10] = [
    "owner",
    "policy-author",
    "policy-approver",
    "operator",
    "approver",
    "auditor",
    "developer",
    "agent",
    "service",
    "platform-operator",
];

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident => $wire:literal,)*) => {
        /// What an API call does; one for each kind of call.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the wire and in the built-in bundle.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)*
                }
            }
        }
    };
}

actions! {
    /// Makes a tenant; in the tenant `system` only.
    TenantCreate => "tenant:create",
    /// Adds a principal.
    PrincipalCreate => "principal:create",
    /// Changes a principal's name, roles or attributes.
    PrincipalSet => "principal:set",
    /// Suspends a principal, or ends that.
    PrincipalSuspend => "principal:suspend",
    /// Reads a principal.
    PrincipalRead => "principal:read",
    /// Lists principals.
    PrincipalList => "principal:list",
    /// Issues an API key.
    KeyIssue => "key:issue",
    /// Revokes an API key.
    KeyRevoke => "key:revoke",
    /// Lists API keys, without their secrets.
    KeyList => "key:list",
    /// Checks a definition and changes nothing.
    DefinitionCheck => "definition:check",
    /// Registers a definition.
    DefinitionRegister => "definition:register",
    /// Reads and lists definitions.
    DefinitionRead => "definition:read",
    /// Checks a bundle and changes nothing.
    BundleCheck => "bundle:check",
    /// Stores a bundle, which does not put it into force.
    BundlePush => "bundle:push",
    /// Puts a bundle into force.
    BundleActivate => "bundle:activate",
    /// Reads and lists bundles, what they need to be put into force, and whose signatures count.
    BundleRead => "bundle:read",
    /// Takes past decisions again under another bundle: it tells who asked for what, and no payloads.
    BundleReplay => "bundle:replay",
    /// Sets what a bundle needs to be put into force.
    BundleRulesSet => "bundle_rules:set",
    /// Has somebody's signatures of bundles count.
    SignerAdd => "signer:add",
    /// Has them count no longer.
    SignerRemove => "signer:remove",
    /// Starts a transaction.
    TransactionStart => "transaction:start",
    /// Reads a transaction and its history, and waits for its end.
    TransactionRead => "transaction:read",
    /// Lists transactions.
    TransactionList => "transaction:list",
    /// Cancels a transaction, which undoes what it did.
    TransactionCancel => "transaction:cancel",
    /// Adds steps to an open transaction, commits and aborts it.
    TransactionDrive => "transaction:drive",
    /// Retries what is parked.
    TransactionRetry => "transaction:retry",
    /// Says what became of a step that is parked.
    TransactionResolve => "transaction:resolve",
    /// Sends a transaction a signal.
    TransactionSignal => "transaction:signal",
    /// Pauses a transaction.
    TransactionPause => "transaction:pause",
    /// Has a paused transaction go on.
    TransactionResume => "transaction:resume",
    /// Starts a transaction that takes over from one that has ended.
    TransactionFork => "transaction:fork",
    /// Ends a transaction without undoing what it did.
    TransactionTerminate => "transaction:terminate",
    /// Operates on every transaction that a search finds; each operation is asked for, too.
    TransactionBulk => "transaction:bulk",
    /// Starts a transaction in which things go wrong, to test handlers; starting it is asked for, too.
    FaultInject => "fault:inject",
    /// Makes a schedule, which starts under its owner's grants.
    ScheduleCreate => "schedule:create",
    /// Reads and lists schedules.
    ScheduleRead => "schedule:read",
    /// Tells a schedule something else, and becomes its owner.
    ScheduleSet => "schedule:set",
    /// Pauses and resumes a schedule.
    SchedulePause => "schedule:pause",
    /// Has a schedule start out of turn, under its owner's grants.
    ScheduleTrigger => "schedule:trigger",
    /// Deletes a schedule.
    ScheduleDelete => "schedule:delete",
    /// Reads and lists requests to people.
    RequestRead => "request:read",
    /// Answers requests to people, puts them off and hands them on.
    RequestAnswer => "request:answer",
    /// Reads events that steps emitted.
    EventRead => "event:read",
    /// Reads the keys that capability tokens are checked with.
    CapabilityRead => "capability:read",
    /// Revokes the capability token of an attempt, which ends the attempt.
    CapabilityRevoke => "capability:revoke",
    /// Takes tasks and reports their outcomes.
    WorkerExchange => "worker:exchange",
    /// Reads whether new transactions are taken.
    MaintenanceRead => "maintenance:read",
    /// Begins maintenance and ends it.
    MaintenanceSet => "maintenance:set",
    /// Reads and lists stops.
    StopRead => "stop:read",
    /// Stops something: a kill switch.
    StopSet => "stop:set",
    /// Lifts a stop.
    StopLift => "stop:lift",
    /// Reads and lists budgets, and their accounts.
    BudgetRead => "budget:read",
    /// Sets budgets, and deletes them.
    BudgetSet => "budget:set",
    /// Adds an artefact that proves something.
    EvidenceAdd => "evidence:add",
    /// Reads and lists such artefacts, and their contents.
    EvidenceRead => "evidence:read",
    /// Reads and lists notifiers, never a password.
    NotifierRead => "notifier:read",
    /// Sets, tests and deletes notifiers.
    NotifierSet => "notifier:set",
    /// Reads and lists overrides.
    OverrideRead => "override:read",
    /// Asks for an override of the tenant's policy.
    OverrideRequest => "override:request",
    /// Grants an override that another person asks for, or refuses it.
    OverrideAnswer => "override:answer",
    /// Ends an override before its time.
    OverrideRevoke => "override:revoke",
    /// Reviews what an override was used for.
    OverrideReview => "override:review",
    /// Reads how long what has ended is kept.
    RetentionRead => "retention:read",
    /// Sets how long what has ended is kept.
    RetentionSet => "retention:set",
    /// Reads and lists queues.
    QueueRead => "queue:read",
    /// Sets what a queue is given, and forgets it.
    QueueSet => "queue:set",
    /// Reads the settings that expressions see, and their earlier versions.
    SettingsRead => "settings:read",
    /// Sets them.
    SettingsSet => "settings:set",
    /// Reads and lists targets.
    TargetRead => "target:read",
    /// Sets what a target is given.
    TargetSet => "target:set",
    /// Holds a target's breaker, or lets it go.
    TargetForce => "target:force",
    /// Issues a secret that calls are signed with.
    SigningSecretIssue => "signing_secret:issue",
    /// Lists such secrets, without them.
    SigningSecretList => "signing_secret:list",
    /// Destroys such a secret.
    SigningSecretRetire => "signing_secret:retire",
    /// Asks for a decision.
    DecisionMake => "decision:make",
    /// Reads checkpoints, tiles and entries.
    LedgerRead => "ledger:read",
    /// Makes an export of the ledger; one with payloads is asked [`Action::LedgerRead`] for, too.
    ExportMake => "export:make",
    /// Reads compliance packs, and how their controls stand.
    ComplianceRead => "compliance:read",
    /// Reads reports: who decided what, who may do what, who could do two things that are kept apart.
    ReportRead => "report:read",
    /// Reads receipts.
    ReceiptRead => "receipt:read",
    /// Reads metrics.
    MetricsRead => "metrics:read",
    /// Reads the state of the server's parts.
    HealthRead => "health:read",
}

impl Action {
    /// Whether it changes nothing, as its name says.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self.as_str().rsplit(':').next(), Some("read" | "list" | "check"))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no API call is named so")]
pub struct UnknownAction;

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}

/// An API call was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDenied {
    /// Who asked.
    pub principal: PrincipalId,
    /// What for.
    pub action: Action,
    /// Why it was denied; never empty.
    pub reasons: Vec<Reason>,
    /// The roles of which any one would do; empty if none would, as for a suspended principal.
    pub roles: Vec<&'static str>,
}

impl AccessDenied {
    /// What it means to the caller.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        Kind::Denied
    }
}

impl std::error::Error for AccessDenied {}

impl fmt::Display for AccessDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        write!(f, "{} may not `{}`: {}", self.principal, self.action, reasons.join("; "))?;
        if !self.roles.is_empty() {
            write!(f, "; it takes a role of: {}", self.roles.join(", "))?;
        }
        Ok(())
    }
}

/// The built-in bundle, loaded.
#[derive(Debug, Clone)]
pub struct Access {
    bundle: Bundle,
}

impl Access {
    /// Loads the built-in bundle.
    ///
    /// # Errors
    /// If the thread that reads bundles cannot be started; a test holds that the bundle itself is sound.
    pub fn builtin() -> Result<Self, BundleError> {
        let document = json!({
            "name": "chancery-roles", "version": 1,
            "description": "who may call the API", "schema": SCHEMA, "policies": POLICIES,
        });
        Bundle::parse(&chancery_base::json::canonical(&document)).map(|bundle| Self { bundle })
    }

    /// The built-in bundle.
    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Decides whether `principal`, who belongs to `tenant`, may call. `owner` is who started the transaction that the
    /// call is about, if it is about one. For a list, give the principal itself to ask whether it may list its own.
    ///
    /// # Errors
    /// If not: why, and which roles may.
    pub fn authorize(
        &self,
        principal: &Principal,
        tenant: &TenantId,
        action: Action,
        owner: Option<PrincipalId>,
    ) -> Result<Grant, AccessDenied> {
        let decision = self.decide(principal, tenant, action, owner);
        if decision.is_permit() {
            return Ok(Grant::decided(tenant.clone(), principal.id, action, decision.reasons));
        }
        let roles = if principal.suspended { Vec::new() } else { self.roles(tenant, action) };
        Err(AccessDenied { principal: principal.id, action, reasons: decision.reasons, roles })
    }

    /// The roles that may call in this tenant.
    #[must_use]
    pub fn roles(&self, tenant: &TenantId, action: Action) -> Vec<&'static str> {
        let may = |role: &&str| {
            let Ok(name) = role.parse::<Name>() else { return false };
            let principal = Principal::new(PrincipalId::SYSTEM, "").with_roles([name]);
            self.decide(&principal, tenant, action, None).is_permit()
        };
        ROLES.into_iter().filter(may).collect()
    }

    fn decide(
        &self,
        principal: &Principal,
        tenant: &TenantId,
        action: Action,
        owner: Option<PrincipalId>,
    ) -> crate::Decision {
        let mut resource = ResourceRef::new("Tenant", tenant.as_str());
        if let Some(owner) = owner {
            resource.attributes.insert("owner".to_owned(), Value::from(owner.to_string()));
        }
        let request = Request {
            principal: principal.id.into(),
            action: action.as_str().to_owned(),
            resource,
            context: Map::new(),
            irreversible: false,
        };
        decide_for(&self.bundle, Some(principal), &Directory::default(), &request, (Ok(None), None))
    }
}
