//! Changes of what belongs to a tenant as a whole.

use crate::budget::BudgetTerms;
use crate::evidence::Terms;
use crate::notifier::{Notified, NotifierSettings};
use crate::over::{OverrideKind, OverrideOn};
use crate::queue::QueueSettings;
use crate::retention::Retention;
use crate::settings::Edit;
use crate::stop::StopOn;
use crate::target::{Forced, TargetSettings};
use crate::trust::BundleRules;
use chancery_base::webhook::SigningSecret;
use chancery_base::{
    Digest, EvidenceId, KeyId, Name, OverrideId, PrincipalId, Secret, SigningSecretId, StopId, TargetId, TenantId,
    Timestamp,
};
use chancery_engine::definition::Definition;
use chancery_ledger::export::{Filter, Form};
use chancery_ledger::note::{KeyName, VerifierKey};
use chancery_policy::{Bundle, Principal};
use std::sync::Arc;

/// A change of what belongs to the tenant as a whole.
#[derive(Debug, Clone)]
pub struct ControlChange {
    /// Who asks.
    pub actor: PrincipalId,
    /// What.
    pub change: Change,
}

/// The kinds of [`ControlChange`].
#[derive(Debug, Clone)]
pub enum Change {
    /// Make a tenant; only on `system`.
    TenantCreate {
        /// Its name.
        tenant: TenantId,
        /// The random key of its hashes.
        hash_key: [u8; 32],
    },
    /// Make a principal; refused if the id or the name exists.
    PrincipalCreate(Principal),
    /// Change a principal; refused if it does not exist. Suspension is one of its fields.
    PrincipalSet(Principal),
    /// Issue a key.
    KeyIssue {
        /// Its public id.
        id: KeyId,
        /// Whose.
        principal: PrincipalId,
        /// SHA-256 of its secret.
        hash: Digest,
        /// Until when it works.
        expires_at: Option<Timestamp>,
    },
    /// Revoke a key.
    KeyRevoke(KeyId),
    /// Set what a target is given, in place of what was set before.
    TargetSet {
        /// Which.
        target: TargetId,
        /// What.
        settings: Box<TargetSettings>,
    },
    /// Hold a target's breaker, or let it go.
    TargetForce {
        /// Which.
        target: TargetId,
        /// How; none: it does as it thinks.
        forced: Option<Forced>,
        /// Why; at least 1 byte.
        justification: String,
    },
    /// Set what a queue is given, in place of what was set before; with nothing said, what was set is forgotten.
    QueueSet {
        /// Which.
        queue: Name,
        /// What.
        settings: QueueSettings,
    },
    /// Take no new transactions from here on, or take them again.
    Maintenance {
        /// Which.
        on: bool,
        /// Why; at least 1 byte.
        justification: String,
    },
    /// Stop something; no change where that is stopped already.
    StopSet {
        /// The stop's id.
        id: StopId,
        /// What.
        on: StopOn,
        /// Why; at least 1 byte.
        justification: String,
    },
    /// Lift a stop.
    StopLift {
        /// Which.
        id: StopId,
        /// Why; at least 1 byte.
        justification: String,
    },
    /// Set a budget, in place of what was set before.
    BudgetSet {
        /// Which.
        budget: Name,
        /// What.
        terms: Box<BudgetTerms>,
    },
    /// Delete a budget, with its accounts.
    BudgetDelete(Name),
    /// Add an artefact.
    EvidenceAdd {
        /// Its id.
        id: EvidenceId,
        /// What it is.
        terms: Box<Terms>,
        /// Until when it is kept.
        until: Timestamp,
        /// Its content, where that is stored.
        content: Option<Arc<[u8]>>,
    },
    /// Set a notifier, in place of what was set before.
    NotifierSet {
        /// Which.
        name: Name,
        /// What it is told to do.
        settings: Box<NotifierSettings>,
        /// The password to its username; none: the one that is kept.
        password: Option<Secret>,
    },
    /// Delete a notifier.
    NotifierDelete(Name),
    /// A notifier came further.
    Notified {
        /// Which.
        name: Name,
        /// How far.
        notified: Notified,
    },
    /// Ask for an override of the tenant's policy.
    OverrideRequest {
        /// The override's id.
        id: OverrideId,
        /// Of what kind.
        kind: OverrideKind,
        /// On what.
        on: OverrideOn,
        /// Until when.
        until: Timestamp,
        /// Why.
        justification: String,
    },
    /// Say something of an override.
    OverrideSay {
        /// Which.
        id: OverrideId,
        /// What.
        say: OverrideSay,
        /// Why.
        justification: String,
    },
    /// Set how long what has ended is kept, in place of what was set before; with nothing said, what was set is
    /// forgotten.
    RetentionSet(Retention),
    /// Set the tenant's settings.
    Settings {
        /// What is set.
        edit: Edit,
        /// Only if this is their version still, 0 where nothing was ever set; none: whatever it is.
        expected: Option<u32>,
    },
    /// Issue a secret that calls are signed with.
    SigningSecretIssue {
        /// Its public id.
        id: SigningSecretId,
        /// The one target whose calls it signs; none: those of every target that has no secret of its own.
        target: Option<TargetId>,
        /// The secret.
        secret: SigningSecret,
    },
    /// Destroy a secret.
    SigningSecretRetire(SigningSecretId),
    /// Register a definition; the same content again is no change, another content under the same version is refused.
    Register(Arc<Definition>),
    /// Push a bundle, likewise.
    BundlePush {
        /// The bundle.
        bundle: Arc<Bundle>,
        /// Lines of its signatures, which were found good.
        signatures: Arc<str>,
    },
    /// Keep more signatures with a bundle.
    BundleSign {
        /// Which.
        bundle: Digest,
        /// All lines of its signatures from here on, which were found good.
        signatures: Arc<str>,
    },
    /// Make a pushed bundle the active one.
    BundleActivate {
        /// The bundle.
        bundle: Arc<Bundle>,
        /// Who pushed it.
        pushed_by: PrincipalId,
        /// Lines of its signatures.
        signatures: Arc<str>,
        /// How many running transactions it denies a step of, as far as was looked.
        denies: u64,
    },
    /// Set what a bundle needs to be put into force.
    BundleRulesSet(BundleRules),
    /// Have somebody's signatures of bundles count.
    SignerAdd(VerifierKey),
    /// Have them count no longer.
    SignerRemove(KeyName),
    /// Puts a pushed bundle in the shadow, where it is asked and not obeyed; none: nothing is there.
    BundleShadow(Option<Arc<Bundle>>),
    /// Record that entries are about to leave as an export. It changes nothing else.
    ExportMade(Box<ExportMade>),
}

/// What a person says of an override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverrideSay {
    /// That it is granted.
    Grant,
    /// That it is refused.
    Refuse,
    /// That it ends before its time.
    Revoke,
    /// What they found when they reviewed it.
    Review,
}

/// Which entries leave as an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportMade {
    /// The first entry of the range.
    pub from: u64,
    /// The first entry after the range.
    pub to: u64,
    /// Which of the range.
    pub filter: Filter,
    /// Whether with payloads.
    pub payloads: bool,
    /// In which form.
    pub form: Form,
    /// Why; at least 1 byte.
    pub justification: String,
}
