//! What one saga writes, as it was seen.

use crate::harness::Error;
use chancery_base::{Entropy, Salt, Timestamp, TransactionId, json};
use chancery_ledger::Record;
use chancery_shard::batch::Batch;
use chancery_shard::row::{KeyRow, PayloadRow, Sealed, StepRow, TransactionRow};
use serde_json::Value;

/// What a saga writes.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    stages: Vec<Stage>,
}

/// What it writes in one commit.
#[derive(Debug, Clone)]
struct Stage {
    entries: Vec<(Record, Option<Value>)>,
    transactions: Vec<(TransactionRow, Value)>,
    steps: Vec<(StepRow, Value)>,
    keys: Vec<KeyRow>,
}

/// A stage of one saga of the floor, ready to be numbered.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) entries: Vec<(Record, Option<PayloadRow>)>,
    pub(crate) transactions: Vec<TransactionRow>,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) keys: Vec<KeyRow>,
}

/// How much a saga writes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    pub(crate) commits: usize,
    pub(crate) entries: usize,
    pub(crate) record_bytes: usize,
    pub(crate) payloads: usize,
    pub(crate) payload_bytes: usize,
    pub(crate) transaction_rows: usize,
    pub(crate) step_rows: usize,
    pub(crate) body_bytes: usize,
    pub(crate) keys: usize,
}

impl Sizes {
    /// What the batches of one saga hold.
    pub(crate) fn of(batches: &[Batch]) -> Self {
        let mut sizes = Self { commits: batches.len(), ..Self::default() };
        for batch in batches {
            sizes.entries += batch.entries.len();
            sizes.record_bytes += batch.entries.iter().map(|entry| entry.record.len()).sum::<usize>();
            let payloads = batch.entries.iter().filter_map(|entry| entry.payload.as_ref());
            sizes.payloads += payloads.clone().count();
            sizes.payload_bytes += payloads.map(|payload| payload.sealed.bytes.len()).sum::<usize>();
            sizes.transaction_rows += batch.transactions.len();
            sizes.step_rows += batch.steps.len();
            sizes.body_bytes += batch.transactions.iter().map(|row| row.body.bytes.len()).sum::<usize>();
            sizes.body_bytes += batch.steps.iter().map(|row| row.body.bytes.len()).sum::<usize>();
            sizes.keys += batch.keys.len();
        }
        sizes
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} commits, {} entries of {} B in all, {} payloads of {} B, {} transaction and {} step rows with bodies \
             of {} B, {} keys",
            self.commits,
            self.entries,
            self.record_bytes,
            self.payloads,
            self.payload_bytes,
            self.transaction_rows,
            self.step_rows,
            self.body_bytes,
            self.keys
        )
    }
}

impl Template {
    /// What the batches of one saga, in order, amount to.
    pub(crate) fn of(batches: &[Batch]) -> Result<Self, Error> {
        let stages = batches.iter().map(stage).collect::<Result<Vec<_>, _>>()?;
        if stages.is_empty() {
            return Err(Error::Failed("the saga that the floor is made from wrote nothing".to_owned()));
        }
        Ok(Self { stages })
    }

    /// How many commits a saga takes one after the other.
    pub(crate) fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Stage `index` of the saga `id`: canonical JSON, salts, digests. None behind the last.
    pub(crate) fn prepare(
        &self,
        index: usize,
        id: TransactionId,
        at: Timestamp,
        entropy: &mut Entropy,
    ) -> Option<Prepared> {
        let stage = self.stages.get(index)?;
        let entries = stage.entries.iter().map(|(record, payload)| {
            let mut record = record.clone();
            record.at = at;
            record.refs.transaction = record.refs.transaction.map(|_| id);
            let payload = payload.as_ref().map(|value| {
                let (salt, bytes) = (Salt::draw(entropy), json::canonical(value));
                record.payload = Some(salt.digest(&bytes));
                PayloadRow { salt, sealed: Sealed::plain(bytes), subject: None }
            });
            (record, payload)
        });
        let entries = entries.collect();
        let transactions = stage.transactions.iter().map(|(row, body)| {
            let body = Sealed::plain(json::canonical(body));
            TransactionRow { id, started_at: at, body, ..row.clone() }
        });
        let steps = stage.steps.iter().map(|(row, body)| {
            let body = Sealed::plain(json::canonical(body));
            StepRow { transaction: id, body, ..row.clone() }
        });
        let keys = stage.keys.iter().map(|row| {
            let mut key = row.key;
            key.iter_mut().zip(entropy.bytes16()).for_each(|(to, from)| *to = from);
            KeyRow { key, transaction: id, ..row.clone() }
        });
        let (transactions, steps) = (transactions.collect(), steps.collect());
        Some(Prepared { entries, transactions, steps, keys: keys.collect() })
    }
}

fn stage(batch: &Batch) -> Result<Stage, Error> {
    let damaged = |what: &str| Error::Failed(format!("a batch holds {what} that cannot be read"));
    let value = |sealed: &Sealed| {
        let bytes = sealed.open().ok_or_else(|| damaged("something sealed"))?;
        serde_json::from_slice::<Value>(bytes).map_err(|err| damaged(&format!("JSON ({err})")))
    };
    let entries = batch.entries.iter().map(|entry| {
        let record = Record::parse(&entry.record).map_err(|err| damaged(&format!("a record ({err})")))?;
        let payload = entry.payload.as_ref().map(|payload| value(&payload.sealed)).transpose()?;
        Ok::<_, Error>((record, payload))
    });
    let transactions = batch.transactions.iter().map(|row| Ok::<_, Error>((row.clone(), value(&row.body)?)));
    let steps = batch.steps.iter().map(|row| Ok::<_, Error>((row.clone(), value(&row.body)?)));
    Ok(Stage {
        entries: entries.collect::<Result<_, _>>()?,
        transactions: transactions.collect::<Result<_, _>>()?,
        steps: steps.collect::<Result<_, _>>()?,
        keys: batch.keys.clone(),
    })
}
