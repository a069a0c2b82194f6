//! The ledger as an auditor reads it, entry by entry after each restart, and what it must say of the calls that the
//! outside service got.

use crate::outside::{Answered, Call};
use chancery_api::ledger::EntriesQuery;
use chancery_api::worker::Phase;
use chancery_base::{Timestamp, TransactionId};
use chancery_ledger::Record;
use chancery_sdk::Client;
use std::collections::{BTreeMap, BTreeSet};

/// A step, its undo or its confirm: transaction, place in the definition, which clone (0: the step as
/// a whole, a clone is one more than its index).
type StepKey = (String, u32, u32, Part);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Do,
    Undo,
    Confirm,
}

impl From<Phase> for Part {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Do => Self::Do,
            Phase::Undo => Self::Undo,
            Phase::Confirm => Self::Confirm,
        }
    }
}

/// The definitions' steps in order.
const STEPS: [&str; 4] = ["a", "b", "c", "d"];
/// Entries of a page.
const PAGE: usize = 1_000;

#[derive(Debug, Default)]
struct Step {
    /// The decision of each attempt that was handed out.
    permits: BTreeMap<u32, String>,
    /// The attempt that is out.
    out: Option<u32>,
    /// It runs a transaction, so that nobody is called for it.
    is_child: bool,
    completed: u32,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: u64,
    last: Option<String>,
    epoch: u64,
    started: BTreeSet<TransactionId>,
    ended: BTreeMap<TransactionId, String>,
    steps: BTreeMap<StepKey, Step>,
    /// Attempts that were out as each owner after the first began to write.
    out_at_kills: Vec<usize>,
}

/// What the calls amount to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) calls: usize,
    /// Calls beyond the first of a key that no refusal of the call before asked for.
    pub(crate) repeats: usize,
}

impl Ledger {
    /// Reads what is new up to now, for under load more is always new. What was read before must be there still.
    pub(crate) async fn read(&mut self, client: &Client) -> Result<(), String> {
        let began = now();
        loop {
            let from = self.next.saturating_sub(1);
            let query = EntriesQuery { from: Some(from), limit: Some(PAGE), ..EntriesQuery::default() };
            let mut pages = client.entries(&query).map_err(|error| error.to_string())?;
            let page = pages.next().await.map_err(|error| format!("entries from {from} on: {error}"))?;
            let mut entries = page.unwrap_or_default();
            if let Some(last) = &self.last {
                let found = entries.first().map(|entry| entry.record.as_str());
                if found != Some(last.as_str()) {
                    return Err(format!("lost: entry {from} was {last} and is {found:?}"));
                }
                entries.remove(0);
            }
            if entries.is_empty() {
                return Ok(());
            }
            let mut is_later = false;
            for entry in entries {
                let record = Record::parse(entry.record.as_bytes()).map_err(|error| error.to_string())?;
                is_later = record.at > began;
                self.add(&record).map_err(|wrong| format!("entry {}: {wrong}: {}", entry.seq, entry.record))?;
                self.last = Some(entry.record);
            }
            if is_later {
                return Ok(());
            }
        }
    }

    fn add(&mut self, record: &Record) -> Result<(), String> {
        if record.seq != self.next {
            return Err(format!("number {} belongs here", self.next));
        }
        self.next += 1;
        if record.epoch < self.epoch {
            return Err(format!("written under epoch {} after {}", record.epoch, self.epoch));
        }
        if record.epoch > self.epoch && self.epoch > 0 && !self.steps.is_empty() {
            self.out_at_kills.push(self.steps.values().filter(|step| step.out.is_some()).count());
        }
        self.epoch = record.epoch;
        let Some(id) = record.refs.transaction else { return Ok(()) };
        if record.kind.as_str() == "transaction.started" {
            return if self.started.insert(id) { Ok(()) } else { Err("started twice".to_owned()) };
        }
        if record.refs.last {
            let status = record.data.get_word("status").unwrap_or("?").to_owned();
            self.ended.insert(id, status);
        }
        self.add_step(record, id)
    }

    fn add_step(&mut self, record: &Record, id: TransactionId) -> Result<(), String> {
        let (part, what) = match record.kind.as_str() {
            "step.dispatched" => (Part::Do, "out"),
            "child.started" => (Part::Do, "child"),
            "compensation.started" => (Part::Undo, "out"),
            "child.recalled" => (Part::Undo, "child"),
            "confirm.started" => (Part::Confirm, "out"),
            "step.completed" => (Part::Do, "completed"),
            "compensation.completed" => (Part::Undo, "completed"),
            "confirm.completed" => (Part::Confirm, "completed"),
            "step.failed" => (Part::Do, "failed"),
            "compensation.failed" => (Part::Undo, "failed"),
            "confirm.failed" => (Part::Confirm, "failed"),
            _ => return Ok(()),
        };
        let (Some(place), Some(attempt)) = (record.refs.step, record.refs.attempt) else {
            return Err("it names no attempt".to_owned());
        };
        let step = self.steps.entry((id.to_string(), place, record.refs.clone.unwrap_or_default(), part)).or_default();
        if what == "child" {
            step.is_child = true;
            step.out = Some(attempt);
            return Ok(());
        }
        if what == "out" {
            let decision = record.refs.decision.ok_or("a permit without a decision")?;
            // A driver that comes back is permitted anew what the one before had not told the outcome of.
            let is_driven = record.data.get_int("driver").is_some();
            if step.out.is_some() && !is_driven || step.completed > 0 {
                return Err("handed out while another attempt is, or after it completed".to_owned());
            }
            if step.permits.insert(attempt, decision.to_string()).is_some() {
                return Err("an attempt was handed out twice".to_owned());
            }
            step.out = Some(attempt);
            return Ok(());
        }
        if step.out.take() != Some(attempt) {
            return Err("the outcome of an attempt that is not out".to_owned());
        }
        step.completed += u32::from(what == "completed");
        Ok(())
    }

    pub(crate) fn has(&self, id: &TransactionId) -> bool {
        self.started.contains(id)
    }

    pub(crate) fn started(&self) -> usize {
        self.started.len()
    }

    pub(crate) fn entries(&self) -> u64 {
        self.next
    }

    /// How a transaction ended.
    pub(crate) fn end(&self, id: &TransactionId) -> Option<&str> {
        self.ended.get(id).map(String::as_str)
    }

    /// Attempts that were out at each kill after which somebody wrote.
    pub(crate) fn out_at_kills(&self) -> &[usize] {
        &self.out_at_kills
    }

    /// Holds every call against the permits, and every completed step against the calls.
    pub(crate) fn check_calls(&self, calls: &[Call], wrong: &mut Vec<String>) -> Counts {
        let mut by_step: BTreeMap<StepKey, Vec<&Call>> = BTreeMap::new();
        let mut keys: BTreeMap<&str, StepKey> = BTreeMap::new();
        for call in calls {
            let place = STEPS.iter().position(|step| *step == call.step).unwrap();
            let clone = call.index.map_or(0, |index| index + 1);
            let key = (call.transaction.clone(), u32::try_from(place).unwrap(), clone, Part::from(call.phase));
            if keys.insert(&call.key, key.clone()).is_some_and(|before| before != key) {
                wrong.push(format!("two steps have the key {}", call.key));
            }
            by_step.entry(key).or_default().push(call);
        }
        let mut counts = Counts { calls: calls.len(), repeats: 0 };
        for (key, calls) in &by_step {
            counts.repeats += repeats(calls);
            if let Err(fault) = permitted(self.steps.get(key), calls) {
                wrong.push(format!("{key:?}: {fault}: {calls:?}"));
            }
        }
        for (key, _) in self.steps.iter().filter(|(_, step)| step.completed > 0 && !step.is_child) {
            let done = |calls: &Vec<&Call>| calls.iter().any(|call| call.answered == Answered::Done);
            if !by_step.get(key).is_some_and(done) {
                wrong.push(format!("{key:?} completed and no call was answered so"));
            }
        }
        counts
    }
}

/// Calls beyond the first that no refusal asked for.
fn repeats(calls: &[&Call]) -> usize {
    let refused = calls.iter().filter(|call| call.answered == Answered::Refused).count();
    calls.len().saturating_sub(1 + refused)
}

fn permitted(step: Option<&Step>, calls: &[&Call]) -> Result<(), String> {
    let Some(step) = step else { return Err("calls without a permit".to_owned()) };
    if calls.iter().any(|call| call.key != calls[0].key) {
        return Err("calls of one step with different keys".to_owned());
    }
    if calls.len() > step.permits.len() {
        return Err(format!("{} calls and {} permits", calls.len(), step.permits.len()));
    }
    for (attempt, decision) in calls.iter().filter_map(|call| call.permit.as_ref()) {
        if step.permits.get(attempt) != Some(decision) {
            return Err(format!("attempt {attempt} was called under {decision}, not under a permit of the ledger"));
        }
    }
    Ok(())
}

/// The server's clock is this machine's.
#[expect(clippy::disallowed_methods, reason = "the log's times are compared with it")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(key: &str, attempt: u32, decision: &str) -> Call {
        Call {
            key: key.to_owned(),
            transaction: "t".to_owned(),
            step: "a".to_owned(),
            index: None,
            phase: Phase::Do,
            permit: Some((attempt, decision.to_owned())),
            answered: Answered::Done,
        }
    }

    fn check(permits: &[(u32, &str)], calls: &[Call], says: Option<&str>) {
        let permits = permits.iter().map(|(attempt, decision)| (*attempt, (*decision).to_owned())).collect();
        let step = Step { permits, out: None, is_child: false, completed: 1 };
        let ledger = Ledger { steps: [(("t".to_owned(), 0, 0, Part::Do), step)].into(), ..Ledger::default() };
        let mut wrong = Vec::new();
        ledger.check_calls(calls, &mut wrong);
        let is_as_said = says.map_or(wrong.is_empty(), |says| wrong.iter().any(|text| text.contains(says)));
        assert!(is_as_said, "{says:?}: {wrong:?}");
    }

    #[test]
    fn what_the_campaign_looks_for_it_finds() {
        check(&[(1, "x")], &[call("k", 1, "x")], None);
        check(&[(1, "x"), (2, "y")], &[call("k", 1, "x"), call("k", 2, "y")], None);
        check(&[(1, "x")], &[], Some("no call was answered"));
        check(&[(1, "x")], &[call("k", 1, "z")], Some("not under a permit"));
        check(&[(1, "x")], &[call("k", 2, "x")], Some("not under a permit"));
        check(&[(1, "x")], &[call("k", 1, "x"), call("k", 1, "x")], Some("2 calls and 1 permits"));
        check(&[(1, "x"), (2, "y")], &[call("k", 1, "x"), call("l", 2, "y")], Some("different keys"));
        let other = Call { step: "b".to_owned(), ..call("k", 1, "x") };
        check(&[(1, "x")], &[call("k", 1, "x"), other.clone()], Some("two steps have the key"));
        check(&[(1, "x")], &[call("k", 1, "x"), other], Some("without a permit"));
    }

    #[test]
    fn a_refusal_asks_for_the_next_call_and_nothing_else_does() {
        let (done, refused) = (call("k", 1, "x"), Call { answered: Answered::Refused, ..call("k", 1, "x") });
        assert_eq!(repeats(&[&done]), 0);
        assert_eq!(repeats(&[&refused, &done]), 0);
        assert_eq!(repeats(&[&done, &refused, &done]), 1);
        assert_eq!(repeats(&[&done, &done, &done]), 2);
    }
}
