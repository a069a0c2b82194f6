//! What is told: what is asked, by whom, until when, and how to answer; or what was permitted to whom. No input, no output,
//! and nothing secret.

use crate::transactions::damaged;
use crate::{Error, past};
use chancery_base::{OverrideId, PrincipalId, RequestId, TenantId, Timestamp, TransactionId};
use chancery_engine::NodeRef;
use chancery_engine::definition::{Definition, StepIndex};
use chancery_ledger::Record;
use chancery_policy::Grant;
use chancery_shard::control::Control;
use chancery_shard::entry::ToldPermit;
use chancery_shard::over::{Override, OverrideOn};
use chancery_shard::row::RequestRow;
use chancery_shard::rows;
use chancery_store::Store;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The same for every attempt to tell it.
    pub(crate) id: String,
    event: String,
    title: String,
    at: Timestamp,
    tenant: TenantId,
    /// Name and value, in the order in which people read them.
    facts: Vec<(&'static str, String)>,
    command: Option<String>,
}

impl Notice {
    /// What an entry says; none where what it is about is kept no longer.
    pub(super) async fn of(
        record: &Record,
        (tenant, store, grant): (&TenantId, &dyn Store, &Grant),
        control: &Control,
    ) -> Result<Option<Self>, Error> {
        let word = |name: &str| record.data.get_word(name).map(str::to_owned);
        let who = |id| who(control, id);
        let told = if let Some(id) = word("request_id").and_then(|id| id.parse::<RequestId>().ok()) {
            match store.request(grant, id).await? {
                Some(row) => Some(of_request(record, &row, who)?),
                None => None,
            }
        } else {
            let id = word("override").and_then(|id| id.parse::<OverrideId>().ok());
            id.and_then(|id| control.overrides.get(id)).map(|over| of_override(record, over, who))
        };
        Ok(told.map(|told| Self::told(record, tenant, told)))
    }

    /// What a permit says that has the notifier tell of it.
    pub(super) async fn of_permit(
        record: &Record,
        permit: &ToldPermit,
        (tenant, store, grant): (&TenantId, &dyn Store, &Grant),
        control: &Control,
    ) -> Result<Self, Error> {
        let principal = match permit.principal.id.parse() {
            Ok(id) => who(control, id),
            Err(_) => permit.principal.to_string(),
        };
        let mut facts = vec![
            ("principal", principal),
            ("action", permit.action.clone()),
            ("resource", permit.resource.to_string()),
        ];
        facts.extend((record.actor != PrincipalId::SYSTEM).then(|| ("by", who(control, record.actor))));
        if let Some(id) = record.refs.transaction {
            let (of, step) = placed(record, permit.step.as_deref(), id, (store, grant)).await?;
            facts.push(("transaction", id.to_string()));
            facts.extend(of.map(|of| ("definition", of)));
            facts.extend(step.map(|step| ("step", step)));
        }
        facts.extend(record.refs.attempt.map(|attempt| ("attempt", attempt.to_string())));
        let (policies, reasons): (Vec<_>, Vec<_>) = permit.because.iter().cloned().unzip();
        for (fact, texts) in [("obligation", policies), ("reason", reasons)] {
            let texts: Vec<String> = texts.into_iter().flatten().collect();
            facts.extend((!texts.is_empty()).then(|| (fact, texts.join("; "))));
        }
        facts.extend(record.refs.decision.map(|id| ("decision", id.to_string())));
        facts.push(("entry", record.seq.to_string()));
        let title = format!("{} {} was permitted", permit.action, permit.resource);
        Ok(Self::told(record, tenant, (title, facts, None)))
    }

    fn told(record: &Record, tenant: &TenantId, (title, facts, command): Told) -> Self {
        Self {
            id: format!("{}/{}", record.log, record.seq).replace('/', "."),
            event: record.kind.as_str().to_owned(),
            title,
            at: record.at,
            tenant: tenant.clone(),
            facts,
            command,
        }
    }

    /// One that says that telling works.
    pub(crate) fn test(tenant: &TenantId, id: String, now: Timestamp, by: PrincipalId) -> Self {
        Self {
            id,
            event: "notifier.test".to_owned(),
            title: "a test of this notifier".to_owned(),
            at: now,
            tenant: tenant.clone(),
            facts: vec![("asked by", by.to_string())],
            command: None,
        }
    }

    pub(super) fn subject(&self) -> String {
        // A title is a caller's: a line of it is enough.
        let title: String = self.title.chars().map(|c| if c.is_control() { ' ' } else { c }).take(150).collect();
        format!("[chancery {}] {}: {title}", self.tenant, self.event)
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        let facts = [("event", self.event.clone()), ("at", self.at.to_string()), ("tenant", self.tenant.to_string())];
        for (name, value) in facts.iter().chain(&self.facts) {
            // A String takes all that is written to it.
            let _written = writeln!(text, "{name:<12} {value}");
        }
        if let Some(command) = &self.command {
            let _written = write!(text, "\nTo answer:\n  {command}\n");
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let facts: Map<String, Value> =
            self.facts.iter().map(|(name, value)| (name.replace(' ', "_"), Value::from(value.clone()))).collect();
        json!({
            "id": self.id,
            "event": self.event,
            "at": self.at.to_string(),
            "tenant": self.tenant.to_string(),
            "title": self.title,
            "facts": facts,
            "command": self.command,
        })
    }
}

/// A principal, by the name that the directory has for it.
fn who(control: &Control, id: PrincipalId) -> String {
    match control.directory.principal(&id) {
        Some(principal) => format!("{} ({id})", principal.name),
        None => id.to_string(),
    }
}

/// Of which definition a permit's transaction is, and of which step it is: its name, or where that is not known its
/// number.
async fn placed(
    record: &Record,
    named: Option<&str>,
    id: TransactionId,
    (store, grant): (&dyn Store, &Grant),
) -> Result<(Option<String>, Option<String>), Error> {
    let node = record.refs.step.map(|step| NodeRef { step: StepIndex(step), clone: record.refs.clone.unwrap_or(0) });
    let known = || named.map(str::to_owned).or_else(|| node.map(|node| node.to_string()));
    let Some(beginning) = past::beginning(store, grant, id).await? else { return Ok((None, known())) };
    let (name, version) = (&beginning.definition, beginning.version);
    let of = Some(format!("{name} {version}"));
    let (None, Some(node)) = (named, node) else { return Ok((of, known())) };
    let row = store.definition(grant, name, Some(version)).await?;
    let row = row.ok_or_else(|| damaged("a transaction")(format!("there is no definition {name} {version}")))?;
    let definition = Definition::from_canonical(&row.source).map_err(damaged("a definition"))?;
    Ok((of, definition.name_of(node).or_else(known)))
}

/// A title, facts, and the command to answer with where it can be answered still.
type Told = (String, Vec<(&'static str, String)>, Option<String>);

fn of_request(record: &Record, row: &RequestRow, who: impl Fn(PrincipalId) -> String) -> Result<Told, Error> {
    let body = rows::request(row).map_err(damaged("a request"))?;
    let terms = &body.request.terms;
    let mut facts = vec![
        ("request", row.id.to_string()),
        ("kind", terms.kind.word().to_owned()),
        ("status", row.status.word().to_owned()),
        ("due", body.request.due_at.to_string()),
        ("requester", who(body.requester)),
        ("transaction", row.transaction.to_string()),
        ("step", format!("{} of {} {}", body.step, body.definition, body.version)),
        ("approvers", terms.approvers.to_string()),
    ];
    facts.extend(terms.role.as_ref().map(|role| ("role", role.to_string())));
    facts.extend(record.data.get_word("answer").map(|answer| ("answer", answer.to_owned())));
    if record.kind.as_str() == "request.answered" {
        facts.push(("answered by", who(record.actor)));
    }
    let command = row.decided_at.is_none().then(|| {
        let why = format!("--justification '{} characters or more'", terms.justification_min);
        format!("chancery request show {id}\n  chancery request approve {id} {why}", id = row.id)
    });
    Ok((terms.title.clone(), facts, command))
}

fn of_override(record: &Record, over: &Override, who: impl Fn(PrincipalId) -> String) -> Told {
    let on = match &over.on {
        OverrideOn::Access { action, resource, .. } => format!("{action} {resource}"),
        OverrideOn::Step { transaction, step, .. } => format!("step {step} of {transaction}"),
    };
    let mut facts = vec![
        ("override", over.id.to_string()),
        ("kind", over.kind.word().to_owned()),
        ("status", over.status.word().to_owned()),
        ("on", on),
        ("acts of", who(over.on.principal())),
        ("until", over.until.to_string()),
        ("requester", who(over.requested.by)),
        ("by", who(record.actor)),
    ];
    facts.extend(over.review_due().map(|due| ("review due", due.to_string())));
    let command = match record.kind.as_str() {
        "override.requested" => Some(format!(
            "chancery override show {id}\n  chancery override grant {id} --justification '20 characters or more'",
            id = over.id
        )),
        _ => over.review_due().map(|_| format!("chancery override review {} --note '20 characters or more'", over.id)),
    };
    (format!("an override ({}): {}", over.kind.word(), over.requested.justification), facts, command)
}
