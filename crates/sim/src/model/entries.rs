//! What must hold of each entry as it becomes durable.

use super::{Attempt, Check, LogModel, Model, POLLED, StepModel, TransactionModel, ensure, position};
use crate::faults::Fault;
use crate::reference::{Saga, WrongRule};
use chancery_base::json::Members;
use chancery_base::{DecisionId, Timestamp, TransactionId};
use chancery_engine::definition::{CompensationPolicy, DefinitionKind, OnError, Run, StepIndex};
use chancery_engine::{ChildStart, Event, Failure, NodeRef, Permitted, Phase, Status, StepError};
use chancery_ledger::Record;
use chancery_policy::Principal;
use chancery_shard::entry::{Recorded, decode, kind};
use chancery_shard::input::ReportedOutcome;
use chancery_shard::row::{EntryRow, LogRow};
use chancery_shard::token::AttemptRef;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Model {
    /// The log as it is now, and its entries beyond those seen before.
    pub(super) fn observe(&mut self, row: &LogRow, entries: &[Arc<EntryRow>]) -> Check {
        let log = self.logs.entry(row.id).or_insert_with(|| LogModel { size: 0 });
        let (seen, count) = (log.size, u64::try_from(entries.len()).unwrap_or(u64::MAX));
        ensure(row.size >= seen, || format!("{}: the log shrank from {seen} to {} entries", row.origin, row.size))?;
        ensure(row.size == seen + count, || format!("{}: size {} with {count} beyond {seen}", row.origin, row.size))?;
        log.size = row.size;
        for (seq, entry) in (seen..).zip(entries) {
            self.entry(row, seq, entry).map_err(|why| format!("{} entry {seq}: {why}", row.origin))?;
        }
        Ok(())
    }

    fn entry(&mut self, row: &LogRow, seq: u64, entry: &EntryRow) -> Check {
        let record = Record::parse(&entry.record).map_err(|err| err.to_string())?;
        self.fold(&entry.record);
        ensure(record.seq == seq && entry.seq == seq, || format!("its number is {}", record.seq))?;
        ensure(record.log == row.origin, || format!("it is of {}", record.log))?;
        ensure(record.epoch == row.epoch, || {
            format!("an owner of epoch {} wrote while the log was at {}", record.epoch, row.epoch)
        })?;
        let payload = entry.payload.as_ref().map(|payload| payload.sealed.bytes.as_slice());
        match decode(&record, payload).map_err(|err| err.to_string())? {
            Recorded::Event(event) => self.event(row, &record, &event, payload),
            Recorded::Other(_) if record.kind == kind::TRANSACTIONS_EXPIRED => self.expire(row, &record),
            Recorded::Other(payload) => self.control(&record, payload),
        }
        .map_err(|why| format!("{}: {why}", record.kind))
    }

    fn fold(&mut self, record: &[u8]) {
        for byte in record {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn control(&mut self, record: &Record, mut payload: Map<String, Value>) -> Check {
        if record.kind.as_str().starts_with("schedule.") {
            return self.follow_schedule(record, &payload);
        }
        if record.kind.as_str().starts_with("stop.") {
            return self.follow_stop(record, &payload);
        }
        if self.follow_governed(record, &payload)? {
            return Ok(());
        }
        let tenant = self.tenants.entry(record.log.tenant().clone()).or_default();
        match record.kind.as_str() {
            "principal.created" | "principal.changed" => {
                let principal = payload.remove("principal").unwrap_or_default();
                let principal: Principal = serde_json::from_value(principal).map_err(|err| err.to_string())?;
                tenant.roles.insert(principal.id, principal.roles.clone());
                if principal.suspended {
                    tenant.suspended.insert(principal.id);
                } else {
                    tenant.suspended.remove(&principal.id);
                }
            }
            "queue.changed" => {
                let queue = payload.get("queue").and_then(Value::as_str).unwrap_or_default();
                let queue = queue.parse().map_err(|err| format!("{err}"))?;
                let most = payload.get("settings").and_then(|settings| settings.get("concurrency"));
                match most.and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok()) {
                    Some(most) => tenant.queues.insert(queue, most),
                    None => tenant.queues.remove(&queue),
                };
            }
            "settings.changed" => {
                let version = record.data.get_int("version").and_then(|version| u32::try_from(version).ok());
                let setting = payload.get("values").and_then(|values| values.get("GEN")).and_then(Value::as_u64);
                let next = tenant.settings.map_or(0, |(version, _)| version) + 1;
                ensure(version == Some(next), || format!("version {version:?} where {next} belongs"))?;
                tenant.settings = Some((next, setting));
                if self.wrong_rule == Some(WrongRule::SeeNewestSettings) {
                    let of_tenant = |one: &&mut TransactionModel| one.tenant == *record.log.tenant();
                    self.transactions.values_mut().filter(of_tenant).for_each(|one| one.saga.see(setting));
                }
            }
            "bundle.activated" => tenant.active = record.data.get_digest("bundle"),
            "decision.denied" => self.counts.add(Fault::Denied),
            _ => {}
        }
        Ok(())
    }

    fn event(&mut self, row: &LogRow, record: &Record, event: &Event, payload: Option<&[u8]>) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        if let Event::Started { beginning, .. } = event {
            self.begins_governed(record, beginning, payload)?;
            return self.started(row, record, event, payload);
        }
        let transaction = self.transactions.get(&id).ok_or("its transaction has not begun")?;
        ensure(transaction.log == row.id, || "it is on another log than its transaction".to_owned())?;
        ensure(record.refs.n == Some(transaction.entries), || {
            format!("number {:?} in its transaction where {} belongs", record.refs.n, transaction.entries)
        })?;
        let is_recalled = *event == Event::Recalled;
        ensure(transaction.ended.is_none() || is_recalled, || format!("{id} has ended"))?;
        // A child that completed may be recalled.
        let may_come_back = |status: Status| status == Status::Completed && transaction.parent.is_some();
        let is_last = matches!(event, Event::Ended { status, .. } if !may_come_back(*status));
        ensure(record.refs.last == is_last, || "`last` is wrong".to_owned())?;
        let expected = self.expected.as_ref().filter(|_| !matches!(event, Event::Started { .. }));
        ensure(expected.is_none(), || format!("{expected:?} was to begin"))?;
        if let Event::Dispatched { node, phase, .. } = event {
            self.has_room(id, node.step, *phase)?;
            self.reaches_unstopped(transaction, node.step, *phase)?;
        }
        self.govern(record, event, payload).map_err(|why| format!("{id}: {why}"))?;
        self.apply(record, event, payload).map_err(|why| format!("{id}: {why}"))?;
        if let Some(transaction) = self.transactions.get_mut(&id) {
            transaction.entries += 1;
            transaction.saga.follow(record.at, record.seq, event).map_err(|why| format!("{id}: {why}"))?;
            self.changed.insert(id);
        }
        self.follow_family(id, record, event).map_err(|why| format!("{id}: {why}"))
    }

    fn started(&mut self, row: &LogRow, record: &Record, event: &Event, payload: Option<&[u8]>) -> Check {
        let Event::Started { beginning, input, decision } = event else { return Ok(()) };
        ensure(record.refs.n == Some(0) && !self.transactions.contains_key(&beginning.id), || "again".to_owned())?;
        self.begins(record, beginning)?;
        self.begins_unstopped(&row.tenant, beginning)?;
        let tenant = self.tenants.entry(row.tenant.clone()).or_default();
        ensure(tenant.active == Some(beginning.bundle) || beginning.parent.is_some(), || {
            format!("decided by bundle {} while {:?} was active", beginning.bundle, tenant.active)
        })?;
        ensure(!tenant.suspended.contains(&beginning.principal), || "its principal is suspended".to_owned())?;
        permitted(payload)?;
        if let Some(key) = &beginning.business_key {
            let before = self.running_keys.insert((row.tenant.clone(), key.clone()), beginning.id);
            let runs = before.and_then(|id| self.transactions.get(&id)).is_some_and(|other| other.ended.is_none());
            ensure(!runs, || format!("business key {key} is of {before:?}, which runs"))?;
        }
        // That of a fork tells only whether the same fork is asked for again.
        if let Some(key) = beginning.idempotency_key.as_ref().filter(|_| beginning.fork.is_none()) {
            let key = (row.tenant.clone(), beginning.business_key.clone(), key.clone());
            let before = self.start_keys.insert(key, beginning.id);
            ensure(before.is_none(), || format!("its idempotency key is of {before:?}"))?;
        }
        let parent = beginning.parent.as_ref().and_then(|parent| self.transactions.get(&parent.id));
        let holds = tenant.settings.map_or((None, None), |(version, setting)| (Some(version), setting));
        let (settings, setting) = parent.map_or(holds, |parent| (parent.settings, parent.saga.sees()));
        ensure(settings == beginning.settings, || {
            format!("it sees settings {:?} and not {settings:?}", beginning.settings)
        })?;
        let source = beginning.fork.as_ref().and_then(|fork| self.transactions.get(&fork.source));
        ensure(parent.or(source).is_none_or(|from| from.headers == beginning.headers), || {
            format!("its headers are {:?}, not those that it has to take over", beginning.headers)
        })?;
        let (_, plan) = self.definitions.get(&beginning.digest).ok_or("an unknown definition")?;
        let mut saga = Saga::new(Arc::clone(plan), input, record.at, beginning.start_at, self.wrong_rule);
        saga.see(setting);
        let saga = self.forked(beginning, record, saga)?;
        let (definition, _) = self.definitions.get(&beginning.digest).ok_or("an unknown definition")?;
        let transaction = TransactionModel {
            tenant: row.tenant.clone(),
            log: row.id,
            definition: definition.clone(),
            ended: None,
            ended_at: record.at,
            parked: None,
            cancels: 0,
            resumed: 0,
            resolved: 0,
            pauses: 0,
            unpauses: 0,
            is_paused: false,
            principal: beginning.principal,
            bundle: beginning.bundle,
            decision: *decision,
            labels: beginning.labels.clone(),
            business_key: beginning.business_key.clone(),
            parent: beginning.parent.as_ref().map(|parent| parent.id),
            settings,
            headers: beginning.headers.clone(),
            entries: 1,
            turned: false,
            confirming: false,
            steps: StepModel::all(definition),
            requests: BTreeMap::new(),
            saga,
        };
        self.transactions.insert(beginning.id, transaction);
        self.schedules.began(beginning);
        self.changed.insert(beginning.id);
        Ok(())
    }

    fn apply(&mut self, record: &Record, event: &Event, payload: Option<&[u8]>) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        match event {
            Event::Started { .. } => Ok(()),
            Event::Dispatched { phase: Phase::Do, .. } => self.dispatched(record, event, payload),
            Event::Dispatched { phase: Phase::Undo, .. } => self.compensation_started(record, event),
            Event::Permitted(permitted) => self.permitted(record, permitted, payload),
            // Which driver may do what, the reference model knows.
            Event::Claimed { .. } | Event::DriverResumed { .. } | Event::DriverHeard { .. } => Ok(()),
            Event::DriverLost => {
                self.counts.add(Fault::DriverLost);
                self.with(record, |transaction| transaction.turned = true)
            }
            Event::Dispatched { phase: Phase::Confirm, .. } => self.confirm_started(record, event),
            Event::Accepted { node, phase, attempt } => self.accepted(AttemptRef::of(id, *node, *phase, *attempt)),
            Event::Completed { .. } => self.completed(record, event),
            Event::CarriedOut(done) => self.carried_out(record, done, payload),
            Event::ChildStarted(start) => self.child_started(record, start),
            Event::ChildRecalled { node, attempt } => self.child_recalled(record, *node, *attempt),
            Event::Inherited(inherited) => self.inherited(id, record, inherited),
            Event::Recalled => self.with(record, |transaction| {
                transaction.turned = true;
                transaction.ended = None;
            }),
            Event::AttemptFailed { .. } => self.failed(record, event),
            Event::Resolved { phase, .. } => self.resolved(record, *phase),
            Event::Denied { decision, .. } => self.denied(record, *decision),
            Event::StepDenied { .. } => {
                self.counts.add(Fault::Denied);
                Ok(())
            }
            Event::Polled { .. } => self.polled(record, event),
            Event::TimerFired { node: Some(node) } if self.polls(id, *node) => Ok(()),
            Event::TimerFired { node: Some(_) } | Event::SignalTaken { .. } => {
                let n = self.transactions.get(&id).map(|transaction| transaction.entries);
                self.with_step(record, |step| step.completed_n = n)
            }
            // What these come to, the reference model knows.
            Event::TimerFired { node: None }
            | Event::TimerStarted { .. }
            | Event::SignalAwaited { .. }
            | Event::SignalReceived { .. } => Ok(()),
            Event::Paused { .. } => self.with(record, |transaction| {
                transaction.is_paused = true;
                transaction.pauses += 1;
            }),
            Event::Unpaused { .. } => self.with(record, |transaction| {
                transaction.is_paused = false;
                transaction.unpauses += 1;
            }),
            Event::Requested(requested) => self.requested(record, requested),
            Event::Expanded { node, items } => self.expanded(record, *node, items),
            Event::Skipped { .. } => self.with_step(record, |step| step.skipped = true),
            Event::OutputFailed { .. } | Event::TimedOut => self.with(record, |transaction| {
                transaction.turned = !transaction.has_pivot() && !transaction.confirming;
            }),
            Event::Confirming => self.confirming(record),
            Event::CancelRequested { .. } => self.with(record, |transaction| {
                transaction.turned = true;
                transaction.parked = None;
                transaction.is_paused = false;
                transaction.cancels += 1;
            }),
            Event::Parked { node } => {
                self.counts.add(Fault::Parked);
                self.with(record, |transaction| transaction.parked = Some(*node))
            }
            Event::Resumed { .. } => self.with(record, |transaction| {
                transaction.parked = None;
                transaction.resumed += 1;
            }),
            Event::Ended { status, .. } => self.ended(record, *status),
        }
    }

    /// Of what was never out the denial is the decision.
    fn denied(&mut self, record: &Record, decision: DecisionId) -> Check {
        self.counts.add(Fault::Denied);
        self.with_step(record, |step| {
            if step.forward.is_empty() {
                step.decision = Some(decision);
            }
        })
    }

    fn completed(&mut self, record: &Record, event: &Event) -> Check {
        let Event::Completed { node, phase, attempt, output, .. } = event else { return Ok(()) };
        let id = record.refs.transaction.ok_or("no transaction")?;
        let attempt = AttemptRef::of(id, *node, *phase, *attempt);
        let said = |outcome: &ReportedOutcome| matches!(outcome, ReportedOutcome::Completed(said) if said == output);
        self.reported(&attempt, said)?;
        self.close(&attempt, "completed")?;
        let n = self.transactions.get(&id).map(|transaction| transaction.entries);
        let output = Arc::clone(output);
        self.with_step(record, |step| match phase {
            Phase::Do => (step.completed_n, step.output) = (n, Some(output)),
            Phase::Undo => step.undone = true,
            Phase::Confirm => step.confirmed = true,
        })
    }

    /// A round of a step that polls: its worker said so, and from then on it may have taken effect.
    fn polled(&mut self, record: &Record, event: &Event) -> Check {
        let Event::Polled { node, attempt, output, .. } = event else { return Ok(()) };
        let id = record.refs.transaction.ok_or("no transaction")?;
        ensure(self.polls(id, *node), || "of a step that does not poll".to_owned())?;
        let attempt = AttemptRef::of(id, *node, Phase::Do, *attempt);
        let said = |outcome: &ReportedOutcome| matches!(outcome, ReportedOutcome::Completed(said) if said == output);
        self.reported(&attempt, said)?;
        self.close(&attempt, POLLED)?;
        self.counts.add(Fault::Polled);
        self.with_step(record, |step| step.unknown = true)
    }

    fn polls(&self, id: TransactionId, node: NodeRef) -> bool {
        let transaction = self.transactions.get(&id);
        transaction.and_then(|of| of.definition.step(node.step)).is_some_and(|step| step.poll.is_some())
    }

    fn resolved(&mut self, record: &Record, phase: Phase) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let n = self.transactions.get(&id).map(|transaction| transaction.entries);
        self.with(record, |transaction| {
            transaction.parked = None;
            transaction.resolved += 1;
        })?;
        self.with_step(record, |step| match phase {
            Phase::Do => step.completed_n = n,
            Phase::Undo => step.undone = true,
            Phase::Confirm => step.confirmed = true,
        })
    }

    pub(super) fn with(&mut self, record: &Record, change: impl FnOnce(&mut TransactionModel)) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        change(self.transactions.get_mut(&id).ok_or("an unknown transaction")?);
        Ok(())
    }

    pub(super) fn with_step(&mut self, record: &Record, change: impl FnOnce(&mut StepModel)) -> Check {
        let step = StepIndex(record.refs.step.ok_or("no step")?);
        let node = NodeRef { step, clone: record.refs.clone.ok_or("no clone")? };
        let mut found = false;
        self.with(record, |transaction| {
            if let Some(step) = transaction.steps.get_mut(&node) {
                found = true;
                change(step);
            }
        })?;
        ensure(found, || "an unknown step".to_owned())
    }

    /// A step fans out once, when what is before it is over, and each clone is there from then on.
    pub(super) fn expanded(&mut self, record: &Record, node: NodeRef, items: &Value) -> Check {
        let count = items.as_array().ok_or("over no list")?.len();
        self.with_step(record, |step| step.clones = u32::try_from(count).ok())?;
        self.with(record, |transaction| {
            let Some(step) = transaction.definition.step(node.step) else { return };
            let clones = (1..).take(count).map(|clone| NodeRef { step: node.step, clone });
            transaction.steps.extend(clones.map(|clone| (clone, StepModel::of(step, clone))));
        })
    }

    /// Whose doing it is may act.
    fn acts(&self, record: &Record) -> Check {
        ensure(!self.is_suspended(record.log.tenant(), record.actor), || {
            format!("handed out to {}, which is suspended", record.actor)
        })
    }

    /// No more attempts of a queue are out than its tenant allows, of those on one log.
    fn has_room(&self, id: TransactionId, step: StepIndex, phase: Phase) -> Check {
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let Some(queue) = transaction.queue(step, phase) else { return Ok(()) };
        let most = self.tenants.get(&transaction.tenant).and_then(|tenant| tenant.queues.get(queue));
        let Some(most) = most else { return Ok(()) };
        let beside = self.transactions.values().filter(|other| other.log == transaction.log && other.ended.is_none());
        let out: usize = beside.map(|other| other.out_of(queue)).sum();
        ensure(out < *most, || format!("{out} attempts of queue {queue} are out, {most} are allowed"))
    }

    /// A hand-out: permitted in this very entry, of somebody not suspended, and the only one of its step.
    fn dispatched(&mut self, record: &Record, event: &Event, payload: Option<&[u8]>) -> Check {
        let Event::Dispatched { node, attempt, decision, deadline, .. } = event else { return Ok(()) };
        let id = record.refs.transaction.ok_or("no transaction")?;
        permitted(payload)?;
        self.acts(record)?;
        let step = self.transactions.get(&id).and_then(|transaction| transaction.definition.step(node.step));
        self.goes_unstopped(id, step.map(|step| step.action.as_str()))?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        ensure(!self.is_suspended(&transaction.tenant, transaction.principal), || {
            format!("handed out while {} is suspended", transaction.principal)
        })?;
        ensure(record.data.get_digest("bundle") == self.decides(transaction), || {
            "decided by another bundle".to_owned()
        })?;
        let goes_forward = !transaction.turned && !transaction.confirming;
        ensure(goes_forward, || "handed out though the transaction does no more".to_owned())?;
        let definition = transaction.definition.step(node.step).ok_or("an unknown step")?;
        let is_clone = node.clone > 0;
        ensure(is_clone == definition.each.is_some(), || "handed out as a whole, or as a clone of none".to_owned())?;
        for before in &definition.after {
            ensure(transaction.is_over(*before), || format!("handed out before step {} was done", before.0))?;
        }
        let out = transaction.steps.values().filter(|step| step.is_out(Phase::Do)).count();
        let most = usize::try_from(transaction.definition.concurrency).unwrap_or(usize::MAX);
        ensure(out < most, || format!("{out} attempts are out, {most} are allowed"))?;
        let at = record.at;
        let attempt_new = Attempt::new(at, *deadline, *decision);
        let mut outcome = Ok(());
        self.with_step(record, |step| {
            outcome = next(&step.forward, *attempt);
            step.forward.push(attempt_new);
            step.decision = Some(*decision);
        })?;
        outcome
    }

    /// A permit of a driver's step: in this very entry, and the only attempt of its step, but for one that another
    /// driver left.
    fn permitted(&mut self, record: &Record, permit: &Permitted, payload: Option<&[u8]>) -> Check {
        let Permitted { node, attempt, decision, deadline, intent, .. } = permit;
        let id = record.refs.transaction.ok_or("no transaction")?;
        permitted(payload)?;
        self.goes_unstopped(id, intent.as_ref().map(|intent| intent.action.as_str()))?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        ensure(!self.is_suspended(&transaction.tenant, transaction.principal), || {
            format!("permitted while {} is suspended", transaction.principal)
        })?;
        ensure(record.data.get_digest("bundle") == self.decides(transaction), || {
            "decided by another bundle".to_owned()
        })?;
        ensure(!transaction.turned, || "permitted though the transaction goes backward".to_owned())?;
        if let Some(intent) = intent {
            let on_error = transaction.definition.frame.as_ref().ok_or("it is not open")?.on_error;
            let undo_on_error = intent.undo.as_ref().map(|undo| undo.on_error.unwrap_or(on_error));
            let step =
                StepModel { name: intent.step.to_string(), undo_on_error, is_optional: true, ..StepModel::default() };
            ensure(transaction.steps.len() == node.step.position(), || "a step is left out".to_owned())?;
            self.with(record, |transaction| drop(transaction.steps.insert(*node, step)))?;
        }
        let new = Attempt::new(record.at, *deadline, *decision);
        let mut outcome = Ok(());
        self.with_step(record, |step| {
            if let Some(left) = step.forward.last_mut().filter(|last| last.outcome.is_none()) {
                left.outcome = Some("superseded");
                step.unknown = true;
            }
            outcome = next(&step.forward, *attempt);
            step.forward.push(new);
            step.decision = Some(*decision);
        })?;
        outcome
    }

    /// A child begins: that it may, its own first entry says.
    fn child_started(&mut self, record: &Record, start: &ChildStart) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        ensure(!transaction.turned, || "a child begins though the transaction does no more".to_owned())?;
        let began = Attempt::new(record.at, Timestamp::MAX, start.decision);
        let mut outcome = Ok(());
        self.with_step(record, |step| {
            outcome = next(&step.forward, start.attempt);
            step.forward.push(began);
            step.decision = Some(start.decision);
        })?;
        outcome
    }

    fn child_recalled(&mut self, record: &Record, node: NodeRef, attempt: u32) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let state = transaction.steps.get(&node).ok_or("an unknown step")?;
        let decision = state.decision.ok_or("its step was not decided")?;
        ensure(state.may_have_run() && !state.undone, || "there is nothing to undo".to_owned())?;
        let is_out = transaction.steps.values().any(|step| step.is_out(Phase::Do));
        ensure(!is_out && transaction.parked.is_none(), || "something is out, or it is parked".to_owned())?;
        let began = Attempt::new(record.at, Timestamp::MAX, decision);
        let mut outcome = Ok(());
        self.with(record, |transaction| transaction.turned = true)?;
        self.with_step(record, |step| {
            outcome = next(&step.undo, attempt);
            step.undo.push(began);
        })?;
        outcome
    }

    /// An undo: of a step that took effect or may have, in the order that its definition says.
    fn compensation_started(&mut self, record: &Record, event: &Event) -> Check {
        let Event::Dispatched { node, attempt, decision, deadline, .. } = event else { return Ok(()) };
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let state = transaction.steps.get(node).ok_or("an unknown step")?;
        self.acts(record)?;
        ensure(transaction.parked.is_none(), || "it is parked".to_owned())?;
        ensure(state.may_have_run(), || "the step neither completed nor is unknown".to_owned())?;
        ensure(!state.undone, || "the step is undone already".to_owned())?;
        let is_tried = transaction.confirming && state.completed_n.is_some();
        ensure(!is_tried, || "it is to be confirmed".to_owned())?;
        transaction.covers(state, *decision)?;
        let steps = transaction.steps.iter().filter(|(other, _)| *other != node);
        // What may have been tried beside what is confirmed has no order.
        let in_sequence = !transaction.confirming
            && match transaction.definition.compensation {
                CompensationPolicy::GroupedParallel | CompensationPolicy::BestEffortParallel => false,
                CompensationPolicy::StrictSequential
                | CompensationPolicy::RetryWithBackoff
                | CompensationPolicy::CircuitBreaker => true,
            };
        for (number, other_state) in steps {
            ensure(!other_state.is_out(Phase::Do), || format!("step {number} is out"))?;
            if !in_sequence || other_state.given_up {
                continue;
            }
            ensure(other_state.undo.is_empty() || other_state.undone, || format!("step {number} is being undone"))?;
            let undoable = other_state.undo_on_error.is_some();
            let later = other_state.completed_n > state.completed_n && state.completed_n.is_some();
            ensure(!(undoable && later) || other_state.undone, || format!("step {number}, done later, is not undone"))?;
        }
        let (at, deadline, decision) = (record.at, *deadline, *decision);
        let mut outcome = Ok(());
        self.with(record, |transaction| transaction.turned = !transaction.confirming)?;
        self.with_step(record, |step| {
            outcome = next(&step.undo, *attempt);
            step.undo.push(Attempt::new(at, deadline, decision));
        })?;
        outcome
    }

    /// The decision to confirm: every participant is tried, or may be left out.
    fn confirming(&mut self, record: &Record) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get_mut(&id).ok_or("an unknown transaction")?;
        let may = !transaction.turned && !transaction.confirming && transaction.steps.values().all(StepModel::is_over);
        transaction.confirming = true;
        ensure(transaction.definition.kind == DefinitionKind::Tcc && may, || "not all is tried".to_owned())
    }

    /// A confirm: after the decision, of what was tried.
    fn confirm_started(&mut self, record: &Record, event: &Event) -> Check {
        let Event::Dispatched { node, attempt, decision, deadline, .. } = event else { return Ok(()) };
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
        let state = transaction.steps.get(node).ok_or("an unknown step")?;
        self.acts(record)?;
        ensure(transaction.parked.is_none(), || "it is parked".to_owned())?;
        ensure(transaction.confirming, || "nobody decided to confirm".to_owned())?;
        ensure(state.completed_n.is_some(), || "it was not tried".to_owned())?;
        ensure(!state.confirmed, || "it is confirmed already".to_owned())?;
        transaction.covers(state, *decision)?;
        let (at, deadline, decision) = (record.at, *deadline, *decision);
        let mut outcome = Ok(());
        self.with_step(record, |step| {
            outcome = next(&step.undo, *attempt);
            step.undo.push(Attempt::new(at, deadline, decision));
        })?;
        outcome
    }

    fn failed(&mut self, record: &Record, event: &Event) -> Check {
        let Event::AttemptFailed { node, phase, attempt, failure, error, retry_at } = event else { return Ok(()) };
        let id = record.refs.transaction.ok_or("no transaction")?;
        let attempt = AttemptRef::of(id, *node, *phase, *attempt);
        match failure {
            Failure::Failed => {
                self.reported(&attempt, |said| matches!(said, ReportedOutcome::Failed(said) if said == error))?;
            }
            Failure::Unknown => {
                self.reported(&attempt, |said| matches!(said, ReportedOutcome::Unknown(said) if said == error))?;
            }
            Failure::TimedOut => {
                self.counts.add(Fault::TimedOut);
                let deadline = self.attempt(&attempt).map(|attempt| attempt.deadline);
                ensure(deadline.is_some_and(|deadline| deadline <= record.at), || "before its deadline".to_owned())?;
            }
            Failure::Lapsed => {
                self.counts.add(Fault::LeaseLapsed);
                self.lapsed(&attempt, record.at)?;
            }
            Failure::QueueTimedOut
            | Failure::SignalTimedOut
            | Failure::RequestDenied
            | Failure::RequestExpired
            | Failure::Exhausted
            | Failure::Denied
            | Failure::DeniedAnew => {}
            Failure::Refused => {
                let transaction = self.transactions.get(&id).ok_or("an unknown transaction")?;
                let is_stopped = self.may_be_parked(transaction, node.step, *phase);
                let says_so = error.r#type == StepError::TARGET_STOPPED;
                ensure(!says_so || is_stopped, || "its target is not stopped".to_owned())?;
            }
        }
        if failure.was_dispatched() {
            self.close(&attempt, failure.word())?;
        }
        let state = self.transactions.get(&id).and_then(|transaction| transaction.steps.get(node));
        let (is_optional, undo) = state.map_or((false, None), |step| (step.is_optional, step.undo_on_error));
        let is_last = retry_at.is_none();
        match phase {
            Phase::Do => {
                self.with_step(record, |step| {
                    step.unknown |= failure.is_unknown();
                    step.passed = is_optional && is_last;
                })?;
                // Past a pivot it does not turn: whether it is past one, the reference model knows.
                self.with(record, |transaction| {
                    let turns = is_last && !is_optional && !failure.parks();
                    transaction.turned |= turns && !transaction.has_pivot();
                })
            }
            Phase::Undo => self.with_step(record, |step| {
                step.given_up = is_last && undo.is_some_and(|on_error| !on_error.parks());
                step.undone |= is_last && undo == Some(OnError::MarkCompensated);
            }),
            // It waits for a person.
            Phase::Confirm => Ok(()),
        }
    }

    /// Its target said that it took the attempt.
    fn accepted(&mut self, attempt: AttemptRef) -> Check {
        self.reported(&attempt, |said| matches!(said, ReportedOutcome::Accepted))?;
        let state = self.attempt_mut(&attempt).ok_or("of an attempt that was not handed out")?;
        state.is_accepted = true;
        Ok(())
    }

    /// A lapse: no sooner than a whole lease after the hand-out, and after the renewal that the worker knows of.
    fn lapsed(&self, attempt: &AttemptRef, at: Timestamp) -> Check {
        let state = self.attempt(attempt).ok_or("of an attempt that was not handed out")?;
        ensure(!state.is_accepted, || "its target accepted it: it has no lease".to_owned())?;
        let since = state.renewed_at.map_or(state.at, |renewed| renewed.max(state.at));
        ensure(since.plus(self.lease) <= at, || format!("at {at}, though it was leased at {since}"))
    }

    /// Somebody said so, or nobody had to.
    fn reported(&self, attempt: &AttemptRef, said: impl Fn(&ReportedOutcome) -> bool) -> Check {
        let transaction = self.transactions.get(&attempt.transaction).ok_or("an unknown transaction")?;
        // What an open transaction does, somebody says.
        let step = transaction.definition.step(StepIndex(attempt.step));
        // What a child came to, its own entries say.
        if matches!(step.and_then(|step| step.run_of(attempt.phase)), Some(Run::Noop | Run::Transaction(_))) {
            return Ok(());
        }
        let reports = self.reports.get(attempt);
        ensure(reports.is_some_and(|reports| reports.iter().any(said)), || {
            format!("no worker said so of attempt {} of step {}", attempt.attempt, attempt.step)
        })
    }

    fn close(&mut self, attempt: &AttemptRef, outcome: &'static str) -> Check {
        let number = attempt.attempt;
        let state = self.attempt_mut(attempt).ok_or_else(|| format!("attempt {number} was not handed out"))?;
        let before = state.outcome.replace(outcome);
        ensure(before.is_none(), || format!("attempt {number} had the outcome {before:?} already"))
    }

    fn ended(&mut self, record: &Record, status: Status) -> Check {
        let id = record.refs.transaction.ok_or("no transaction")?;
        let transaction = self.transactions.get_mut(&id).ok_or("an unknown transaction")?;
        (transaction.ended, transaction.ended_at) = (Some(status), record.at);
        transaction.parked = None;
        let steps = || transaction.steps.values();
        let left = steps().any(|state| state.undo_on_error.is_some() && state.may_have_run() && !state.undone);
        let undone = steps().any(|step| step.undone);
        let given_up = steps().any(|step| step.given_up && !step.undone);
        let mut wholes = transaction.steps.keys().filter(|node| node.clone == 0);
        let done = wholes.all(|node| transaction.is_over(node.step));
        let confirmed = steps().all(|step| step.completed_n.is_none() || step.confirmed);
        let is_tcc = transaction.definition.kind == DefinitionKind::Tcc;
        let fits = match status {
            Status::Terminated => true,
            Status::Completed if is_tcc => done && transaction.confirming && confirmed,
            Status::Completed => done && !undone,
            Status::Compensated => !left && (undone || transaction.saga.was_recalled()),
            Status::Failed => given_up || !left && !undone,
            Status::Cancelled => !left && transaction.cancels > 0,
            Status::Running | Status::Confirming | Status::Compensating | Status::Parked => false,
        };
        // What was decided to be confirmed ends in no other way.
        let fits = fits && (!transaction.confirming || matches!(status, Status::Completed | Status::Terminated));
        if let Some(key) = &transaction.business_key {
            let key = (transaction.tenant.clone(), key.clone());
            if self.running_keys.get(&key) == Some(&id) {
                self.running_keys.remove(&key);
            }
        }
        ensure(fits, || format!("as {} with undone {undone}, left {left}, done {done}", status.word()))
    }
}

/// Attempts are numbered from 1 without gaps, and one begins only when the one before is over.
pub(super) fn next(attempts: &[Attempt], number: u32) -> Check {
    let over = attempts.last().is_none_or(|attempt| attempt.outcome.is_some_and(|outcome| outcome != "completed"));
    ensure(over, || "the attempt before is not over, or was done".to_owned())?;
    ensure(position(number) == attempts.len() + 1, || format!("attempt {number} after {}", attempts.len()))
}

/// The entry itself holds a decision, and it permits.
pub(super) fn permitted(payload: Option<&[u8]>) -> Check {
    let outcome = outcome_of(payload);
    ensure(outcome == Some("\"permit\""), || format!("without a permit: {outcome:?}"))
}

/// What the decision says that an entry holds, as JSON.
pub(super) fn outcome_of(payload: Option<&[u8]>) -> Option<&str> {
    let decision = payload.and_then(Members::read).and_then(|payload| payload.text("decision"))?;
    Members::read(decision.as_bytes())?.text("outcome")
}
