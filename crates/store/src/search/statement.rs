//! The statements. The databases differ in how a value is named, `?1` or `$1`.

use super::{Key, Plan, Reach};
use chancery_base::{RequestId, TransactionId};
use chancery_shard::row::LogId;
use chancery_shard::search::{Condition, Side, Term};

/// A value of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Bytes(Vec<u8>),
    Int(i64),
    Id(TransactionId),
    Request(RequestId),
}

/// A statement in the making.
#[derive(Debug)]
pub(crate) struct Statement {
    sigil: char,
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Statement {
    /// An empty one, in which values are named with this before their number.
    pub(crate) const fn new(sigil: char) -> Self {
        Self { sigil, sql: String::new(), values: Vec::new() }
    }

    pub(crate) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("{}{}", self.sigil, self.values.len())
    }

    fn text(&mut self, text: &str) -> String {
        self.bind(Value::Text(text.to_owned()))
    }

    fn int(&mut self, number: i64) -> String {
        self.bind(Value::Int(number))
    }

    fn rows(&mut self, count: usize) -> String {
        self.int(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// The lowest id that is looked at: without a row all of them are, as far down as there are any.
pub(crate) fn floor(s: &mut Statement, plan: &Plan<'_>, logs: &[LogId], reach: Reach) {
    let parts = streams(plan, logs).map(|(log, key)| {
        let from = source(s, log, key);
        let bounds = bounds(s, key, reach.before, None);
        let (id, skip) = (id_of(key), s.rows(reach.looks.saturating_sub(1)));
        format!("SELECT {id} AS id FROM {from}{bounds} ORDER BY {id} DESC LIMIT 1 OFFSET {skip}")
    });
    let parts: Vec<String> = parts.collect();
    s.sql = format!("SELECT id FROM ({}) AS floors ORDER BY id DESC LIMIT 1", union(&parts));
}

/// A page of rows, these columns of them.
pub(crate) fn page(
    s: &mut Statement,
    plan: &Plan<'_>,
    logs: &[LogId],
    reach: Reach,
    floor: Option<TransactionId>,
    columns: &str,
) {
    let parts = parts(s, plan, logs, reach, floor);
    let limit = s.rows(reach.limit);
    s.sql = format!(
        "SELECT {columns} FROM transactions WHERE id IN \
         (SELECT id FROM ({}) AS found ORDER BY id DESC LIMIT {limit}) ORDER BY id DESC",
        union(&parts)
    );
}

/// How many there are, up to the limit.
pub(crate) fn count(s: &mut Statement, plan: &Plan<'_>, logs: &[LogId], reach: Reach, floor: Option<TransactionId>) {
    let parts = parts(s, plan, logs, reach, floor);
    let limit = s.rows(reach.limit);
    s.sql = format!("SELECT count(*) FROM (SELECT id FROM ({}) AS found LIMIT {limit}) AS counted", union(&parts));
}

/// The ids that each key has, newest first.
fn parts(
    s: &mut Statement,
    plan: &Plan<'_>,
    logs: &[LogId],
    reach: Reach,
    floor: Option<TransactionId>,
) -> Vec<String> {
    let parts = streams(plan, logs).map(|(log, key)| {
        let mut conditions = source(s, log, key);
        conditions.push_str(&bounds(s, key, reach.before, floor));
        let rest: Vec<String> = plan.rest.iter().map(|term| condition(s, term)).collect();
        if !rest.is_empty() {
            conditions.push_str(&looked_at(key, &rest.join(" AND ")));
        }
        let (id, limit) = (id_of(key), s.rows(reach.limit));
        format!("SELECT {id} AS id FROM {conditions} ORDER BY {id} DESC LIMIT {limit}")
    });
    parts.collect()
}

fn streams<'a>(plan: &Plan<'a>, logs: &[LogId]) -> impl Iterator<Item = (LogId, Key<'a>)> {
    logs.iter().flat_map(|log| plan.keys.iter().map(|key| (*log, *key)))
}

fn union(parts: &[String]) -> String {
    let parts: Vec<String> =
        (0..).zip(parts).map(|(number, part): (u32, _)| format!("SELECT id FROM ({part}) AS part{number}")).collect();
    parts.join(" UNION ALL ")
}

/// The id's column in the index of a key.
const fn id_of(key: Key<'_>) -> &'static str {
    match key {
        Key::Log | Key::Status(_) | Key::Business(_) | Key::Parent(_) | Key::Id(_) => "t.id",
        Key::Label(..) => "l.transaction_id",
    }
}

/// The index of a key.
fn source(s: &mut Statement, log: LogId, key: Key<'_>) -> String {
    let log = s.int(log.0);
    match key {
        Key::Log => format!("transactions AS t WHERE t.log = {log}"),
        Key::Status(status) => format!("transactions AS t WHERE t.log = {log} AND t.status = {}", s.text(status)),
        Key::Business(key) => {
            let key = s.bind(Value::Bytes(key.as_bytes().to_vec()));
            format!("transactions AS t WHERE t.log = {log} AND t.business_key = {key}")
        }
        Key::Parent(id) => {
            format!("transactions AS t WHERE t.log = {log} AND t.parent_id = {}", s.bind(Value::Id(id)))
        }
        Key::Id(id) => format!("transactions AS t WHERE t.log = {log} AND t.id = {}", s.bind(Value::Id(id))),
        Key::Label(name, value) => {
            let (name, value) = (s.text(name.as_str()), s.bind(Value::Bytes(value.as_bytes().to_vec())));
            format!("labels AS l WHERE l.log = {log} AND l.name = {name} AND l.value = {value}")
        }
    }
}

/// Conditions on the rows themselves. A count of one row is looked up for each place of the index, in its order, where
/// a join might be turned round and read a table whole.
fn looked_at(key: Key<'_>, conditions: &str) -> String {
    match key {
        Key::Log | Key::Status(_) | Key::Business(_) | Key::Parent(_) | Key::Id(_) => format!(" AND {conditions}"),
        Key::Label(..) => {
            format!(" AND (SELECT count(*) FROM transactions AS t WHERE t.id = l.transaction_id AND {conditions}) > 0")
        }
    }
}

fn bounds(s: &mut Statement, key: Key<'_>, before: Option<TransactionId>, floor: Option<TransactionId>) -> String {
    let id = id_of(key);
    let before = before.map(|before| format!(" AND {id} < {}", s.bind(Value::Id(before))));
    let floor = floor.map(|floor| format!(" AND {id} >= {}", s.bind(Value::Id(floor))));
    [before, floor].into_iter().flatten().collect()
}

fn condition(s: &mut Statement, term: &Term) -> String {
    let not = if term.negated { "NOT " } else { "" };
    match &term.condition {
        Condition::Status(values) => {
            format!("{not}{}", any(s, "t.status", values.iter().map(|status| Value::Text(status.word().to_owned()))))
        }
        Condition::Definition(values) => {
            format!("{not}{}", any(s, "t.definition", values.iter().map(|name| Value::Text(name.to_string()))))
        }
        Condition::Version(values) => {
            format!("{not}{}", any(s, "t.version", values.iter().map(|version| Value::Int(i64::from(*version)))))
        }
        Condition::Principal(values) => {
            format!("{not}{}", any(s, "t.principal", values.iter().map(|id| Value::Text(id.to_string()))))
        }
        Condition::Id(values) => format!("{not}{}", any(s, "t.id", values.iter().map(|id| Value::Id(*id)))),
        Condition::Parent(values) => {
            let any = any(s, "t.parent_id", values.iter().map(|id| Value::Id(*id)));
            format!("{not}(t.parent_id IS NOT NULL AND {any})")
        }
        Condition::Key(values) => {
            let any = any(s, "t.business_key", values.iter().map(|key| Value::Bytes(key.as_bytes().to_vec())));
            format!("{not}(t.business_key IS NOT NULL AND {any})")
        }
        Condition::Label(name, values) => {
            let name = s.text(name.as_str());
            let any = any(s, "o.value", values.iter().map(|value| Value::Bytes(value.as_bytes().to_vec())));
            // A count for the same reason as in `looked_at`.
            format!(
                "{not}(SELECT count(*) FROM labels AS o WHERE o.log = t.log AND o.name = {name} AND {any} \
                 AND o.transaction_id = t.id) > 0"
            )
        }
        Condition::Started(side, at) => format!("{not}t.started_at {} {}", sign(*side), s.int(at.as_micros())),
        Condition::Ended(side, at) => {
            format!("{not}(t.ended_at IS NOT NULL AND t.ended_at {} {})", sign(*side), s.int(at.as_micros()))
        }
    }
}

fn any(s: &mut Statement, column: &str, values: impl Iterator<Item = Value>) -> String {
    let names: Vec<String> = values.map(|value| s.bind(value)).collect();
    format!("{column} IN ({})", names.join(", "))
}

const fn sign(side: Side) -> &'static str {
    match side {
        Side::Before => "<",
        Side::After => ">",
    }
}
