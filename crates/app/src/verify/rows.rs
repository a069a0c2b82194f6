//! Rows of transactions and steps, compared as each transaction ends.

use super::difference::Differs as _;
use super::{Fault, PAGE, each};
use chancery_base::TransactionId;
use chancery_shard::replay::TransactionRows;
use chancery_shard::row::{LogRow, StepRow, TransactionRow};
use chancery_store::Scan;
use std::collections::HashSet;

const TRANSACTIONS: &str = "transactions";
const STEPS: &str = "steps";

/// How many rows of transactions and steps the entries gave so far.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    transactions: u64,
    steps: u64,
}

impl Transactions {
    /// Compares the rows of one transaction with the stored ones.
    pub(super) fn compare(&mut self, store: &impl Scan, rows: &TransactionRows) -> Result<(), Fault> {
        let id = rows.transaction.id;
        let before = before(id);
        let found = store.transactions(before, 1)?.pop().filter(|row| row.id == id);
        let found = found.ok_or_else(|| Fault::missing(TRANSACTIONS, id))?;
        if let Some(column) = rows.transaction.differs(&found) {
            return Err(Fault::column(TRANSACTIONS, id, column));
        }
        let after = before.map(|before| (before, u32::MAX, u32::MAX));
        let mut stored = store.steps(after, rows.steps.len() + 1)?.into_iter().take_while(|row| row.transaction == id);
        for step in &rows.steps {
            let found = stored.next().filter(|row| (row.step, row.clone) == (step.step, step.clone));
            let found = found.ok_or_else(|| Fault::missing(STEPS, step_key(step)))?;
            if let Some(column) = step.differs(&found) {
                return Err(Fault::column(STEPS, step_key(step), column));
            }
        }
        if let Some(stray) = stored.next() {
            return Err(Fault::stray(STEPS, step_key(&stray)));
        }
        self.transactions += 1;
        self.steps += u64::try_from(rows.steps.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Compares how many rows there are with how many were compared; gives that number.
    pub(super) fn finish(&self, store: &impl Scan, logs: &[LogRow]) -> Result<u64, Fault> {
        let (transactions, steps) = (store.transaction_count()?, store.step_count()?);
        if (transactions, steps) == (self.transactions, self.steps) {
            return Ok(transactions + steps);
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
    Ok(Fault::new(super::Place::Table(TRANSACTIONS), "there are not as many rows as the entries give"))
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
