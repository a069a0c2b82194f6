//! A tenant's control state at one control epoch: who there is, what they hold, which bundle decides.

use crate::batch::ControlRows;
use crate::budget::{Account, Accounts, Budget};
use crate::evidence::{Evidence, EvidenceIndex};
use crate::maintenance::Maintenance;
use crate::notifier::Notifier;
use crate::over::{Override, Overrides};
use crate::queue::QueueSettings;
use crate::retention::Retention;
use crate::row::{
    BudgetRow, BundleRow, CredentialRow, EvidenceRow, MaintenanceRow, NotifierRow, OverrideRow, PrincipalRow, QueueRow,
    RetentionRow, Sealed, SettingsRow, SigningSecretRow, StopRow, TargetRow, TenantRow, TrustRow,
};
use crate::stop::{Stop, Stops};
use crate::target::{TargetSettings, TargetState};
use crate::trust::Trust;
use chancery_base::limits::SIGNATURES_MAX;
use chancery_base::webhook::SigningSecret;
use chancery_base::{Digest, KeyId, Name, Secret, TargetId, json};
use chancery_engine::Settings;
use chancery_policy::{Bundle, Directory, Principal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What decisions are taken under. Never changed in place: each change makes another.
#[derive(Debug, Clone)]
pub struct Control {
    /// Its epoch.
    pub epoch: u64,
    /// The tenant.
    pub tenant: TenantRow,
    /// Its principals.
    pub directory: Directory,
    /// Its credentials, by their public ids.
    pub credentials: BTreeMap<KeyId, CredentialRow>,
    /// What it says of targets.
    pub targets: BTreeMap<TargetId, TargetState>,
    /// What it says of queues.
    pub queues: BTreeMap<Name, QueueSettings>,
    /// Its settings, which what starts from now on sees.
    pub settings: Arc<Settings>,
    /// That it is in maintenance, where it is.
    pub maintenance: Option<Maintenance>,
    /// What it has stopped.
    pub stops: Stops,
    /// Its budgets.
    pub budgets: BTreeMap<Name, Budget>,
    /// Its evidence.
    pub evidence: EvidenceIndex,
    /// Who is told that people are asked something, each with its password.
    pub notifiers: BTreeMap<Name, (Notifier, Option<Secret>)>,
    /// What people answer for though its policy denies it.
    pub overrides: Overrides,
    /// How long it keeps what has ended, where it says so.
    pub retention: Option<Retention>,
    /// What a bundle needs to be put into force, and whose signatures count.
    pub trust: Trust,
    /// The secrets that its calls are signed with, oldest first.
    pub signing_secrets: Vec<SigningSecretRow>,
    /// The newest version of each definition.
    pub definitions: BTreeMap<Name, (u32, Digest)>,
    /// The active bundle.
    pub bundle: Option<Arc<Bundle>>,
    /// The bundle in the shadow: its answers are recorded beside those that count.
    pub shadow: Option<Arc<Bundle>>,
}

/// Why rows do not make a control state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tenant's control state can't be read: {0}")]
pub struct ControlError(pub String);

impl Control {
    /// Reads the rows; `bundle_of` gives the parsed bundle of a source, from a cache where it is known.
    ///
    /// # Errors
    /// If a row is damaged.
    pub fn from_rows(
        rows: &ControlRows,
        mut bundle_of: impl FnMut(Digest, &[u8]) -> Result<Arc<Bundle>, String>,
    ) -> Result<Self, ControlError> {
        let principals = rows.principals.iter().map(principal).collect::<Result<Vec<_>, _>>()?;
        let mut read = |row: &Option<BundleRow>| {
            let bundle = row.as_ref().map(|row| bundle_of(row.digest, &row.source)).transpose();
            bundle.map_err(ControlError)
        };
        Ok(Self {
            epoch: rows.control_epoch,
            tenant: rows.tenant.clone(),
            directory: Directory::new(principals).map_err(|err| ControlError(err.to_string()))?,
            credentials: rows.credentials.iter().map(|row| (row.id, row.clone())).collect(),
            targets: rows.targets.iter().map(target).collect::<Result<_, _>>()?,
            queues: rows.queues.iter().map(queue).collect::<Result<_, _>>()?,
            settings: rows.settings.as_ref().map_or_else(|| Ok(Settings::none()), settings)?,
            maintenance: rows.maintenance.as_ref().map(maintenance).transpose()?,
            stops: rows.stops.iter().map(stop).collect::<Result<_, _>>()?,
            budgets: budgets(rows)?,
            evidence: rows.evidence.iter().map(evidence).collect::<Result<_, _>>()?,
            notifiers: rows.notifiers.iter().map(notifier).collect::<Result<_, _>>()?,
            overrides: rows.overrides.iter().map(over).collect::<Result<_, _>>()?,
            retention: rows.retention.as_ref().map(retention).transpose()?,
            trust: rows.trust.as_ref().map_or_else(|| Ok(Trust::default()), trust)?,
            signing_secrets: rows.signing_secrets.clone(),
            definitions: rows
                .definitions
                .iter()
                .map(|(name, version, digest)| (name.clone(), (*version, *digest)))
                .collect(),
            bundle: read(&rows.bundle)?,
            shadow: read(&rows.shadow)?,
        })
    }

    /// What it says of an origin: its own settings, and where those say nothing what `default` says.
    #[must_use]
    pub fn settings_of(&self, target: &TargetId) -> TargetSettings {
        let of = |target: &TargetId| self.targets.get(target).map(|state| &state.settings);
        match (of(target), of(&TargetId::fallback())) {
            (Some(own), Some(others)) => own.or(others),
            (Some(settings), None) | (None, Some(settings)) => settings.clone(),
            (None, None) => TargetSettings::default(),
        }
    }

    /// What calls of a target are signed with: its own secrets, if it has any, newest first.
    #[must_use]
    pub fn signing_secrets_of(&self, target: &TargetId) -> Vec<SigningSecret> {
        let of = |target: Option<&TargetId>| {
            let rows = self.signing_secrets.iter().rev().filter(|row| row.target.as_ref() == target);
            rows.take(SIGNATURES_MAX).map(|row| row.secret.clone()).collect::<Vec<_>>()
        };
        let own = of(Some(target));
        if own.is_empty() { of(None) } else { own }
    }
}

fn target(row: &TargetRow) -> Result<(TargetId, TargetState), ControlError> {
    let state = TargetState::of(row).ok_or_else(|| ControlError(format!("target {}: it is damaged", row.target)))?;
    Ok((row.target.clone(), state))
}

fn queue(row: &QueueRow) -> Result<(Name, QueueSettings), ControlError> {
    let settings = QueueSettings::of(row).ok_or_else(|| ControlError(format!("queue {}: it is damaged", row.queue)))?;
    Ok((row.queue.clone(), settings))
}

/// The settings of a row.
///
/// # Errors
/// If the row is damaged.
pub fn settings(row: &SettingsRow) -> Result<Arc<Settings>, ControlError> {
    let read = Settings::from_canonical(row.version, &row.source);
    read.map(Arc::new).map_err(|err| ControlError(format!("settings {}: {err}", row.version)))
}

fn maintenance(row: &MaintenanceRow) -> Result<Maintenance, ControlError> {
    Maintenance::of(row).ok_or_else(|| ControlError("maintenance: it is damaged".to_owned()))
}

fn stop(row: &StopRow) -> Result<Stop, ControlError> {
    Stop::of(row).ok_or_else(|| ControlError(format!("stop {}: it is damaged", row.id)))
}

fn budget(row: &BudgetRow) -> Result<(Name, Budget), ControlError> {
    let budget = Budget::of(row).ok_or_else(|| ControlError(format!("budget `{}`: it is damaged", row.name)))?;
    Ok((row.name.clone(), budget))
}

/// The budgets of a tenant.
///
/// # Errors
/// If a row is damaged.
pub fn budgets(rows: &ControlRows) -> Result<BTreeMap<Name, Budget>, ControlError> {
    rows.budgets.iter().map(budget).collect()
}

/// The accounts of a tenant.
///
/// # Errors
/// If a row is damaged.
pub fn accounts(rows: &ControlRows) -> Result<Accounts, ControlError> {
    let account =
        |row| Account::of(row).ok_or_else(|| ControlError(format!("account `{}`: it is damaged", row.account)));
    rows.accounts.iter().map(account).collect()
}

fn evidence(row: &EvidenceRow) -> Result<Evidence, ControlError> {
    Evidence::of(row).ok_or_else(|| ControlError(format!("evidence {}: it is damaged", row.id)))
}

fn notifier(row: &NotifierRow) -> Result<(Name, (Notifier, Option<Secret>)), ControlError> {
    let read = Notifier::of(row).ok_or_else(|| ControlError(format!("notifier {}: it is damaged", row.name)))?;
    Ok((row.name.clone(), (read, row.secret.clone())))
}

fn over(row: &OverrideRow) -> Result<Override, ControlError> {
    Override::of(row).ok_or_else(|| ControlError(format!("override {}: it is damaged", row.id)))
}

fn retention(row: &RetentionRow) -> Result<Retention, ControlError> {
    Retention::of(row).ok_or_else(|| ControlError("retention: it is damaged".to_owned()))
}

fn trust(row: &TrustRow) -> Result<Trust, ControlError> {
    Trust::of(row).ok_or_else(|| ControlError("what is said of bundles: it is damaged".to_owned()))
}

/// The principal of a row.
///
/// # Errors
/// If the row is damaged.
pub fn principal(row: &PrincipalRow) -> Result<Principal, ControlError> {
    let damaged = |what: &dyn std::fmt::Display| ControlError(format!("principal {}: {what}", row.id));
    let bytes = row.body.open().ok_or_else(|| damaged(&"its body is under a key that is not here"))?;
    let principal: Principal = json::parse_stored_as(bytes, bytes.len()).map_err(|err| damaged(&err))?;
    if principal.id == row.id { Ok(principal) } else { Err(damaged(&"its body is another's")) }
}

/// The row of a principal.
#[must_use]
pub fn principal_row(principal: &Principal) -> PrincipalRow {
    PrincipalRow { id: principal.id, body: Sealed::json(principal) }
}
