//! Counts entries for the queries of a pack, and says what they come to.

use super::pack::{Control, Expected, Pack, Query};
use chancery_base::Timestamp;
use chancery_ledger::Record;
use std::time::Duration;

/// How a control stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is every entry that is expected, and none that contradicts.
    Supported,
    /// Entries that are expected are missing.
    NotSupported,
    /// There are entries that contradict it.
    Contradicted,
}

/// A control, and what the ledger has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlStatus {
    /// How it stands.
    pub standing: Standing,
    /// Entries that support it; that contradict it where it is contradicted.
    pub entries: u64,
    /// The same in words: `supported by 12 entries`.
    pub says: String,
    /// Its queries, as the control has them.
    pub queries: Vec<QueryStatus>,
}

/// A query, and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryStatus {
    /// Whether it found what is expected.
    pub holds: bool,
    /// How many entries it found.
    pub found: u64,
    /// The number and time of the first.
    pub first: Option<(u64, Timestamp)>,
    /// Of the last.
    pub last: Option<(u64, Timestamp)>,
    /// Where it should find some every so often: the first part of the range with too few, from and until.
    pub lacking: Option<(Timestamp, Timestamp)>,
}

/// Counts for every query of a pack.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    pack: &'a Pack,
    range: (Timestamp, Timestamp),
    counts: Vec<Vec<Count>>,
}

#[derive(Debug, Clone, Default)]
struct Count {
    found: u64,
    first: Option<(u64, Timestamp)>,
    last: Option<(u64, Timestamp)>,
    /// Of a query that expects entries every so often: how many in each part of the range.
    parts: Vec<u64>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(pack: &'a Pack, from: Timestamp, to: Timestamp) -> Self {
        let count = |query: &Query| match query.expected {
            Expected::AtLeast(_, Some(every)) => Count { parts: vec![0; parts((from, to), every)], ..Count::default() },
            Expected::AtLeast(_, None) | Expected::AtMost(_) => Count::default(),
        };
        let counts = pack.controls.iter().map(|control| control.queries.iter().map(count).collect());
        Self { pack, range: (from, to), counts: counts.collect() }
    }

    /// Takes an entry of the range.
    pub(super) fn take(&mut self, record: &Record) {
        let since = record.at.since(self.range.0);
        let place = (record.seq, record.at);
        for (control, counts) in self.pack.controls.iter().zip(&mut self.counts) {
            for (query, count) in control.queries.iter().zip(counts) {
                if !query.takes(record) {
                    continue;
                }
                count.found += 1;
                count.first.get_or_insert(place);
                count.last = Some(place);
                let Expected::AtLeast(_, Some(every)) = query.expected else { continue };
                // What comes after the last whole part is that one's.
                let part = usize::try_from(since.as_micros() / every.as_micros()).unwrap_or(usize::MAX);
                let part = part.min(count.parts.len().saturating_sub(1));
                if let Some(found) = count.parts.get_mut(part) {
                    *found += 1;
                }
            }
        }
    }

    pub(super) fn finish(self) -> Vec<ControlStatus> {
        let all = self.pack.controls.iter().zip(&self.counts);
        all.map(|(control, counts)| status(control, counts, self.range)).collect()
    }
}

/// How many whole parts a range has; one if it is shorter.
fn parts((from, to): (Timestamp, Timestamp), every: Duration) -> usize {
    let whole = to.since(from).as_micros() / every.as_micros().max(1);
    usize::try_from(whole).unwrap_or(usize::MAX).max(1)
}

fn status(control: &Control, counts: &[Count], range: (Timestamp, Timestamp)) -> ControlStatus {
    let judged = control.queries.iter().zip(counts).map(|(query, count)| judge(query, count, range));
    let queries: Vec<QueryStatus> = judged.collect();
    let of = |supports: bool| {
        let pairs = control.queries.iter().zip(&queries);
        pairs.filter(move |(query, _)| matches!(query.expected, Expected::AtLeast(..)) == supports)
    };
    let against: u64 = of(false).filter(|(_, status)| !status.holds).map(|(_, status)| status.found).sum();
    let support: u64 = of(true).map(|(_, status)| status.found).sum();
    let lacking = of(true).filter(|(_, status)| !status.holds).count();
    let (standing, entries, says) = match (against, lacking) {
        (0, 0) => (Standing::Supported, support, format!("supported by {}", entries(support))),
        (0, _) => {
            let of = control.queries.len();
            (Standing::NotSupported, support, format!("not supported: {lacking} of {of} queries lack entries"))
        }
        (_, _) => (Standing::Contradicted, against, format!("contradicted by {}", entries(against))),
    };
    ControlStatus { standing, entries, says, queries }
}

fn judge(query: &Query, count: &Count, (from, to): (Timestamp, Timestamp)) -> QueryStatus {
    let (holds, lacking) = match query.expected {
        Expected::AtMost(most) => (count.found <= most, None),
        Expected::AtLeast(least, None) => (count.found >= least, None),
        Expected::AtLeast(least, Some(every)) => {
            let part = count.parts.iter().position(|found| *found < least);
            let lacking = part.map(|part| {
                let begins = from.plus(every.saturating_mul(u32::try_from(part).unwrap_or(u32::MAX)));
                let is_last = part + 1 == count.parts.len();
                (begins, if is_last { to } else { begins.plus(every) })
            });
            (lacking.is_none(), lacking)
        }
    };
    QueryStatus { holds, found: count.found, first: count.first, last: count.last, lacking }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::PrincipalId;
    use chancery_ledger::{Data, Refs, Word};

    const DAY: u64 = 24 * 60 * 60;

    fn day(number: u64) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000).plus(Duration::from_secs(number * DAY))
    }

    fn record(seq: u64, kind: &'static str, at: Timestamp, by_hand: bool) -> Record {
        Record {
            actor: PrincipalId::SYSTEM,
            at,
            data: Data::new().bool("by_hand", by_hand),
            epoch: 1,
            kind: Word::from(kind),
            log: "example.org/acme/0/1".parse().unwrap(),
            payload: None,
            refs: Refs::default(),
            seq,
        }
    }

    /// How a control stands after these entries, in a range of 100 days.
    fn stands(queries: &str, entries: &[(&'static str, u64)]) -> ControlStatus {
        let text = format!(
            r#"{{"name":"own","title":"t","version":1,"controls":[{{"id":"1","title":"t","asks":"a","queries":[{queries}]}}]}}"#
        );
        let pack = Pack::parse(text.as_bytes()).unwrap();
        let mut tally = Tally::new(&pack, day(0), day(100));
        for (seq, (kind, at)) in (0..).zip(entries) {
            tally.take(&record(seq, kind, day(*at), seq % 2 == 1));
        }
        tally.finish().remove(0)
    }

    const DONE: &str = r#"{"says":"s","kinds":["step.completed"],"at_least":1}"#;
    const OFTEN: &str = r#"{"says":"s","kinds":["step.completed"],"at_least":1,"every":"30d"}"#;
    const NEVER: &str = r#"{"says":"s","kinds":["transaction.terminated"],"at_most":0}"#;

    #[test]
    fn entries_support_a_control_and_contradict_it() {
        let both = format!("{DONE},{NEVER}");
        let none = stands(&both, &[]);
        assert_eq!(
            (none.standing, none.says.as_str()),
            (Standing::NotSupported, "not supported: 1 of 2 queries lack entries")
        );
        let one = stands(&both, &[("step.completed", 3)]);
        assert_eq!((one.standing, one.says.as_str(), one.entries), (Standing::Supported, "supported by 1 entry", 1));
        let two = stands(&both, &[("step.completed", 3), ("step.failed", 4), ("step.completed", 9)]);
        assert_eq!(two.says, "supported by 2 entries");
        assert_eq!(two.queries[0].first.zip(two.queries[0].last), Some(((0, day(3)), (2, day(9)))));
        let against = stands(&both, &[("step.completed", 3), ("transaction.terminated", 5)]);
        assert_eq!((against.standing, against.says.as_str()), (Standing::Contradicted, "contradicted by 1 entry"));
    }

    #[test]
    fn what_is_expected_every_so_often_must_be_in_every_part() {
        // Three whole parts; the days after the third are the third's.
        let holds = stands(OFTEN, &[("step.completed", 29), ("step.completed", 30), ("step.completed", 95)]);
        assert_eq!((holds.standing, holds.entries), (Standing::Supported, 3));
        let lacks = stands(OFTEN, &[("step.completed", 1), ("step.completed", 2), ("step.completed", 95)]);
        assert_eq!((lacks.standing, lacks.queries[0].lacking), (Standing::NotSupported, Some((day(30), day(60)))));
        let late = stands(OFTEN, &[("step.completed", 1), ("step.completed", 31)]);
        assert_eq!(late.queries[0].lacking, Some((day(60), day(100))));
    }

    #[test]
    fn a_condition_on_data_counts_what_meets_it_alone() {
        let by_hand = r#"{"says":"s","kinds":["step.completed"],"at_least":1,"data":{"by_hand":true}}"#;
        let one = stands(by_hand, &[("step.completed", 1), ("step.completed", 2), ("step.completed", 3)]);
        assert_eq!((one.entries, one.queries[0].first), (1, Some((1, day(2)))));
        let other = r#"{"says":"s","kinds":["step.completed"],"at_least":1,"data":{"by_hand":"true"}}"#;
        assert_eq!(stands(other, &[("step.completed", 1), ("step.completed", 2)]).entries, 0, "a word is no yes");
    }
}
