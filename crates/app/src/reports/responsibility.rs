//! Who or what is responsible for each entry of a range, and at what level.
//!
//! It is computed from the entry alone: its kind, its actor, and the decision that it holds. Whether an answer was given
//! by somebody to whom the say was handed, the entry that handed it on says.

use super::payload;
use crate::Error;
use crate::app::App;
use crate::span::Span;
use chancery_base::limits::{REPORT_EXAMPLES, REPORT_FOLLOWED_MAX, REPORT_GROUPS_MAX, REPORT_PEOPLE_MAX};
use chancery_base::{PrincipalId, PrincipalKind, Timestamp, TransactionId};
use chancery_ledger::Record;
use chancery_policy::Grant;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// At what level something is answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A service, an agent or the platform did it; where it was decided, policy alone decided.
    Machine,
    /// A person did it.
    Person,
    /// A person decided what another is to do, or it rests on their approval.
    Supervisor,
    /// The same, by somebody to whom the say was handed.
    Delegated,
    /// People decided it against policy.
    Override,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Machine, Self::Person, Self::Supervisor, Self::Delegated, Self::Override];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Person => "person",
            Self::Supervisor => "supervisor",
            Self::Delegated => "delegated",
            Self::Override => "override",
        }
    }
}

/// What is answered for at a level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelCount {
    /// Entries.
    pub entries: u64,
    /// Those of them that hold a decision.
    pub decisions: u64,
    /// How many by whom: persons only, at most `REPORT_PEOPLE_MAX`.
    pub people: BTreeMap<PrincipalId, u64>,
    /// Entries by further persons.
    pub by_others: u64,
    /// The numbers of the first few.
    pub examples: Vec<u64>,
}

/// What is done of one definition by one action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The definition, where one is known.
    pub definition: Option<String>,
    /// The action that policy was asked about; of what holds no decision the kind of entry.
    pub action: String,
}

/// The report of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responsibility {
    /// The range.
    pub span: Span,
    /// Entries in it.
    pub entries: u64,
    /// What is answered for at each level.
    pub levels: BTreeMap<Level, LevelCount>,
    /// Entries by definition and action, at each level.
    pub groups: BTreeMap<Group, BTreeMap<Level, u64>>,
    /// Entries of further definitions and actions than are told apart.
    pub in_other_groups: u64,
}

/// Counts.
///
/// # Errors
/// If the range is empty, or the store does not answer.
pub async fn responsibility(
    app: &App,
    grant: &Grant,
    range: (Option<Timestamp>, Option<Timestamp>),
) -> Result<Responsibility, Error> {
    let tenant = app.tenant(grant)?;
    let span = Span::of(app, &tenant, range).await?;
    let mut tally = Tally::default();
    let take = |record: &Record, row: Option<&_>| {
        tally.take(record, payload(row)?.as_ref());
        Ok(())
    };
    let entries = span.each(app, &tenant, holds_decision, take).await?;
    let Tally { levels, groups, in_other_groups, .. } = tally;
    Ok(Responsibility { span, entries, levels, groups, in_other_groups })
}

/// Whether its payload says what was decided, of what.
fn holds_decision(record: &Record) -> bool {
    record.refs.decision.is_some() && record.data.get_digest("bundle").is_some()
}

/// The level of an entry; `delegated` says whether its actor was handed the say that it is.
fn level(record: &Record, payload: Option<&Value>, delegated: bool) -> Level {
    let (kind, is_person) = (record.kind.as_str(), record.actor.kind() == PrincipalKind::User);
    if kind.starts_with("override.") {
        return Level::Override;
    }
    match kind {
        "request.answered" if delegated => Level::Delegated,
        "request.answered" => Level::Supervisor,
        // It is handed out only once what it demands was approved.
        "step.dispatched" | "event.emitted" if rests_on_approval(payload) => Level::Supervisor,
        _ if is_person => Level::Person,
        _ => Level::Machine,
    }
}

fn rests_on_approval(payload: Option<&Value>) -> bool {
    let obligations = payload.and_then(|payload| payload.pointer("/decision/obligations")).and_then(Value::as_array);
    let kind = |obligation: &Value| obligation.get("kind").and_then(Value::as_str) == Some("approval");
    obligations.is_some_and(|obligations| obligations.iter().any(kind))
}

#[derive(Debug, Default)]
struct Tally {
    levels: BTreeMap<Level, LevelCount>,
    groups: BTreeMap<Group, BTreeMap<Level, u64>>,
    in_other_groups: u64,
    /// Whom the say of which request was handed to.
    handed: BTreeSet<(String, String)>,
    /// The definitions of transactions that began in the range.
    definitions: HashMap<TransactionId, String>,
}

impl Tally {
    fn take(&mut self, record: &Record, payload: Option<&Value>) {
        let request = record.data.get_word("request_id").map(str::to_owned);
        if let (Some(request), "request.delegated", Some(to)) =
            (&request, record.kind.as_str(), record.data.get_word("to"))
            && self.handed.len() < REPORT_FOLLOWED_MAX
        {
            self.handed.insert((request.clone(), to.to_owned()));
        }
        let delegated = request.is_some_and(|request| self.handed.contains(&(request, record.actor.to_string())));
        let level = level(record, payload, delegated);
        self.count(level, record);
        let group = self.group(record, payload);
        if self.groups.len() >= REPORT_GROUPS_MAX && !self.groups.contains_key(&group) {
            self.in_other_groups += 1;
            return;
        }
        *self.groups.entry(group).or_default().entry(level).or_default() += 1;
    }

    fn count(&mut self, level: Level, record: &Record) {
        let count = self.levels.entry(level).or_default();
        count.entries += 1;
        count.decisions += u64::from(holds_decision(record));
        if count.examples.len() < REPORT_EXAMPLES {
            count.examples.push(record.seq);
        }
        // What rests on an answer is handed out to whoever takes it, which is not to say it.
        let is_handed_out = level == Level::Supervisor && record.kind.as_str() != "request.answered";
        if record.actor.kind() != PrincipalKind::User || is_handed_out {
            return;
        }
        if count.people.len() < REPORT_PEOPLE_MAX || count.people.contains_key(&record.actor) {
            *count.people.entry(record.actor).or_default() += 1;
        } else {
            count.by_others += 1;
        }
    }

    /// Of which definition an entry is, and what it does.
    fn group(&mut self, record: &Record, payload: Option<&Value>) -> Group {
        let text = |pointer: &str| payload.and_then(|payload| payload.pointer(pointer)).and_then(Value::as_str);
        let action = text("/decision/request/action").unwrap_or(record.kind.as_str()).to_owned();
        let began = text("/beginning/definition").map(str::to_owned);
        if let (Some(id), Some(began)) = (record.refs.transaction, &began)
            && self.definitions.len() < REPORT_FOLLOWED_MAX
        {
            self.definitions.insert(id, began.clone());
        }
        let known = || record.refs.transaction.and_then(|id| self.definitions.get(&id).cloned());
        let asked = || match text("/decision/request/resource/type") {
            Some("Definition") => text("/decision/request/resource/id"),
            Some("Step") => text("/decision/request/resource/id").and_then(|id| id.split('/').next()),
            Some(_) | None => None,
        };
        let definition = began.or_else(known).or_else(|| asked().map(str::to_owned));
        Group { definition, action }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::separation::tests::{second, user};
    use chancery_base::{DecisionId, Digest, Slot};
    use chancery_ledger::{Data, Refs, Word};
    use serde_json::json;

    fn record(kind: &'static str, actor: PrincipalId, data: Data) -> Record {
        Record {
            actor,
            at: second(1),
            data,
            epoch: 1,
            kind: Word::from(kind),
            log: "example.org/acme/0/1".parse().unwrap(),
            payload: None,
            refs: Refs::default(),
            seq: 7,
        }
    }

    fn of_request(kind: &'static str, actor: PrincipalId, to: Option<PrincipalId>) -> Record {
        let data = Data::new().word("request_id", Word::from("req_1"));
        record(kind, actor, to.iter().fold(data, |data, to| data.word("to", to)))
    }

    #[test]
    fn the_level_follows_from_the_entry() {
        let approved = json!({ "decision": { "obligations": [{ "kind": "mask" }, { "kind": "approval" }] } });
        let masked = json!({ "decision": { "obligations": [{ "kind": "mask" }] } });
        let machine = PrincipalId::SYSTEM;
        for (kind, actor, payload, delegated, expected) in [
            ("step.dispatched", machine, None, false, Level::Machine),
            ("step.dispatched", machine, Some(&masked), false, Level::Machine),
            ("step.dispatched", machine, Some(&approved), false, Level::Supervisor),
            // That it is demanded does not say that it was given.
            ("request.opened", machine, Some(&approved), false, Level::Machine),
            ("decision.permitted", user(1), Some(&approved), false, Level::Person),
            ("bundle.activated", user(1), None, false, Level::Person),
            ("bundle.activated", machine, None, false, Level::Machine),
            ("request.answered", user(1), None, false, Level::Supervisor),
            ("request.answered", user(1), None, true, Level::Delegated),
            ("request.expired", machine, None, false, Level::Machine),
            ("override.used", machine, Some(&approved), false, Level::Override),
            ("override.granted", user(1), None, false, Level::Override),
        ] {
            assert_eq!(level(&record(kind, actor, Data::new()), payload, delegated), expected, "{kind} by {actor}");
        }
    }

    #[test]
    fn who_was_handed_the_say_answers_as_a_delegate_and_others_do_not() {
        let mut tally = Tally::default();
        for entry in [
            of_request("request.delegated", user(1), Some(user(2))),
            of_request("request.answered", user(2), None),
            of_request("request.answered", user(3), None),
        ] {
            tally.take(&entry, None);
        }
        let people = |level| tally.levels.get(&level).map(|count| count.people.clone()).unwrap_or_default();
        assert_eq!(people(Level::Delegated), BTreeMap::from([(user(2), 1)]));
        assert_eq!(people(Level::Supervisor), BTreeMap::from([(user(3), 1)]));
        assert_eq!(people(Level::Person), BTreeMap::from([(user(1), 1)]), "handing it on is an act of one's own");
    }

    #[test]
    fn entries_are_counted_by_definition_and_action() {
        let id = TransactionId::draw(second(1), Slot::new(1).unwrap(), &mut chancery_base::Entropy::from_seed([1; 32]));
        let mut tally = Tally::default();
        let mut decided = |kind, payload: Option<Value>, in_transaction: bool| {
            let data = Data::new().digest("bundle", Digest::of(b"b"));
            let decision = Some(DecisionId::from_bytes([1; 16]));
            let transaction = in_transaction.then_some(id);
            let refs = Refs { decision, transaction, ..Refs::default() };
            tally.take(&Record { refs, ..record(kind, PrincipalId::SYSTEM, data) }, payload.as_ref());
        };
        let asked = |action: &str, kind: &str, resource: &str| json!({ "request": { "action": action, "resource": { "type": kind, "id": resource } } });
        decided("decision.denied", Some(json!({ "decision": asked("start", "Definition", "order") })), false);
        let started =
            json!({ "beginning": { "definition": "order" }, "decision": asked("start", "Definition", "order") });
        decided("transaction.started", Some(started), true);
        decided("step.dispatched", Some(json!({ "decision": asked("transfer", "Account", "DE12") })), true);
        decided("step.dispatched", Some(json!({ "decision": asked("run", "Step", "other/pay") })), false);
        decided("step.dispatched", None, false);
        let counts: Vec<_> = tally
            .groups
            .iter()
            .map(|(group, levels)| (group.definition.as_deref(), group.action.as_str(), levels.values().sum::<u64>()))
            .collect();
        assert_eq!(
            counts,
            [
                (None, "step.dispatched", 1),
                (Some("order"), "start", 2),
                (Some("order"), "transfer", 1),
                (Some("other"), "run", 1)
            ]
        );
        let machine = tally.levels.get(&Level::Machine).unwrap();
        assert_eq!((machine.entries, machine.decisions, machine.examples.len()), (5, 5, 5));
    }
}
