//! Changes of what belongs to the tenant as a whole. Each is an entry, its rows, and a new control epoch.

mod budgets;
mod bundles;
mod evidence;
mod exports;
mod maintenance;
pub(super) mod notifiers;
mod overrides;
mod queues;
mod retention;
mod settings;
mod stops;
mod targets;

use super::work::Work;
use super::{Control, Shard};
use crate::control::principal_row;
use crate::entry::kind;
use crate::input::{Change, ControlChange, Refusal, ReplyTo, Response};
use crate::payload::Payload;
use crate::row::{ControlRow, CredentialRow, DefinitionRow, TenantRow};
use chancery_base::limits::PRINCIPALS_MAX;
use chancery_base::{KeyId, PrincipalId, TenantId};
use chancery_engine::definition::Definition;
use chancery_ledger::{Data, Origin, Word};
use chancery_policy::Principal;
use std::sync::Arc;
use std::time::Duration;

type Changed = Result<Option<u64>, Refusal>;

impl Shard {
    pub(super) fn change(&mut self, reply: ReplyTo, change: &ControlChange, control: &Control, work: &mut Work) {
        let answer = self.apply_change(change, control, work);
        work.reply(reply, answer.map(|seq| Response::Done { seq }));
    }

    fn apply_change(&mut self, change: &ControlChange, control: &Control, work: &mut Work) -> Changed {
        let actor = change.actor;
        let shard = self.log.as_ref().map_or(0, |log| log.shard);
        if shard != 0 {
            return Err(Refusal::Invalid("only a tenant's shard 0 takes changes of its control state".to_owned()));
        }
        let seq = match &change.change {
            Change::TenantCreate { tenant, hash_key } => tenant_create(actor, tenant, hash_key, control, work)?,
            Change::PrincipalCreate(principal) => principal_create(actor, principal, control, work)?,
            Change::PrincipalSet(principal) => principal_set(actor, principal, control, work)?,
            Change::KeyIssue { id, principal, hash, expires_at } => {
                let (id, principal, hash, expires_at) = (*id, *principal, *hash, *expires_at);
                let row = CredentialRow { id, principal, hash, issued_at: work.now, expires_at, revoked_at: None };
                key_issue(actor, row, control, work)?
            }
            Change::KeyRevoke(id) => return key_revoke(actor, *id, control, work),
            Change::TargetSet { target, settings } => return targets::set(actor, target, settings, control, work),
            Change::TargetForce { target, forced, justification } => {
                return targets::force(actor, target, *forced, justification, control, work);
            }
            Change::QueueSet { queue, settings } => return queues::set(actor, queue, settings, control, work),
            Change::Settings { edit, expected } => return settings::set(actor, edit, *expected, control, work),
            Change::Maintenance { on, justification } => {
                return Ok(maintenance::set(actor, *on, justification, control, work));
            }
            Change::StopSet { id, on, justification } => {
                return stops::set(actor, (*id, on), justification, control, work);
            }
            Change::StopLift { id, justification } => return stops::lift(actor, *id, justification, control, work),
            Change::BudgetSet { budget, terms } => return self.budget_set(actor, budget, terms, control, work),
            Change::BudgetDelete(budget) => return self.budget_delete(actor, budget, control, work),
            Change::EvidenceAdd { id, terms, until, content } => {
                return evidence::add(actor, (*id, terms, *until), content.as_deref(), control, work);
            }
            Change::NotifierSet { name, settings, password } => {
                return self.notifier_set(actor, name, (settings, password.as_ref()), control, work);
            }
            Change::NotifierDelete(name) => return notifiers::delete(actor, name, control, work),
            Change::Notified { name, notified } => return self.notified(name, notified, control, work),
            Change::OverrideRequest { id, kind, on, until, justification } => {
                return overrides::request(actor, *id, (*kind, on, *until), justification, control, work);
            }
            Change::OverrideSay { id, say, justification } => {
                return overrides::say(actor, *id, *say, justification, control, work);
            }
            Change::RetentionSet(retention) => return retention::set(actor, retention, control, work),
            Change::SigningSecretIssue { id, target, secret } => {
                return targets::issue(actor, *id, (target.as_ref(), secret), control, work);
            }
            Change::SigningSecretRetire(id) => return targets::retire(actor, *id, control, work),
            Change::ExportMade(export) => exports::made(actor, export, work),
            Change::Register(definition) => return register(actor, definition, control, work),
            Change::BundlePush { bundle, signatures } => {
                return Ok(Some(bundles::push(actor, bundle, signatures, work)));
            }
            Change::BundleShadow(bundle) => return Ok(bundles::shadow(actor, bundle.as_deref(), control, work)),
            Change::BundleSign { bundle, signatures } => {
                return Ok(Some(bundles::sign(actor, *bundle, signatures, work)));
            }
            Change::BundleActivate { bundle, pushed_by, signatures, denies } => {
                let written = bundles::activate(actor, (bundle, *denies), (*pushed_by, signatures), control, work)?;
                if written.is_some() {
                    self.bundles.insert(bundle.digest(), Some(Arc::clone(bundle)));
                }
                return Ok(written);
            }
            Change::BundleRulesSet(rules) => return bundles::set_rules(actor, *rules, control, work),
            Change::SignerAdd(key) => return bundles::add_signer(actor, key, control, work),
            Change::SignerRemove(name) => return bundles::remove_signer(actor, name, control, work),
        };
        Ok(Some(seq))
    }
}

fn tenant_create(
    actor: PrincipalId,
    tenant: &TenantId,
    hash_key: &[u8; 32],
    control: &Control,
    work: &mut Work,
) -> Result<u64, Refusal> {
    if control.tenant.tenant != TenantId::system() {
        return Err(Refusal::Invalid("tenants are made in the tenant `system`".to_owned()));
    }
    let row = TenantRow { tenant: tenant.clone(), shards: 1, hash_key: *hash_key, created_at: work.now };
    let origin = Origin::new(work.origin.cluster().clone(), tenant.clone(), 0, 1);
    work.control.push(ControlRow::Tenant(row, vec![origin]));
    work.held.effects.push(crate::input::Effect::TenantCreated(tenant.clone()));
    let data = Data::new().count("shards", 1);
    // Its hash key is in its own log, whose payloads are destroyed with it.
    let payload = Payload::new().text("tenant", tenant.as_str());
    Ok(work.write_control(kind::TENANT_CREATED, actor, data, Some(payload.finish())))
}

fn principal_create(
    actor: PrincipalId,
    principal: &Principal,
    control: &Control,
    work: &mut Work,
) -> Result<u64, Refusal> {
    if control.directory.len() >= PRINCIPALS_MAX {
        let retry_after = Duration::from_secs(60);
        return Err(Refusal::Limited { what: "principals of a tenant", max: PRINCIPALS_MAX, retry_after });
    }
    if control.directory.principal(&principal.id).is_some() {
        return Err(Refusal::Exists(format!("principal {}", principal.id)));
    }
    if control.directory.iter().any(|other| other.name == principal.name) {
        return Err(Refusal::Exists(format!("a principal named `{}`", principal.name)));
    }
    principal_entry(actor, kind::PRINCIPAL_CREATED, principal, work)
}

fn principal_set(
    actor: PrincipalId,
    principal: &Principal,
    control: &Control,
    work: &mut Work,
) -> Result<u64, Refusal> {
    if control.directory.principal(&principal.id).is_none() {
        return Err(Refusal::NotFound(format!("principal {}", principal.id)));
    }
    if control.directory.iter().any(|other| other.name == principal.name && other.id != principal.id) {
        return Err(Refusal::Exists(format!("a principal named `{}`", principal.name)));
    }
    principal_entry(actor, kind::PRINCIPAL_CHANGED, principal, work)
}

fn principal_entry(actor: PrincipalId, kind: Word, principal: &Principal, work: &mut Work) -> Result<u64, Refusal> {
    principal.check().map_err(|err| Refusal::Invalid(err.to_string()))?;
    work.control.push(ControlRow::Principal(principal_row(principal)));
    work.raise();
    let data = Data::new().bool("suspended", principal.suspended);
    let payload = Payload::new().serialize("principal", principal);
    Ok(work.write_control(kind, actor, data, Some(payload.finish())))
}

fn key_issue(actor: PrincipalId, row: CredentialRow, control: &Control, work: &mut Work) -> Result<u64, Refusal> {
    if control.credentials.contains_key(&row.id) {
        return Err(Refusal::Exists(format!("key {}", row.id)));
    }
    if control.directory.principal(&row.principal).is_none() {
        return Err(Refusal::NotFound(format!("principal {}", row.principal)));
    }
    Ok(key_entry(actor, kind::KEY_ISSUED, row, work))
}

fn key_revoke(actor: PrincipalId, id: KeyId, control: &Control, work: &mut Work) -> Changed {
    let Some(row) = control.credentials.get(&id) else { return Err(Refusal::NotFound(format!("key {id}"))) };
    if row.revoked_at.is_some() {
        return Ok(None);
    }
    let row = CredentialRow { revoked_at: Some(work.now), ..row.clone() };
    Ok(Some(key_entry(actor, kind::KEY_REVOKED, row, work)))
}

fn key_entry(actor: PrincipalId, kind: Word, row: CredentialRow, work: &mut Work) -> u64 {
    let data = Data::new().word("key", id_word(row.id.to_string()));
    let data = match row.expires_at {
        Some(at) => data.int("expires_at", at.as_micros()),
        None => data,
    };
    let payload = Payload::new().text("hash", &row.hash.to_string()).text("principal", &row.principal.to_string());
    work.control.push(ControlRow::Credential(row));
    work.raise();
    work.write_control(kind, actor, data, Some(payload.finish()))
}

fn register(actor: PrincipalId, definition: &Arc<Definition>, control: &Control, work: &mut Work) -> Changed {
    let newest = control.definitions.get(&definition.name);
    if let Some((version, digest)) = newest {
        if *version == definition.version && *digest == definition.digest {
            return Ok(None);
        }
        if *version >= definition.version {
            let what = format!("version {version} of definition `{}`", definition.name);
            return Err(Refusal::Exists(what));
        }
    }
    let row = DefinitionRow {
        name: definition.name.clone(),
        version: definition.version,
        digest: definition.digest,
        registered_at: work.now,
        source: Arc::clone(&definition.source),
    };
    let data = Data::new().digest("definition", row.digest).count("version", u64::from(row.version));
    let payload = Payload::new().text("source", &String::from_utf8_lossy(&row.source));
    work.control.push(ControlRow::Definition(row));
    work.raise();
    Ok(Some(work.write_control(kind::DEFINITION_REGISTERED, actor, data, Some(payload.finish()))))
}

/// An id as a word: ids are `a-z`, `0-9` and `_`.
pub(super) fn id_word(id: String) -> Word {
    Word::new(id).unwrap_or(Word::literal("invalid"))
}
