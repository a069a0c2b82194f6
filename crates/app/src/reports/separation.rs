//! Duties that are kept apart: who could do both of a pair, and who did.
//!
//! Who could follows from roles and policy as they are now; who did, from the ledger. Only people are looked at: a
//! machine does what it was set up to do.

mod pair;

pub use pair::{Duty, Pair, PairsError, Within, pairs};

use super::payload;
use crate::Error;
use crate::app::App;
use crate::span::Span;
use chancery_base::limits::{ACCESS_LOOKS_MAX, DUTY_FINDINGS_MAX, REPORT_FOLLOWED_MAX};
use chancery_base::{Name, PrincipalId, PrincipalKind, Timestamp, TransactionId};
use chancery_ledger::Record;
use chancery_policy::{Access, Action, Directory, Grant, Principal, Request, ResourceRef};
use chancery_shard::Control;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The report of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Separation {
    /// The range that is looked at for who did.
    pub span: Span,
    /// Entries in it.
    pub entries: u64,
    /// What was found of each pair.
    pub pairs: Vec<PairReport>,
}

/// What was found of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairReport {
    /// The pair.
    pub pair: Pair,
    /// Who could do both, by id; at most `DUTY_FINDINGS_MAX`.
    pub potential: Vec<Potential>,
    /// Who did both, in the order in which they came to.
    pub actual: Vec<Actual>,
    /// Whether there may be more than is shown: who could, who did.
    pub more: (bool, bool),
}

/// Somebody who could do both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Potential {
    /// Who.
    pub principal: PrincipalId,
    /// What people call them.
    pub name: String,
    /// Of a pair within a definition: of which.
    pub definitions: Vec<Name>,
}

/// Somebody who did both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actual {
    /// Who.
    pub principal: PrincipalId,
    /// Within what: a transaction, a bundle, a definition.
    pub within: String,
    /// The first entry of the one duty, and of the other.
    pub entries: (u64, u64),
}

/// Looks for both.
///
/// # Errors
/// If the range is empty or has more than is followed, or the store does not answer.
pub async fn separation(
    app: &App,
    grant: &Grant,
    pairs: Vec<Pair>,
    range: (Option<Timestamp>, Option<Timestamp>),
) -> Result<Separation, Error> {
    let tenant = app.tenant(grant)?;
    let span = Span::of(app, &tenant, range).await?;
    let mut acts = Acts::new(&pairs);
    let begins = |record: &Record| record.kind.as_str() == "transaction.started";
    let take = |record: &Record, row: Option<&_>| acts.take(record, payload(row)?.as_ref());
    let entries = span.each(app, &tenant, begins, take).await?;
    let found = acts.found;
    let mut able = Able::new(app.access(), tenant.control()?);
    let mut reports = Vec::with_capacity(pairs.len());
    for (pair, (actual, more)) in pairs.into_iter().zip(found) {
        let (potential, more_potential) = able.of(&pair).await;
        reports.push(PairReport { pair, potential, actual, more: (more_potential, more) });
    }
    Ok(Separation { span, entries, pairs: reports })
}

/// What people did of each pair.
#[derive(Debug)]
struct Acts<'a> {
    pairs: &'a [Pair],
    /// The first entry of each duty, by pair, what it is within, and who.
    seen: HashMap<(usize, String, PrincipalId), [Option<u64>; 2]>,
    definitions: HashMap<TransactionId, String>,
    found: Vec<(Vec<Actual>, bool)>,
}

impl<'a> Acts<'a> {
    fn new(pairs: &'a [Pair]) -> Self {
        let found = pairs.iter().map(|_| (Vec::new(), false)).collect();
        Self { pairs, seen: HashMap::new(), definitions: HashMap::new(), found }
    }

    fn take(&mut self, record: &Record, payload: Option<&Value>) -> Result<(), Error> {
        let definition = payload.and_then(|payload| payload.pointer("/beginning/definition")).and_then(Value::as_str);
        if let (Some(id), Some(definition)) = (record.refs.transaction, definition) {
            self.expect_room()?;
            self.definitions.insert(id, definition.to_owned());
        }
        if record.actor.kind() != PrincipalKind::User {
            return Ok(());
        }
        for (number, pair) in self.pairs.iter().enumerate() {
            for (duty, at) in [(&pair.first, 0), (&pair.second, 1)] {
                if duty.takes(record)
                    && let Some(within) = self.within(pair.within, record)
                {
                    self.act(number, (within, record.actor), at, record.seq)?;
                }
            }
        }
        Ok(())
    }

    /// Within what an entry is; none where that is not known.
    fn within(&self, within: Within, record: &Record) -> Option<String> {
        match within {
            Within::Transaction => record.refs.transaction.map(|id| id.to_string()),
            Within::Bundle => record.data.get_digest("bundle").map(|digest| digest.to_string()),
            Within::Definition => record.refs.transaction.and_then(|id| self.definitions.get(&id).cloned()),
            Within::Tenant => Some(record.log.tenant().to_string()),
        }
    }

    fn act(&mut self, pair: usize, (within, who): (String, PrincipalId), duty: usize, seq: u64) -> Result<(), Error> {
        self.expect_room()?;
        let seen = self.seen.entry((pair, within.clone(), who)).or_default();
        let before = *seen;
        if let Some(first) = seen.get_mut(duty) {
            first.get_or_insert(seq);
        }
        let ([Some(one), Some(other)], true) = (*seen, before.contains(&None)) else { return Ok(()) };
        if let Some((actual, more)) = self.found.get_mut(pair) {
            if actual.len() < DUTY_FINDINGS_MAX {
                actual.push(Actual { principal: who, within, entries: (one, other) });
            } else {
                *more = true;
            }
        }
        Ok(())
    }

    fn expect_room(&self) -> Result<(), Error> {
        if self.seen.len().max(self.definitions.len()) < REPORT_FOLLOWED_MAX {
            return Ok(());
        }
        Err(Error::Invalid(format!("more than {REPORT_FOLLOWED_MAX} acts are in the range: ask for a shorter one")))
    }
}

/// Who may do what now.
struct Able<'a> {
    access: &'a Access,
    control: Arc<Control>,
    /// What roles permit, by roles and call: it depends on nothing else of a person.
    calls: HashMap<(BTreeSet<Name>, Action), bool>,
    /// Decisions that were asked for.
    looks: usize,
}

impl<'a> Able<'a> {
    fn new(access: &'a Access, control: Arc<Control>) -> Self {
        Self { access, control, calls: HashMap::new(), looks: 0 }
    }

    /// Who could do both of a pair, and whether there may be more.
    async fn of(&mut self, pair: &Pair) -> (Vec<Potential>, bool) {
        let (control, mut found) = (Arc::clone(&self.control), Vec::new());
        let people = control.directory.iter().filter(|who| who.id.kind() == PrincipalKind::User && !who.suspended);
        for who in people {
            if !self.may_call(who, pair.first.call) || !self.may_call(who, pair.second.call) {
                continue;
            }
            if found.len() >= DUTY_FINDINGS_MAX || self.looks >= ACCESS_LOOKS_MAX {
                return (found, true);
            }
            let Some(definitions) = self.definitions(who, pair) else { continue };
            found.push(Potential { principal: who.id, name: who.name.clone(), definitions });
            tokio::task::yield_now().await;
        }
        (found, false)
    }

    fn may_call(&mut self, who: &Principal, call: Option<Action>) -> bool {
        let Some(call) = call else { return true };
        let (access, tenant) = (self.access, &self.control.tenant.tenant);
        let may = || access.authorize(who, tenant, call, None).is_ok();
        *self.calls.entry((who.roles.clone(), call)).or_insert_with(may)
    }

    /// Of which definitions policy lets them do both; none where that is asked and there is none.
    fn definitions(&mut self, who: &Principal, pair: &Pair) -> Option<Vec<Name>> {
        let asked: Vec<&str> = [&pair.first, &pair.second].iter().filter_map(|duty| duty.action.as_deref()).collect();
        if asked.is_empty() {
            return Some(Vec::new());
        }
        let control = Arc::clone(&self.control);
        let may = |name: &&Name| asked.iter().all(|action| may_do(&control, who.id, action, name));
        let definitions: Vec<Name> = control.definitions.keys().filter(may).cloned().collect();
        self.looks += control.definitions.len();
        (!definitions.is_empty()).then_some(definitions)
    }
}

/// Whether policy permits something to be done to a definition, whatever it demands of it.
fn may_do(control: &Control, who: PrincipalId, action: &str, definition: &Name) -> bool {
    let Some(bundle) = &control.bundle else { return false };
    let request = Request {
        principal: who.into(),
        action: action.to_owned(),
        resource: ResourceRef::new("Definition", definition.as_str()),
        context: Map::new(),
        irreversible: false,
    };
    let directory: &Directory = &control.directory;
    chancery_shard::decide(bundle, directory, &request).is_permit()
}

#[cfg(test)]
pub(super) mod tests;
