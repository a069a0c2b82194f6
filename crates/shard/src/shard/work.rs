//! A batch while it is built, and while it is out.

use super::desk::{CallId, LeaseKey, OpenCall};
use crate::entry::{EntryWriter, OfTransaction};
use crate::expiry::Gone;
use crate::input::{Effect, Input, Observation, Refusal, ReplyTo, Response};
use crate::over::Act;
use crate::payload::Payload;
use crate::row::{ControlRow, EntryRow, EventRow, KeyRow, LabelRow, RequestRow};
use chancery_base::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, BATCH_INPUTS_MAX, BATCH_STEPS_MAX};
use chancery_base::{DecisionId, Entropy, OverrideId, PrincipalId, RequestId, Timestamp, TransactionId};
use chancery_engine::{AccountId, Staged};
use chancery_ledger::{Data, Origin, Word};
use chancery_policy::Decision;
use std::collections::{BTreeMap, BTreeSet};

/// What goes out when a batch is committed, and is taken back when it is not.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) inputs: Vec<Input>,
    pub(super) effects: Vec<Effect>,
    /// Calls that its inputs opened.
    pub(super) calls: Vec<CallId>,
    /// Calls that it answers, closed already.
    pub(super) answered: Vec<(CallId, OpenCall)>,
    pub(super) leases: Vec<LeaseKey>,
}

/// What to do with the outcome of the commit that is out.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) size_after: u64,
    /// An answer rests on what is in memory: the guard has to confirm it even if nothing is written.
    pub(super) rests_on_memory: bool,
    pub(super) raises: bool,
    /// There are events among its entries.
    pub(super) emits: bool,
    pub(super) held: Held,
    /// Transactions to forget if they are settled.
    pub(super) visitors: BTreeSet<TransactionId>,
}

/// A batch while it is built: perhaps while the one before it is on its way to the store.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) now: Timestamp,
    pub(super) entropy: Entropy,
    pub(super) origin: Origin,
    pub(super) epoch: u64,
    pub(super) size: u64,
    pub(super) entries: Vec<EntryRow>,
    pub(super) touched: BTreeSet<TransactionId>,
    pub(super) keys: Vec<KeyRow>,
    pub(super) labels: Vec<LabelRow>,
    pub(super) events: Vec<EventRow>,
    /// The requests to people that something happened to.
    pub(super) requests: BTreeMap<RequestId, RequestRow>,
    /// The accounts that something was counted in.
    pub(super) accounts: BTreeSet<AccountId>,
    pub(super) gone: Gone,
    /// It takes no further input: what it removes must not be written by it as well.
    pub(super) is_closed: bool,
    pub(super) control: Vec<ControlRow>,
    /// How many of its entries change the control state.
    pub(super) raised: u64,
    pub(super) rests_on_memory: bool,
    pub(super) held: Held,
    pub(super) staged: Vec<Staged>,
    /// Overrides that were for one act, which this batch does.
    pub(super) overridden: Vec<(OverrideId, Act)>,
    /// Which rule is broken.
    #[cfg(feature = "sabotage")]
    pub(super) sabotage: Option<super::Sabotage>,
    /// Rows of steps that what happened in it has changed.
    pub(super) steps: usize,
    /// Bytes of the payloads of its entries.
    bytes: usize,
}

impl Work {
    pub(super) fn new(now: Timestamp, entropy: Entropy, origin: Origin, epoch: u64, size: u64) -> Self {
        Self {
            now,
            entropy,
            origin,
            epoch,
            size,
            entries: Vec::new(),
            touched: BTreeSet::new(),
            keys: Vec::new(),
            labels: Vec::new(),
            events: Vec::new(),
            requests: BTreeMap::new(),
            accounts: BTreeSet::new(),
            gone: Gone::default(),
            is_closed: false,
            control: Vec::new(),
            raised: 0,
            rests_on_memory: false,
            held: Held::default(),
            staged: Vec::new(),
            overridden: Vec::new(),
            #[cfg(feature = "sabotage")]
            sabotage: None,
            steps: 0,
            bytes: 0,
        }
    }

    /// The sequence number of the next entry.
    pub(super) fn seq(&self) -> u64 {
        self.size + u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    /// Whether it takes nothing further: it has entries enough, bytes in them, or rows of steps.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= BATCH_ENTRIES_MAX || self.bytes >= BATCH_BYTES_MAX || self.steps >= BATCH_STEPS_MAX
    }

    /// An entry of it changes the control state.
    pub(super) const fn raise(&mut self) {
        self.raised += 1;
    }

    /// Whether it changes the control state.
    pub(super) const fn raises(&self) -> bool {
        self.raised > 0
    }

    /// Whether it takes a further input. What comes after a change of the control state is decided under the new one,
    /// in the batch after that.
    pub(super) fn takes_more(&self) -> bool {
        !self.raises() && !self.is_closed && !self.is_full() && self.held.inputs.len() < BATCH_INPUTS_MAX
    }

    /// Writes what `staged` holds as entries of a transaction.
    pub(super) fn write_staged(
        &mut self,
        (id, is_child): (TransactionId, bool),
        actor: PrincipalId,
        decision: Option<&Decision>,
    ) {
        let staged = std::mem::take(&mut self.staged);
        let from = self.entries.len();
        let mut writer = self.writer();
        for event in &staged {
            writer.transaction(event, OfTransaction { id, is_child, actor, decision });
        }
        self.count_bytes(from);
        self.staged = staged;
        self.staged.clear();
    }

    /// Counts the bytes of the entries from one on.
    fn count_bytes(&mut self, from: usize) {
        let payloads = self.entries.iter().skip(from).filter_map(|entry| entry.payload.as_ref());
        self.bytes += payloads.map(|payload| payload.sealed.bytes.len()).sum::<usize>();
    }

    /// Writes an entry that belongs to no transaction; gives its number.
    pub(super) fn write_control(
        &mut self,
        kind: Word,
        actor: PrincipalId,
        data: Data,
        payload: Option<Vec<u8>>,
    ) -> u64 {
        let seq = self.seq();
        let from = self.entries.len();
        self.writer().control(seq, kind, actor, data, payload);
        self.count_bytes(from);
        seq
    }

    /// Writes a decision that belongs to no transaction; gives its number.
    pub(super) fn write_decision(
        &mut self,
        actor: PrincipalId,
        id: DecisionId,
        decision: Option<&Decision>,
        payload: Payload,
    ) -> u64 {
        let seq = self.seq();
        let from = self.entries.len();
        self.writer().decision(seq, actor, id, decision, payload);
        self.count_bytes(from);
        seq
    }

    pub(super) fn reply(&mut self, to: ReplyTo, answer: Result<Response, Refusal>) {
        debug_assert!(to != ReplyTo::NOBODY, "what the shard asks itself is not answered");
        self.held.effects.push(Effect::Reply(to, answer));
    }

    pub(super) fn observe(&mut self, observation: Observation) {
        self.held.effects.push(Effect::Observed(observation));
    }

    fn writer(&mut self) -> EntryWriter<'_> {
        EntryWriter {
            origin: &self.origin,
            epoch: self.epoch,
            now: self.now,
            entropy: &mut self.entropy,
            out: &mut self.entries,
        }
    }
}
