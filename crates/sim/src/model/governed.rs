//! What must hold where bundles demand something of what is handed out: every permit and every denial is the law's, what
//! it rests on is there, what is taken is in the book, and what is masked is not in what goes out.

use super::books::{Book, Counted, Spender};
use super::evidence::Artefacts;
use super::overrides::Overrides;
use super::{Check, Model, TransactionModel, ensure};
use crate::faults::Fault;
use crate::law::{Deed, Demanded, Law, Rule, Verdict};
use crate::reference::{Handed, WrongRule};
use chancery_base::json::Members;
use chancery_base::{DecisionId, Digest, EvidenceId, Name, OverrideId, PrincipalId, TenantId, TransactionId};
use chancery_engine::{Beginning, Conditions, Deed as Done, Event, NodeRef, Phase, Status};
use chancery_ledger::Record;
use chancery_shard::budget::Account as AccountRow;
use chancery_shard::input::Task;
use chancery_shard::over::Act;
use chancery_shard::token::AttemptRef;
use chancery_store::SimStore;
use chancery_store::scan::Scan;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What bundles say, and what came of it. Where the bundles of a run are no laws, nothing is.
#[derive(Debug, Default)]
pub(crate) struct Governed {
    laws: BTreeMap<Digest, Arc<Law>>,
    of: BTreeMap<TenantId, OfTenant>,
    /// Tenants whose accounts were written in since they were compared with their rows.
    touched: BTreeSet<TenantId>,
}

#[derive(Debug)]
struct OfTenant {
    book: Book,
    artefacts: Artefacts,
    overrides: Overrides,
}

/// What is about to be done, and by whom.
#[derive(Debug)]
pub(super) struct Of<'a> {
    pub(super) transaction: TransactionId,
    pub(super) principal: PrincipalId,
    pub(super) definition: &'a Name,
    /// The step, or clone of one; none: the start.
    pub(super) step: Option<String>,
    /// The step as a whole.
    whole: Option<&'a str>,
}

/// What an entry's decision says.
#[derive(Debug, Default)]
struct Decided {
    overridden: Option<OverrideId>,
    would_deny: bool,
    /// The evidence that obligations cite, by their ids.
    cited: BTreeMap<String, (EvidenceId, Digest)>,
}

/// A hand-out, or what the shard carries out itself, and what is said of it.
#[derive(Debug, Clone, Copy)]
struct Outgoing<'a> {
    node: NodeRef,
    attempt: u32,
    decision: DecisionId,
    input: &'a Value,
    conditions: Option<&'a Conditions>,
    is_event: bool,
}

impl<'a> Outgoing<'a> {
    /// What an event is, if something goes out with it.
    fn of(event: &'a Event) -> Option<(Phase, Self)> {
        if let Event::Dispatched { node, phase, attempt, decision, input, conditions, .. } = event {
            let (input, conditions, is_event) = (input.value(), conditions.as_deref(), false);
            let (node, attempt, decision) = (*node, *attempt, *decision);
            return Some((*phase, Self { node, attempt, decision, input, conditions, is_event }));
        }
        let Event::CarriedOut(done) = event else { return None };
        let Done::Emitted(_, data, conditions) = &done.deed else { return None };
        let (node, attempt, decision, input) = (done.node, done.attempt, done.decision, data.value());
        Some((done.phase, Self { node, attempt, decision, input, conditions: conditions.as_deref(), is_event: true }))
    }
}

impl Of<'_> {
    /// Whether it is this step, or a clone of it.
    pub(super) fn is_of(&self, step: &str) -> bool {
        self.whole == Some(step)
    }

    pub(super) fn act(&self) -> Act {
        Act { transaction: self.transaction, step: self.step.clone() }
    }

    pub(super) const fn action(&self) -> &'static str {
        if self.step.is_some() { "run" } else { "start" }
    }

    /// The type and the id of what it is done to.
    pub(super) fn resource(&self) -> (&'static str, String) {
        match self.whole {
            Some(whole) => ("Step", format!("{}/{whole}", self.definition)),
            None => ("Definition", self.definition.to_string()),
        }
    }
}

impl Model {
    /// A law that may be put into force.
    pub(crate) fn know_law(&mut self, digest: Digest, law: Arc<Law>) {
        self.governed.laws.insert(digest, law);
    }

    /// The overrides of a tenant.
    pub(crate) fn overrides(&self, tenant: &TenantId) -> Vec<OverrideId> {
        self.governed.of.get(tenant).map(|of| of.overrides.ids()).unwrap_or_default()
    }

    /// Whether the law that is in force denies this to a principal: a start, or a step of a plan.
    pub(crate) fn is_forbidden(&self, tenant: &TenantId, who: PrincipalId, step: Option<u64>, number: u64) -> bool {
        let active = self.tenants.get(tenant).and_then(|tenant| tenant.active);
        let law = active.and_then(|active| self.governed.laws.get(&active));
        let who = who.kind();
        law.is_some_and(|law| match step {
            None => !law.may_start(who),
            Some(step) => law.says(&Deed { who, step, number, attempt: 1, is_irreversible: false }) == Verdict::Deny,
        })
    }

    fn governed_of(&mut self, tenant: &TenantId) -> &mut OfTenant {
        let wrong = self.wrong_rule;
        self.governed.of.entry(tenant.clone()).or_insert_with(|| OfTenant {
            book: Book::new(wrong),
            artefacts: Artefacts::new(wrong),
            overrides: Overrides::new(wrong),
        })
    }

    /// Something happened to a budget, to evidence or to an override; whether it did.
    pub(super) fn follow_governed(&mut self, record: &Record, payload: &Map<String, Value>) -> Check<bool> {
        let tenant = record.log.tenant().clone();
        let kind = record.kind.as_str();
        if kind.starts_with("override.") {
            match kind {
                "override.used" => self.counts.add(Fault::Overridden),
                "override.expired" => self.counts.add(Fault::OverrideExpired),
                _ => {}
            }
            let followed = self.governed_of(&tenant).overrides.follow(record, payload);
            return followed.map(|()| true).map_err(|why| format!("reference: {why}"));
        }
        if kind.starts_with("evidence.") {
            self.governed_of(&tenant).artefacts.follow(record, payload)?;
            return Ok(true);
        }
        if !kind.starts_with("budget.") {
            return Ok(false);
        }
        let name = payload.get("budget").and_then(Value::as_str).and_then(|name| name.parse::<Name>().ok());
        let name = name.ok_or("a budget without a name")?;
        let book = &mut self.governed_of(&tenant).book;
        if kind == "budget.deleted" {
            book.delete(&name)?;
        } else {
            let terms = payload.get("terms").cloned().unwrap_or_default();
            book.set(name, serde_json::from_value(terms).map_err(|err| err.to_string())?, record.seq);
        }
        self.governed.touched.insert(tenant);
        Ok(true)
    }

    /// The bundle under which the steps of a transaction are decided.
    pub(super) fn decides(&self, transaction: &TransactionModel) -> Option<Digest> {
        let tenant = self.tenants.get(&transaction.tenant).filter(|_| transaction.saga.is_latest());
        tenant.map_or(Some(transaction.bundle), |tenant| tenant.active)
    }

    /// What happens next to a transaction is as its law says.
    pub(super) fn govern(&mut self, record: &Record, event: &Event, payload: Option<&[u8]>) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let bundle = self.transactions.get(&id).and_then(|transaction| self.decides(transaction));
        let Some(law) = bundle.and_then(|bundle| self.governed.laws.get(&bundle)).map(Arc::clone) else {
            return Ok(());
        };
        let tenant = record.log.tenant().clone();
        self.governed_of(&tenant);
        let governed = if let Event::Denied { node, .. } = event {
            self.is_denied_rightly(&law, *node, record)
        } else if let Some((phase, out)) = Outgoing::of(event) {
            match phase {
                Phase::Do => self.goes_out(&law, out, record, payload),
                Phase::Undo | Phase::Confirm => self.keeps(id, out),
            }
        } else {
            self.comes_in(id, record, event)
        };
        let unused = self.governed_of(&tenant).overrides.is_unused();
        governed.and(unused).map_err(|why| format!("reference: law: {why}"))
    }

    /// A start is as the law that is in force says.
    pub(super) fn begins_governed(&mut self, record: &Record, beginning: &Beginning, payload: Option<&[u8]>) -> Check {
        let Some(law) = self.governed.laws.get(&beginning.bundle).map(Arc::clone) else { return Ok(()) };
        let (transaction, principal, definition) = (beginning.id, beginning.principal, &beginning.definition);
        let of = Of { transaction, principal, definition, step: None, whole: None };
        let decided = Decided::read(payload)?;
        let verdict = if law.may_start(principal.kind()) { Verdict::Permit } else { Verdict::Deny };
        let decision = record.refs.decision.ok_or("no decision")?;
        let overrides = &mut self.governed_of(record.log.tenant()).overrides;
        let permitted = is_permitted(verdict, &decided, overrides, &of, (decision, record));
        permitted.and_then(|()| overrides.is_unused()).map_err(|why| format!("reference: law: {why}"))
    }

    /// A hand-out: permitted by the law, or by who answers for it; with what is demanded.
    fn goes_out(&mut self, law: &Law, out: Outgoing<'_>, record: &Record, payload: Option<&[u8]>) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let decided = Decided::read(payload)?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let (deed, spender) = transaction.deed(out.node, u64::from(out.attempt));
        let of = transaction.of(id, out.node);
        let handed = handed(law, &deed);
        let tenant = self.governed.of.get_mut(&transaction.tenant).ok_or("an unknown tenant")?;
        let verdict = match law.says(&deed) {
            Verdict::LeftOpen if self.wrong_rule == Some(WrongRule::IgnoreMode) => Verdict::Deny,
            verdict @ (Verdict::Permit | Verdict::LeftOpen | Verdict::Deny) => verdict,
        };
        is_permitted(verdict, &decided, &mut tenant.overrides, &of, (out.decision, record))?;
        for rule in law.demands(&deed) {
            if let Demanded::Evidence { name, of_tenant } = rule.demand {
                let cited = decided.cited.get(&rule.id);
                let (evidence, digest) = cited.ok_or_else(|| format!("{} is demanded, and nothing cited", rule.id))?;
                tenant.artefacts.is_cited((*evidence, *digest), (name, of_tenant), &of, record.at)?;
            }
        }
        let is_counted = law.demands(&deed).any(Rule::is_counted);
        ensure(!(out.is_event && is_counted), || "an event is counted nowhere".to_owned())?;
        let charges = match tenant.book.count(law.demands(&deed), spender, record.at)? {
            Counted::Fits(charges) => charges,
            Counted::Waits => return Err("its rate has no room".to_owned()),
            Counted::Short(why) => return Err(why),
        };
        let recorded = out.conditions.map_or(&[][..], |conditions| &conditions.charges);
        tenant.book.reserve((id, out.node), charges, recorded, record.at)?;
        if !recorded.is_empty() {
            self.governed.touched.insert(record.log.tenant().clone());
        }
        let number = out.input.get("n").and_then(Value::as_u64);
        let expected = Some(spender.number).filter(|_| spender.is_in_input && !handed.mask.contains(&"n"));
        ensure(number == expected, || format!("its number is {number:?}, not {expected:?}"))?;
        let transaction = self.transactions.get_mut(&id).ok_or("an unknown transaction")?;
        transaction.saga.hand(&out.node, handed);
        self.keeps(id, out)
    }

    /// What goes out keeps to what is demanded of its step: what is masked is not in it, and its limits are told.
    fn keeps(&self, id: TransactionId, out: Outgoing<'_>) -> Check {
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let Some(handed) = transaction.saga.handed(&out.node) else { return Ok(()) };
        let shown = handed.mask.iter().find(|path| has(out.input, path));
        ensure(shown.is_none(), || format!("{shown:?} is masked, and in {}", out.input))?;
        let limits = out.conditions.map(|conditions| &conditions.limits);
        let network = limits.and_then(|limits| limits.get("network")).and_then(Value::as_array);
        let network: Option<Vec<&str>> = network.map(|hosts| hosts.iter().filter_map(Value::as_str).collect());
        ensure(network == handed.network, || format!("its hosts are {network:?}, not {:?}", handed.network))?;
        let has_time = limits.is_some_and(|limits| limits.contains_key("timeout"));
        ensure(has_time == handed.timeout.is_some(), || format!("its limits are {limits:?}, not {handed:?}"))
    }

    /// What was out comes in: what was reserved is settled or returned.
    fn comes_in(&mut self, id: TransactionId, record: &Record, event: &Event) -> Check {
        let tenant = record.log.tenant().clone();
        let (nodes, output): (Vec<NodeRef>, Option<&Value>) =
            if let Event::Completed { node, phase: Phase::Do, output, .. } | Event::Polled { node, output, .. } = event
            {
                (vec![*node], Some(output.value()))
            } else if let Event::AttemptFailed { node, phase: Phase::Do, failure, .. } = event
                && failure.was_dispatched()
            {
                (vec![*node], None)
            } else if let Event::Ended { status, .. } = event {
                let out = self.governed_of(&tenant).book.out_of(id);
                ensure(out.is_empty() || *status == Status::Terminated, || format!("{out:?} is out at the end"))?;
                (out, None)
            } else {
                return Ok(());
            };
        for node in nodes {
            let (settled, reserved) = self.governed_of(&tenant).book.come_in((id, node), output, record.at);
            if reserved > 0 {
                self.governed.touched.insert(tenant.clone());
                self.counts.add(if settled == 0 { Fault::Returned } else { Fault::Settled });
            }
            if settled > 0 && settled < reserved {
                self.counts.add(Fault::SettledBelow);
            }
        }
        Ok(())
    }

    /// Nothing is denied that nothing speaks against.
    fn is_denied_rightly(&mut self, law: &Law, node: NodeRef, record: &Record) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let is_stopped = self.goes_unstopped(id, Some("run")).is_err();
        if is_stopped || self.is_suspended(&transaction.tenant, transaction.principal) {
            return Ok(());
        }
        let (deed, spender) = transaction.deed(node, transaction.saga.tried(&node) + 1);
        let of = transaction.of(id, node);
        let tenant = self.governed.of.get(&transaction.tenant).ok_or("nothing was said of budgets")?;
        // What people answer for is under the same demands.
        if law.says(&deed) == Verdict::Deny && !tenant.overrides.covers(&of, record.at) {
            return Ok(());
        }
        for rule in law.demands(&deed) {
            if let Demanded::Evidence { name, of_tenant } = rule.demand
                && !tenant.artefacts.is_there((name, of_tenant), &of, record.at)
            {
                self.counts.add(Fault::EvidenceLacking);
                return Ok(());
            }
        }
        let is_event = transaction.definition.step(node.step).is_some_and(|step| step.run.is_inline());
        if is_event && law.demands(&deed).any(Rule::is_counted) {
            return Ok(());
        }
        match tenant.book.count(law.demands(&deed), spender, record.at)? {
            Counted::Short(_) => {
                self.counts.add(Fault::BudgetShort);
                Ok(())
            }
            Counted::Fits(_) | Counted::Waits => Err(format!("{of:?} is denied, and may go out: {deed:?}")),
        }
    }

    /// What a task shows is what was handed out, with the limits that hold.
    pub(super) fn delivers_governed(&self, task: &Task) -> Check {
        let node = task.token.attempt.node();
        let handed = self.transactions.get(&task.transaction).and_then(|of| of.saga.handed(&node));
        let Some(handed) = handed else { return Ok(()) };
        // What an owner of before let out late is of another attempt.
        let tried = self.transactions.get(&task.transaction).map_or(0, |of| of.saga.tried(&node));
        if task.phase == Phase::Do && u64::from(task.attempt) != tried {
            return Ok(());
        }
        let shown = handed.mask.iter().find(|path| has(task.input.value(), path));
        ensure(shown.is_none(), || format!("{shown:?} is masked, and in a task"))?;
        let has_limits = task.limits.contains_key("timeout") == handed.timeout.is_some()
            && task.limits.contains_key("network") == handed.network.is_some();
        ensure(has_limits, || format!("a task has the limits {:?}, not {handed:?}", task.limits))
    }

    /// Whether the attempt that is out since may have been handed another input, since masks are of attempts.
    pub(super) fn may_be_masked_otherwise(&self, attempt: &AttemptRef) -> bool {
        let Some(transaction) = self.transactions.get(&attempt.transaction) else { return false };
        let is_of_before = u64::from(attempt.attempt) < transaction.saga.tried(&attempt.node());
        let law = self.governed.laws.get(&transaction.bundle);
        let masks = law.is_some_and(|law| law.masks() || transaction.saga.is_latest());
        attempt.phase == Phase::Do && is_of_before && masks
    }

    /// The rows of accounts are what the book says.
    pub(super) fn accounts_agree(&mut self, store: &SimStore) -> Check {
        if self.governed.touched.is_empty() {
            return Ok(());
        }
        let rows = Scan::accounts(store, None, usize::MAX).map_err(|err| err.to_string())?;
        for tenant in std::mem::take(&mut self.governed.touched) {
            let Some(of) = self.governed.of.get(&tenant) else { continue };
            let of_tenant = rows.iter().filter(|(owner, _)| *owner == tenant);
            let accounts = of_tenant.map(|(_, row)| AccountRow::of(row).ok_or("a damaged account"));
            let accounts: Vec<AccountRow> = accounts.collect::<Result<_, _>>()?;
            of.book.agree(&accounts).map_err(|why| format!("reference: book of {tenant}: {why}"))?;
        }
        Ok(())
    }

    /// When all has ended, nothing is out and nothing reserved.
    pub(crate) fn books_are_settled(&self) -> Check {
        for (tenant, of) in &self.governed.of {
            of.book.is_settled().map_err(|why| format!("reference: book of {tenant}: {why}"))?;
        }
        Ok(())
    }
}

impl TransactionModel {
    /// What the law is asked about a step, and who spends.
    fn deed(&self, node: NodeRef, attempt: u64) -> (Deed, Spender<'_>) {
        let (number, is_in_input, is_irreversible) = self.saga.deed(&node);
        let step = u64::try_from(node.step.position()).unwrap_or(u64::MAX);
        let deed = Deed { who: self.principal.kind(), step, number, attempt, is_irreversible };
        let (principal, definition, labels) = (self.principal, &self.definition.name, &self.labels);
        (deed, Spender { principal, definition, labels, number, is_in_input })
    }

    fn of(&self, id: TransactionId, node: NodeRef) -> Of<'_> {
        let whole = self.definition.step(node.step).map(|step| &step.id);
        let (principal, definition) = (self.principal, &self.definition.name);
        let step = whole.map(|whole| node.name(whole));
        Of { transaction: id, principal, definition, step, whole: whole.map(Name::as_str) }
    }
}

impl Decided {
    fn read(payload: Option<&[u8]>) -> Check<Self> {
        let text = payload.and_then(Members::read).and_then(|payload| payload.text("decision"));
        let decision: Value = serde_json::from_str(text.ok_or("no decision")?).map_err(|err| err.to_string())?;
        let overridden = decision.get("overridden").and_then(|over| over.get("override")).and_then(Value::as_str);
        let mut decided = Self {
            overridden: overridden.map(str::parse).transpose().map_err(|err| format!("{err}"))?,
            would_deny: decision.get("would_deny").and_then(Value::as_bool).unwrap_or(false),
            cited: BTreeMap::new(),
        };
        for obligation in decision.get("obligations").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| obligation.get(key).and_then(Value::as_str);
            let digest = text("digest").and_then(|digest| digest.parse().ok());
            let cited = text("evidence").and_then(|id| id.parse().ok()).zip(digest);
            decided.cited.extend(text("policy").map(str::to_owned).zip(cited));
        }
        Ok(decided)
    }
}

/// What the law permits is permitted, and what it denies only by who answers for it.
fn is_permitted(
    verdict: Verdict,
    decided: &Decided,
    overrides: &mut Overrides,
    of: &Of<'_>,
    (decision, record): (DecisionId, &Record),
) -> Check {
    match (verdict, decided.overridden) {
        (Verdict::Deny, None) => Err(format!("{of:?} is denied, and nobody answers for it")),
        (Verdict::Deny, Some(over)) => overrides.goes_through(over, of, decision, record.at),
        (Verdict::Permit | Verdict::LeftOpen, Some(over)) => Err(format!("{of:?} is permitted without {over}")),
        (verdict, None) => {
            let is_open = verdict == Verdict::LeftOpen;
            ensure(decided.would_deny == is_open, || format!("{of:?} is left open: {is_open}"))
        }
    }
}

/// What a law demands of what goes out.
fn handed(law: &Law, deed: &Deed) -> Handed {
    let mut handed = Handed::default();
    for rule in law.demands(deed) {
        match &rule.demand {
            Demanded::Mask(fields) => handed.mask.extend(fields),
            Demanded::Limits { timeout, network } => {
                handed.timeout = handed.timeout.into_iter().chain(*timeout).min();
                handed.network = match (handed.network.take(), network) {
                    (Some(one), Some(other)) => Some(one.into_iter().filter(|host| other.contains(host)).collect()),
                    (one, other) => one.or_else(|| other.clone()),
                };
            }
            Demanded::Budget(_) | Demanded::Rate(_) | Demanded::Evidence { .. } => {}
        }
    }
    handed
}

/// Whether a value has what a dotted path names.
fn has(value: &Value, path: &str) -> bool {
    match (value, path.split_once('.')) {
        (Value::Array(items), _) => items.iter().any(|item| has(item, path)),
        (Value::Object(map), None) => map.contains_key(path),
        (Value::Object(map), Some((first, rest))) => map.get(first).is_some_and(|inner| has(inner, rest)),
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => false,
    }
}
