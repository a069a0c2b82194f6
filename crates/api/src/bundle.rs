//! Policy bundles.

use crate::Fault;
use crate::decision::{Decide, Obligation, Reason};
use chancery_base::{Digest, Name, PrincipalId, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A bundle in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleSummary {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was pushed.
    #[schema(value_type = String, format = DateTime)]
    pub pushed_at: Timestamp,
    /// Who pushed it.
    #[schema(value_type = String)]
    pub pushed_by: PrincipalId,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<BundleSignature>,
    /// Whether the tenant's decisions are taken by it.
    pub active: bool,
    /// Whether it is asked beside the active one, and not obeyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

/// A signature of a bundle, which was right when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleSignature {
    /// The name of the signer's key.
    pub signer: String,
    /// Whether the signer's signatures count now.
    pub trusted: bool,
    /// The signature, as a line of a signed note (C2SP signed-note).
    pub line: String,
}

/// What a bundle needs to be put into force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleRules {
    /// Whether somebody else than who pushed it has to.
    #[serde(default)]
    pub second_person: bool,
    /// How many of the tenant's signers must have signed it.
    #[serde(default)]
    pub signatures: u32,
}

/// Somebody whose signatures of bundles count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signer {
    /// The name of their key.
    pub name: String,
    /// The key: `<name>+<8 hex digits>+<base64>` (C2SP signed-note).
    pub key: String,
}

/// A signer to trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddSigner {
    /// Their public key: `<name>+<8 hex digits>+<base64>` (C2SP signed-note).
    pub key: String,
}

/// A bundle with its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bundle {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical JSON.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// When it was pushed.
    #[schema(value_type = String, format = DateTime)]
    pub pushed_at: Timestamp,
    /// Who pushed it.
    #[schema(value_type = String)]
    pub pushed_by: PrincipalId,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<BundleSignature>,
    /// Whether the tenant's decisions are taken by it.
    pub active: bool,
    /// Whether it is asked beside the active one, and not obeyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// The document.
    pub source: Value,
}

/// What a bundle would decide. Nothing of it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Simulated {
    /// Whether a policy permits it, or the bundle's mode does.
    pub permitted: bool,
    /// The policies that determine it.
    pub reasons: Vec<Reason>,
    /// What would have to hold for it to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
    /// The bundle that was asked.
    #[schema(value_type = String)]
    pub bundle: Digest,
}

/// A bundle is in the shadow: it is asked beside the active one from now on, and not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shadowed {
    /// The bundle.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The entry of the tenant's log that records it; absent where it had been there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}

/// A bundle is active: every decision from now on is taken by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activated {
    /// The bundle.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The entry of the tenant's log that records it; absent where it had been the active one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// What it denies of the transactions that ran.
    #[serde(default)]
    pub impact: Impact,
    /// Budgets and notifiers that its obligations name and that are not there: what they apply to is denied until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Fault>,
}

/// How many running transactions a bundle may deny a step of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptQuery {
    /// At most so many; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<u64>,
}

/// What putting a bundle into force denies of the transactions that run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Impact {
    /// Running transactions of which a step is denied that was permitted.
    pub transactions: u64,
    /// Those steps: the first 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_deny: Vec<WouldDeny>,
    /// Transactions that were looked at, newest first.
    pub looked_at: u64,
    /// Steps of which it can't be told yet: what policy is asked depends on what comes before them.
    pub untold: u64,
    /// Whether more transactions run than were looked at.
    pub more: bool,
}

/// A step of a running transaction that a bundle denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WouldDeny {
    /// The transaction.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// Its definition.
    #[schema(value_type = String)]
    pub definition: Name,
    /// The step, or the clone of one, such as `ship[3]`.
    pub step: String,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// A question to a bundle that need not be pushed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateBundle {
    /// The bundle's document.
    #[schema(value_type = Object)]
    pub bundle: Value,
    /// What it is asked.
    pub question: Decide,
}

/// Which decisions are taken again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayBundle {
    /// Those of the entries from this one on; of all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Up to and without this entry; up to the newest without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Only those from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Only those before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// What became of decisions that were taken again under another bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// The bundle.
    #[schema(value_type = String)]
    pub bundle: Digest,
    /// How many were taken again.
    pub decisions: u64,
    /// How many permits would be denials.
    pub would_deny: u64,
    /// How many denials would be permits.
    pub would_permit: u64,
    /// The same by definition, principal and action.
    pub groups: Vec<ReplayGroup>,
    /// What could not be taken again.
    pub not_replayed: NotReplayed,
    /// Those that come out otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<ReplayFlip>,
    /// Where the next call goes on, as its `from`; absent where the range was looked at as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Decisions about one definition, principal and action that come out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayGroup {
    /// The definition; absent where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The principal.
    pub principal: String,
    /// The action.
    pub action: String,
    /// How many permits would be denials.
    pub would_deny: u64,
    /// How many denials would be permits.
    pub would_permit: u64,
}

/// Decisions that could not be taken again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotReplayed {
    /// The entries of the first 100 whose payload was erased.
    pub erased_entries: Vec<u64>,
    /// How many those are.
    pub erased: u64,
    /// Denials before a policy was asked.
    pub refused: u64,
    /// Entries whose payload is no decision's.
    pub malformed: u64,
}

/// A decision that comes out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayFlip {
    /// Its entry.
    pub entry: u64,
    /// What was decided: `permit` or `deny`.
    pub before: String,
    /// What the bundle says.
    pub after: String,
    /// Who asked.
    pub principal: String,
    /// For which action.
    pub action: String,
    /// On what.
    pub resource: String,
    /// Why it comes out so.
    pub reasons: Vec<Reason>,
}
