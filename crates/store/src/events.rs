//! Finding the events of a log, in the order of their entries.
//!
//! Indexes hold those of one type and those about one subject. What has another pattern is looked through a bounded
//! number of rows at a time: a page may have less than it could, and says how far it looked.

use crate::search::{Statement, Value};
use chancery_base::EventPattern;
use chancery_shard::row::{EventRow, LogId};

/// Rows that are read at a time, where not each of them is one that is meant.
const ROWS_AT_ONCE: usize = 1_000;

/// Which events are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventSearch {
    /// What they are called; none: anything.
    pub types: Option<EventPattern>,
    /// What they are about; none: anything.
    pub subject: Option<String>,
}

/// How far a page reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventReach {
    /// From the entry of this number on.
    pub from: u64,
    /// How many events at most.
    pub limit: usize,
    /// How many rows may be looked at.
    pub looks: usize,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsFound {
    /// Them, in order.
    pub rows: Vec<EventRow>,
    /// From which entry on the next page begins: none that is meant lies between this page and that.
    pub next: u64,
    /// There are no more now.
    pub is_end: bool,
}

impl EventSearch {
    /// Whether an event is meant.
    #[must_use]
    pub fn holds(&self, row: &EventRow) -> bool {
        self.types.as_ref().is_none_or(|types| types.matches(&row.event_type))
            && self.subject.as_ref().is_none_or(|subject| row.subject.as_ref() == Some(subject))
    }

    /// Whether an index holds exactly those that are meant.
    fn is_exact(&self) -> bool {
        self.types.as_ref().is_none_or(|types| types.exact().is_some())
    }

    /// The statement that reads the next rows; what it does not say, [`EventSearch::holds`] does.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn statement(&self, sigil: char, log: LogId, (from, rows): (i64, usize), columns: &str) -> Statement {
        let mut s = Statement::new(sigil);
        let (log, from) = (s.bind(Value::Int(log.0)), s.bind(Value::Int(from)));
        let mut sql = format!("SELECT {columns} FROM events WHERE log = {log} AND seq >= {from}");
        if let Some(exact) = self.types.as_ref().and_then(EventPattern::exact) {
            let exact = s.bind(Value::Text(exact.to_owned()));
            sql.push_str(&format!(" AND type = {exact}"));
        }
        if let Some(subject) = &self.subject {
            let subject = s.bind(Value::Bytes(subject.clone().into_bytes()));
            sql.push_str(&format!(" AND subject = {subject}"));
        }
        let rows = s.bind(Value::Int(i64::try_from(rows).unwrap_or(i64::MAX)));
        s.sql = format!("{sql} ORDER BY seq LIMIT {rows}");
        s
    }
}

/// A page while its rows are read.
#[derive(Debug)]
pub(crate) struct Gather<'s> {
    search: &'s EventSearch,
    reach: EventReach,
    found: EventsFound,
    looked: usize,
}

impl<'s> Gather<'s> {
    pub(crate) fn new(search: &'s EventSearch, reach: EventReach) -> Self {
        let found = EventsFound { rows: Vec::new(), next: reach.from, is_end: false };
        Self { search, reach, found, looked: 0 }
    }

    /// From which entry on rows are wanted, and how many; none: it is done.
    pub(crate) fn wants(&self) -> Option<(u64, usize)> {
        let (left, looks) =
            (self.reach.limit.saturating_sub(self.found.rows.len()), self.reach.looks.saturating_sub(self.looked));
        let rows = if self.search.is_exact() { left } else { ROWS_AT_ONCE }.min(looks);
        (rows > 0 && left > 0 && !self.found.is_end).then_some((self.found.next, rows))
    }

    /// Takes what was read of the `asked` rows that were wanted.
    pub(crate) fn take(&mut self, rows: Vec<EventRow>, asked: usize) {
        let is_last = rows.len() < asked;
        for row in rows {
            if self.found.rows.len() >= self.reach.limit {
                return;
            }
            self.looked += 1;
            self.found.next = row.seq + 1;
            if self.search.holds(&row) {
                self.found.rows.push(row);
            }
        }
        self.found.is_end = is_last;
    }

    pub(crate) fn finish(self) -> EventsFound {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64) -> EventRow {
        let event_type = if seq.is_multiple_of(5) { "order.shipped" } else { "order.paid" };
        EventRow { log: LogId(1), seq, event_type: event_type.to_owned(), subject: None }
    }

    /// Reads a log of these many events; gives what was found, and how many rows were read.
    fn check(search: &EventSearch, reach: EventReach, events: u64) -> (EventsFound, usize) {
        let mut gather = Gather::new(search, reach);
        let mut read = 0;
        while let Some((from, asked)) = gather.wants() {
            let exact = search.types.as_ref().and_then(EventPattern::exact);
            let rows = (from..events).map(row).filter(|row| exact.is_none_or(|exact| row.event_type == exact));
            let rows: Vec<EventRow> = rows.take(asked).collect();
            read += rows.len();
            gather.take(rows, asked);
        }
        (gather.finish(), read)
    }

    #[test]
    fn a_page_ends_at_its_limit_its_looks_or_the_end() {
        let types = |text: &str| EventSearch { types: Some(text.parse().unwrap()), subject: None };
        let reach = |from, limit, looks| EventReach { from, limit, looks };
        let seqs = |found: &EventsFound| found.rows.iter().map(|row| row.seq).collect::<Vec<_>>();
        let (found, read) = check(&types("order.shipped"), reach(1, 2, 100), 100);
        assert_eq!((seqs(&found), found.next, found.is_end, read), (vec![5, 10], 11, false, 2));
        let (found, _) = check(&types("*.shipped"), reach(1, 2, 100), 100);
        assert_eq!((seqs(&found), found.next, found.is_end), (vec![5, 10], 11, false));
        let (found, read) = check(&types("*.shipped"), reach(1, 9, 7), 100);
        assert_eq!((seqs(&found), found.next, found.is_end, read), (vec![5], 8, false, 7));
        let (found, _) = check(&types("**"), reach(97, 9, 7), 100);
        assert_eq!((seqs(&found), found.next, found.is_end), (vec![97, 98, 99], 100, true));
        let (found, _) = check(&EventSearch::default(), reach(100, 9, 7), 100);
        assert_eq!((seqs(&found), found.next, found.is_end), (vec![], 100, true));
        let (found, read) = check(&types("*.shipped"), reach(0, 3_000, 20_000), 5_000);
        assert_eq!((found.rows.len(), found.next, found.is_end, read), (1_000, 5_000, true, 5_000));
    }
}
