//! Rows of transactions, steps, labels and requests to people, compared once the transactions of a page of entries have
//! ended.

use super::difference::Differs as _;
use super::{Fault, PAGE, each};
use chancery_base::{RequestId, TransactionId};
use chancery_engine::Head;
use chancery_ledger::Record;
use chancery_shard::batch::StoreError;
use chancery_shard::replay::TransactionRows;
use chancery_shard::row::{LabelRow, LogRow, RequestRow, StepRow, TransactionRow};
use chancery_shard::rows;
use chancery_store::Scan;
use std::collections::{BTreeMap, HashSet, VecDeque};

const TRANSACTIONS: &str = "transactions";
const STEPS: &str = "steps";
const LABELS: &str = "labels";
const REQUESTS: &str = "requests";
/// What is wrong with a row of a transaction that has expired.
const EXPIRED: &str = "an entry says that it expired and was removed";

/// Rows that are read ahead at most.
const AHEAD_MAX: usize = 256;

/// How many rows of transactions, steps, labels and requests the entries gave so far.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    transactions: u64,
    steps: u64,
    labels: u64,
    requests: u64,
    /// Transactions that have ended and have no row: an entry to come has to say that they expired. Each with a step
    /// that it has all the same.
    missing: BTreeMap<TransactionId, Option<String>>,
    /// Rows as they are read, by id.
    heads_ahead: Ahead<TransactionRow>,
    steps_ahead: Ahead<StepRow>,
}

impl Transactions {
    /// Compares the rows of transactions with the stored ones. Those that end near one another mostly began near one
    /// another: taken by id, their rows are next to each other, too.
    pub(super) fn compare(&mut self, store: &impl Scan, ended: &mut [TransactionRows]) -> Result<(), Fault> {
        ended.sort_unstable_by_key(|rows| rows.transaction.id);
        ended.iter().try_for_each(|rows| self.compare_one(store, rows))
    }

    fn compare_one(&mut self, store: &impl Scan, rows: &TransactionRows) -> Result<(), Fault> {
        let id = rows.transaction.id;
        let page = |after: Option<&TransactionRow>, limit| {
            store.transactions(after.map_or_else(|| before(id), |row| Some(row.id)), limit)
        };
        self.heads_ahead.seek(id, page)?;
        let Some(found) = self.heads_ahead.take(id, page)? else { return self.miss(store, id) };
        if let Some(column) = rows.transaction.differs(&found) {
            return Err(Fault::column(TRANSACTIONS, id, column));
        }
        let page = |after: Option<&StepRow>, limit| {
            let first = || before(id).map(|before| (before, u32::MAX, u32::MAX));
            store.steps(after.map_or_else(first, |row| Some((row.transaction, row.step, row.clone))), limit)
        };
        self.steps_ahead.seek(id, page)?;
        for step in &rows.steps {
            let found = self.steps_ahead.take(id, page)?;
            let found = found.filter(|row| (row.step, row.clone) == (step.step, step.clone));
            let found = found.ok_or_else(|| Fault::missing(STEPS, step_key(step)))?;
            if let Some(column) = step.differs(&found) {
                return Err(Fault::column(STEPS, step_key(step), column));
            }
        }
        if let Some(stray) = self.steps_ahead.take(id, page)? {
            return Err(Fault::stray(STEPS, step_key(&stray)));
        }
        for label in &rows.labels {
            let before = LabelRow { transaction: before(id).unwrap_or(id), ..label.clone() };
            let found = store.labels(Some(&before), 1)?;
            if found.first() != Some(label) {
                return Err(Fault::missing(LABELS, label_key(label)));
            }
        }
        for request in &rows.requests {
            let found = store.requests(request_before(request), 1)?.pop();
            let found = found.filter(|found| (found.transaction, found.id) == (request.transaction, request.id));
            let found = found.ok_or_else(|| Fault::missing(REQUESTS, request.id))?;
            if let Some(column) = request.differs(&found) {
                return Err(Fault::column(REQUESTS, request.id, column));
            }
        }
        self.requests += u64::try_from(rows.requests.len()).unwrap_or(u64::MAX);
        self.transactions += 1;
        self.labels += u64::try_from(rows.labels.len()).unwrap_or(u64::MAX);
        self.steps += u64::try_from(rows.steps.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// A transaction has no row.
    fn miss(&mut self, store: &impl Scan, id: TransactionId) -> Result<(), Fault> {
        let first = before(id).map(|before| (before, u32::MAX, u32::MAX));
        let step = store.steps(first, 1)?.pop().filter(|row| row.transaction == id);
        self.missing.insert(id, step.as_ref().map(step_key));
        Ok(())
    }

    /// Takes an entry's word that these have no rows any more: then they must not.
    pub(super) fn expire(&mut self, expired: &[TransactionId]) -> Result<(), Fault> {
        for id in expired {
            match self.missing.remove(id) {
                Some(None) => {}
                Some(Some(step)) => return Err(Fault::row(STEPS, step, EXPIRED)),
                None => return Err(Fault::row(TRANSACTIONS, id, EXPIRED)),
            }
        }
        Ok(())
    }

    /// Compares how many rows there are with how many were compared; gives that number.
    pub(super) fn finish(&self, store: &impl Scan, logs: &[LogRow]) -> Result<u64, Fault> {
        if let Some((id, _)) = self.missing.first_key_value() {
            return Err(Fault::missing(TRANSACTIONS, id));
        }
        let (transactions, steps, labels) = (store.transaction_count()?, store.step_count()?, store.label_count()?);
        let requests = store.request_count()?;
        if requests != self.requests {
            return Err(stray_request(store)?);
        }
        if (transactions, steps, labels) == (self.transactions, self.steps, self.labels) {
            return Ok(transactions + steps + labels + requests);
        }
        Err(stray(store, logs)?)
    }
}

/// Finds a row of a transaction that no entry names.
fn stray(store: &impl Scan, logs: &[LogRow]) -> Result<Fault, Fault> {
    let mut known = HashSet::new();
    for log in logs {
        let page = |last: Option<&chancery_shard::row::EntryRow>| {
            store.entries(log.id, last.map_or(0, |last| last.seq + 1), PAGE)
        };
        each(page, |entry| {
            known.extend(entry.transaction.map(|(id, _)| id));
            Ok(())
        })?;
    }
    let page = |last: Option<&TransactionRow>| store.transactions(last.map(|row| row.id), PAGE);
    each(page, |row| if known.contains(&row.id) { Ok(()) } else { Err(Fault::stray(TRANSACTIONS, row.id)) })?;
    let page = |last: Option<&StepRow>| store.steps(last.map(|row| (row.transaction, row.step, row.clone)), PAGE);
    each(page, |row| if known.contains(&row.transaction) { Ok(()) } else { Err(Fault::stray(STEPS, step_key(row))) })?;
    stray_label(store)?;
    Ok(Fault::new(super::Place::Table(TRANSACTIONS), "there are not as many rows as the entries give"))
}

/// Finds a label that its transaction's row, which agrees with the entries, does not have.
fn stray_label(store: &impl Scan) -> Result<(), Fault> {
    each(
        |last: Option<&LabelRow>| store.labels(last, PAGE),
        |label| {
            let id = label.transaction;
            let row = store.transactions(before(id), 1)?.pop().filter(|row| row.id == id && row.log == label.log);
            let body = row.as_ref().and_then(|row| row.body.open());
            let head = body.and_then(|body| serde_json::from_slice::<Head>(body).ok());
            match head.and_then(|head| head.beginning.labels.get(&label.name).cloned()) {
                Some(value) if value == label.value => Ok(()),
                Some(_) | None => Err(Fault::stray(LABELS, label_key(label))),
            }
        },
    )
}

/// Finds a request whose transaction is not there, or that no entry is about: each says which opened it.
fn stray_request(store: &impl Scan) -> Result<Fault, Fault> {
    each(
        |last: Option<&RequestRow>| store.requests(last.map(|row| (row.transaction, row.id)), PAGE),
        |row| {
            let opened = rows::request(row).ok().map(|body| body.request.opened_seq);
            let opened = opened.map(|seq| store.entries(row.log, seq, 1)).transpose()?;
            let record = opened.and_then(|entries| Record::parse(&entries.first()?.record).ok());
            let is_its = |record: &Record| {
                let told = record.data.get_word("request_id").is_some_and(|id| *id == *row.id.text());
                told && record.refs.transaction == Some(row.transaction)
            };
            let of = store.transactions(before(row.transaction), 1)?.pop().filter(|of| of.id == row.transaction);
            let is_there = of.is_some() && record.as_ref().is_some_and(is_its);
            if is_there { Ok(()) } else { Err(Fault::stray(REQUESTS, row.id)) }
        },
    )?;
    Ok(Fault::new(super::Place::Table(REQUESTS), "there are not as many rows as the entries give"))
}

/// The place before a request in the order of its table.
fn request_before(row: &RequestRow) -> Option<(TransactionId, RequestId)> {
    let place = u128::from_be_bytes(*row.id.as_bytes()).checked_sub(1)?;
    Some((row.transaction, RequestId::from_bytes(place.to_be_bytes())))
}

fn label_key(row: &LabelRow) -> String {
    format!("{}/{}={}/{}", row.log.0, row.name, row.value, row.transaction)
}

/// A row that belongs to a transaction.
trait OfTransaction {
    fn transaction(&self) -> TransactionId;
}

impl OfTransaction for TransactionRow {
    fn transaction(&self) -> TransactionId {
        self.id
    }
}

impl OfTransaction for StepRow {
    fn transaction(&self) -> TransactionId {
        self.transaction
    }
}

/// Rows of a table in the order of its key, some read before they are wanted: a query costs more than a row. The more
/// of them were wanted, the more are read the next time.
#[derive(Debug)]
struct Ahead<R> {
    rows: VecDeque<R>,
    limit: usize,
    wanted: usize,
}

impl<R> Default for Ahead<R> {
    fn default() -> Self {
        Self { rows: VecDeque::new(), limit: 1, wanted: 0 }
    }
}

impl<R: OfTransaction> Ahead<R> {
    /// Goes to the first row of a transaction or of one after it.
    fn seek(
        &mut self,
        id: TransactionId,
        page: impl Fn(Option<&R>, usize) -> Result<Vec<R>, StoreError>,
    ) -> Result<(), Fault> {
        if self.rows.front().is_some_and(|row| row.transaction() > id) {
            // They begin after it, or there is none of it: a query says which.
            self.rows.clear();
        }
        while self.rows.front().is_some_and(|row| row.transaction() < id) {
            self.rows.pop_front();
        }
        if self.rows.is_empty() {
            let limit = self.next_limit();
            self.rows = page(None, limit)?.into();
        }
        Ok(())
    }

    /// The next row, if it is of that transaction.
    fn take(
        &mut self,
        id: TransactionId,
        page: impl Fn(Option<&R>, usize) -> Result<Vec<R>, StoreError>,
    ) -> Result<Option<R>, Fault> {
        if self.rows.front().is_none_or(|row| row.transaction() != id) {
            return Ok(None);
        }
        let row = self.rows.pop_front();
        self.wanted += 1;
        if self.rows.is_empty() {
            // Its next row is not here yet, or there is none.
            let limit = self.next_limit();
            self.rows = page(row.as_ref(), limit)?.into();
        }
        Ok(row)
    }

    fn next_limit(&mut self) -> usize {
        let is_used = std::mem::take(&mut self.wanted) * 4 >= self.limit;
        self.limit = if is_used { self.limit * 2 } else { self.limit / 2 }.clamp(1, AHEAD_MAX);
        self.limit
    }
}

fn step_key(row: &StepRow) -> String {
    match row.clone {
        0 => format!("{}/{}", row.transaction, row.step),
        clone => format!("{}/{}/{clone}", row.transaction, row.step),
    }
}

/// The id before another in order, none before the first.
fn before(id: TransactionId) -> Option<TransactionId> {
    let before = u128::from_be_bytes(*id.as_bytes()).checked_sub(1)?;
    Some(TransactionId::from_bytes(before.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A row of a transaction, and which of its rows it is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Row(u128, u32);

    impl OfTransaction for Row {
        fn transaction(&self) -> TransactionId {
            id(self.0)
        }
    }

    fn id(number: u128) -> TransactionId {
        TransactionId::from_bytes(number.to_be_bytes())
    }

    /// Takes the rows of these transactions in turn from a table where each even one up to 2,000 has three; gives how
    /// many queries that took.
    fn check(wanted: impl Iterator<Item = u128>) -> usize {
        let table: Vec<Row> =
            (0..2_000).step_by(2).flat_map(|number| (0..3).map(move |row| Row(number, row))).collect();
        let queries = Cell::new(0);
        let mut ahead = Ahead::default();
        for number in wanted {
            let page = |after: Option<&Row>, limit| {
                queries.set(queries.get() + 1);
                let from = match after {
                    Some(after) => table.iter().position(|row| row == after).map(|place| place + 1),
                    None => table.iter().position(|row| row.0 >= number),
                };
                Ok(table.iter().skip(from.unwrap_or(table.len())).take(limit).copied().collect())
            };
            ahead.seek(id(number), page).unwrap();
            let found = std::iter::from_fn(|| ahead.take(id(number), page).unwrap()).collect::<Vec<_>>();
            let expected: Vec<Row> = table.iter().filter(|row| row.0 == number).copied().collect();
            assert_eq!(found, expected, "{number}");
        }
        queries.get()
    }

    #[test]
    fn rows_are_found_wherever_they_are_and_near_ones_with_one_query() {
        // 3,000 rows, at most 256 with a query.
        let all = check((0..2_000).step_by(2));
        assert!(all < 30, "{all}");
        let sparse = check((0..2_000).step_by(100));
        assert!(sparse <= 4 * 20, "{sparse}");
        check((0..2_000).step_by(1));
        check((0..2_001).step_by(7));
        // Pages of entries do not come in the order of ids.
        check([1_000, 1_002, 4, 6, 8, 10, 1_998, 0, 1_999, 3_000, 2].into_iter());
    }
}
