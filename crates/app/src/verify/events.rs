//! Rows of events, compared as the entries that emitted them come by: both are in the order of log and number, so each is
//! read once.

use super::difference::Differs as _;
use super::{Fault, PAGE};
use chancery_shard::row::{EventRow, LogId};
use chancery_store::Scan;
use std::collections::VecDeque;

const EVENTS: &str = "events";

/// The rows of events as far as they are compared.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Rows that are read and not compared yet.
    ahead: VecDeque<EventRow>,
    /// The last one that was read.
    last: Option<(LogId, u64)>,
    is_read: bool,
    compared: u64,
}

impl Events {
    /// Compares the rows of the next entries that emitted events with the stored ones.
    pub(super) fn compare(&mut self, store: &impl Scan, expected: &[EventRow]) -> Result<(), Fault> {
        for row in expected {
            let found = self.next(store)?.ok_or_else(|| Fault::missing(EVENTS, key(row)))?;
            if (found.log, found.seq) < (row.log, row.seq) {
                return Err(Fault::stray(EVENTS, key(&found)));
            }
            if (found.log, found.seq) > (row.log, row.seq) {
                return Err(Fault::missing(EVENTS, key(row)));
            }
            if let Some(column) = row.differs(&found) {
                return Err(Fault::column(EVENTS, key(row), column));
            }
            self.compared += 1;
        }
        Ok(())
    }

    /// No entry emits further ones. Gives how many were compared.
    pub(super) fn finish(mut self, store: &impl Scan) -> Result<u64, Fault> {
        match self.next(store)? {
            None => Ok(self.compared),
            Some(stray) => Err(Fault::stray(EVENTS, key(&stray))),
        }
    }

    fn next(&mut self, store: &impl Scan) -> Result<Option<EventRow>, Fault> {
        if self.ahead.is_empty() && !self.is_read {
            self.ahead = store.events(self.last, PAGE)?.into();
            self.is_read = self.ahead.is_empty();
            self.last = self.ahead.back().map(|row| (row.log, row.seq)).or(self.last);
        }
        Ok(self.ahead.pop_front())
    }
}

fn key(row: &EventRow) -> String {
    format!("{}/{}", row.log.0, row.seq)
}
