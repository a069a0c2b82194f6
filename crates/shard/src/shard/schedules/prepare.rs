//! What schedules start, made ready before it is their turn.

use super::{Prepared, Turn};
use crate::batch::{Call, Sources};
use crate::control::Control;
use crate::input::{Command, Start};
use crate::row::PayloadRow;
use crate::shard::build::Needs;
use crate::shard::schedules::asks_to_start;
use crate::shard::{Shard, State};
use chancery_base::limits::BATCH_INPUTS_MAX;
use chancery_base::{Document, Entropy, Name, Slot, Timestamp, TransactionId, json};
use chancery_engine::definition::{Definition, DefinitionKind};
use chancery_engine::schedule::{Head, LABEL, Look, Moment, Overlap, look, render};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What has yet to be loaded.
#[derive(Debug, Default)]
struct Wanted {
    payloads: BTreeSet<u64>,
    definitions: BTreeSet<(Name, u32)>,
}

impl Shard {
    /// What a look at a schedule, or a start of it, needs of the store. By hand it may be started with another `overlap`
    /// than its own.
    pub(in crate::shard) fn needs_of_schedule(
        &self,
        name: &Name,
        turn: Option<Turn>,
        overlap: Option<Overlap>,
        needs: &mut Needs,
    ) {
        let (Some(turn), Some(head)) = (turn, self.schedules.head(name)) else { return };
        needs.transactions.extend(head.transaction.filter(|id| self.is_unknown(*id)));
        // What is terminated takes all that runs below it along.
        if let (Some(running), Overlap::TerminateRunning) = (head.transaction, overlap.unwrap_or(head.terms.overlap)) {
            self.absent_below(running, &mut needs.transactions);
        }
        let prepared = self.schedules.prepared.get(&(name.clone(), turn));
        match (prepared.filter(|prepared| self.is_current(head, prepared)), turn) {
            (Some(Prepared { start: Ok(start), .. }), _) => self.needs_of_start(start, needs),
            // A schedule that is not ready when its time has come is looked at again.
            (Some(_), _) | (None, Turn::Due) => {}
            (None, Turn::Hand) => needs.is_unprepared = true,
        }
    }

    /// Prepares what the schedules of the next batch start; asks for what that takes.
    pub(in crate::shard) fn prepare(&mut self, now: Timestamp, entropy: &mut Entropy) -> Option<Call> {
        let control = self.control.clone()?;
        let inputs = self.queue.iter().take(BATCH_INPUTS_MAX);
        let turns: Vec<(Name, Turn)> = inputs.filter_map(|input| turn_of(&input.command)).collect();
        let mut wanted = Wanted::default();
        for (name, turn) in turns {
            let due = match turn {
                Turn::Due => self.candidate(&name, now),
                Turn::Hand => Some(now),
            };
            if let Some(due) = due {
                self.prepare_one(name, (turn, due, now), &control, &mut wanted, entropy);
            }
        }
        if wanted.payloads.is_empty() && wanted.definitions.is_empty() {
            self.schedules.inputs.clear();
            self.schedules.versions.clear();
            return None;
        }
        // What the store does not have is known to be missing.
        self.schedules.inputs.extend(wanted.payloads.iter().map(|seq| (*seq, None)));
        for (name, version) in &wanted.definitions {
            let missing = format!("there is no definition `{name}` {version}");
            self.schedules.versions.insert((name.clone(), *version), Err(missing));
        }
        let definitions = wanted.definitions.into_iter().collect();
        Some(Call::Sources { log: self.config.log, payloads: wanted.payloads.into_iter().collect(), definitions })
    }

    /// The store's answer.
    pub(in crate::shard) fn sources_loaded(&mut self, sources: Sources) {
        for (seq, row) in &sources.payloads {
            self.schedules.inputs.insert(*seq, input_of(row));
        }
        for row in sources.definitions {
            let read = Definition::from_canonical(&row.source).map(Arc::new);
            if let Ok(definition) = &read {
                self.definitions.entry(definition.digest).or_insert_with(|| Arc::clone(definition));
            }
            let read = read.map_err(|err| format!("definition `{}` {} can't be read: {err}", row.name, row.version));
            self.schedules.versions.insert((row.name, row.version), read);
        }
        self.state = State::Open;
    }

    /// The time that a schedule would start for now, if it would.
    fn candidate(&self, name: &Name, now: Timestamp) -> Option<Timestamp> {
        let scheduled = self.schedules.of.get(name)?;
        let calendar = scheduled.calendar.as_ref().ok()?;
        let runs = scheduled.head.transaction.is_some_and(|id| self.runs(id));
        let mut head = scheduled.head.clone();
        loop {
            match look(&head, calendar, now, runs) {
                Look::Start { due, .. } => return Some(due),
                Look::Skip { next, .. } => head.next = next,
                Look::Nothing | Look::Buffer { .. } => return None,
            }
        }
    }

    fn prepare_one(
        &mut self,
        name: Name,
        (turn, due, now): (Turn, Timestamp, Timestamp),
        control: &Control,
        wanted: &mut Wanted,
        entropy: &mut Entropy,
    ) {
        let Some(scheduled) = self.schedules.of.get(&name) else { return };
        let head = &scheduled.head;
        let is_ready =
            |prepared: &&Prepared| self.is_current(head, prepared) && (turn == Turn::Hand || prepared.due == due);
        if self.schedules.prepared.get(&(name.clone(), turn)).filter(is_ready).is_some() {
            return;
        }
        let of = (head.input_seq, version_of(head, control));
        let (input, definition) = (self.input_for(head, wanted), self.definition_for(head, of.1, control, wanted));
        let (Some(input), Some(definition)) = (input, definition) else { return };
        let start = match (&scheduled.calendar, input, definition) {
            (Err(err), ..) => Err(err.to_string()),
            (_, Err(message), _) | (_, _, Err(message)) => Err(message),
            (Ok(calendar), Ok(input), Ok(definition)) => {
                let moment = Moment { name: &name, due, zone: calendar.zone() };
                start(head, moment, definition, &input, (control, now), entropy)
            }
        };
        self.schedules.prepared.insert((name, turn), Prepared { due, of, start: start.map(Box::new) });
    }

    /// A schedule's input, an error if there is none; `None` if it has to be loaded.
    fn input_for(&self, head: &Head, wanted: &mut Wanted) -> Option<Result<Arc<Document>, String>> {
        match self.schedules.inputs.get(&head.input_seq) {
            Some(Some(input)) => Some(Ok(Arc::clone(input))),
            Some(None) => Some(Err(format!("its input, in entry {}, can't be read", head.input_seq))),
            None => {
                wanted.payloads.insert(head.input_seq);
                None
            }
        }
    }

    /// The definition that a schedule starts, likewise.
    fn definition_for(
        &self,
        head: &Head,
        version: Option<u32>,
        control: &Control,
        wanted: &mut Wanted,
    ) -> Option<Result<Arc<Definition>, String>> {
        let name = &head.terms.definition;
        let Some(version) = version else { return Some(Err(format!("there is no definition `{name}`"))) };
        let newest = control.definitions.get(name).filter(|(newest, _)| *newest == version);
        if let Some(known) = newest.and_then(|(_, digest)| self.definitions.get(digest)) {
            return Some(Ok(Arc::clone(known)));
        }
        let known = self.schedules.versions.get(&(name.clone(), version));
        if known.is_none() {
            wanted.definitions.insert((name.clone(), version));
        }
        known.cloned()
    }

    /// Whether what was prepared is of what holds now.
    pub(super) fn is_current(&self, head: &Head, prepared: &Prepared) -> bool {
        let version = self.control.as_ref().and_then(|control| version_of(head, control));
        prepared.of == (head.input_seq, version)
    }
}

fn turn_of(command: &Command) -> Option<(Name, Turn)> {
    match command {
        Command::Fire(name) => Some((name.clone(), Turn::Due)),
        Command::Schedule(command) => asks_to_start(command).map(|turn| (command.name.clone(), turn)),
        Command::Start(_)
        | Command::Fork(_)
        | Command::Exchange(_)
        | Command::Cancel(_)
        | Command::Terminate(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Signal(..)
        | Command::Retry(_)
        | Command::Resolve(..)
        | Command::Drive(_)
        | Command::Decide(_)
        | Command::Deny(_)
        | Command::RevokeCapability(..)
        | Command::Request(_)
        | Command::Control(_) => None,
    }
}

/// The version that a schedule starts; none where there is no definition.
fn version_of(head: &Head, control: &Control) -> Option<u32> {
    head.terms.version.or_else(|| control.definitions.get(&head.terms.definition).map(|(newest, _)| *newest))
}

fn input_of(row: &PayloadRow) -> Option<Arc<Document>> {
    json::Members::read(row.sealed.open()?)?.document("input")
}

/// The start for a time. The key is the schedule's and the time's: whatever clocks do, and whoever owns the shard, the
/// same time is started for once.
fn start(
    head: &Head,
    moment: Moment<'_>,
    definition: Arc<Definition>,
    input: &Document,
    (control, now): (&Control, Timestamp),
    entropy: &mut Entropy,
) -> Result<Start, String> {
    if definition.kind == DefinitionKind::Open {
        return Err(format!("definition `{}` is open: what drives it has to begin it", definition.name));
    }
    let input = render(input, moment).map_err(|err| err.to_string())?;
    let business_key = definition.business_key(&input);
    let business_key = business_key.map_err(|err| format!("the definition's `key` fails on this input: {err}"))?;
    let key = format!("schedule/{}/{}", moment.name, moment.due);
    let slot = Slot::of_key(&control.tenant.tenant, business_key.as_deref().unwrap_or(&key));
    let mut labels = head.terms.labels.clone();
    labels.insert(LABEL.to_owned(), moment.name.to_string());
    Ok(Start {
        id: TransactionId::draw(now, slot, entropy),
        actor: head.owner,
        definition,
        version_asked: head.terms.version,
        input: Document::shared(input),
        idempotency_key: Some(key),
        business_key,
        labels,
        headers: head.terms.headers.clone(),
        traceparent: None,
        start_at: None,
        signal: None,
        faults: Vec::new(),
        // Whether it is is looked at when it is its turn.
        is_closed: false,
    })
}
