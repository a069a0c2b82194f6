//! What the inputs of running transactions take: the shard holds each until its transaction has ended, so that many
//! large ones at once would take all memory.

use chancery_base::TransactionId;
use chancery_base::limits::{INPUT_BYTES_FREE, INPUT_BYTES_MAX, TENANT_INPUT_BYTES_MAX};
use chancery_base::{Document, json};
use chancery_shard::input::Refusal;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When a start that finds no room should come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What all inputs of a node take. Cloning shares it.
pub(crate) type NodeBytes = Arc<AtomicUsize>;

/// The large inputs of one tenant's running transactions, as far as they were started here.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    node: NodeBytes,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    of: HashMap<TransactionId, usize>,
}

impl Inputs {
    pub(crate) fn new(node: NodeBytes) -> Self {
        Self { node, held: Mutex::default() }
    }

    /// Makes room for a transaction's input, which [`Inputs::release`] gives back; whether it takes any.
    pub(crate) fn hold(&self, id: TransactionId, input: &Document) -> Result<bool, Refusal> {
        let value = json::memory(input.value());
        if value <= INPUT_BYTES_FREE {
            return Ok(false);
        }
        // Its text is kept beside it.
        let bytes = value + input.canonical().len();
        let mut held = self.lock();
        self.check(&held, bytes)?;
        if held.of.insert(id, bytes).is_none() {
            held.bytes += bytes;
            self.node.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// Makes room for a further input of a transaction; gives what it takes.
    pub(crate) fn hold_more(&self, id: TransactionId, input: &Document) -> Result<usize, Refusal> {
        let value = json::memory(input.value());
        if value <= INPUT_BYTES_FREE {
            return Ok(0);
        }
        let bytes = value + input.canonical().len();
        let mut held = self.lock();
        self.check(&held, bytes)?;
        *held.of.entry(id).or_default() += bytes;
        held.bytes += bytes;
        self.node.fetch_add(bytes, Ordering::Relaxed);
        Ok(bytes)
    }

    /// Gives that back.
    pub(crate) fn hold_less(&self, id: TransactionId, bytes: usize) {
        let mut held = self.lock();
        // It is gone where the transaction has settled meanwhile.
        let Some(of) = held.of.get_mut(&id).filter(|of| **of >= bytes && bytes > 0) else { return };
        *of -= bytes;
        if *of == 0 {
            held.of.remove(&id);
        }
        held.bytes -= bytes;
        self.node.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The transaction was not started, or has ended.
    pub(crate) fn release(&self, id: TransactionId) {
        let mut held = self.lock();
        if held.bytes == 0 {
            return;
        }
        if let Some(bytes) = held.of.remove(&id) {
            held.bytes -= bytes;
            self.node.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Whether there is room for so much more.
    fn check(&self, held: &Held, bytes: usize) -> Result<(), Refusal> {
        let of_tenant = held.bytes + bytes;
        let of_node = self.node.load(Ordering::Relaxed) + bytes;
        for (bytes, max, what) in [
            (of_tenant, TENANT_INPUT_BYTES_MAX, "bytes that the inputs of a tenant's running transactions take"),
            (of_node, INPUT_BYTES_MAX, "bytes that the inputs of a node's running transactions take"),
        ] {
            if bytes > max {
                return Err(Refusal::Limited { what, max, retry_after: RETRY_AFTER });
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::{Entropy, Slot, Timestamp};
    use serde_json::Value;

    fn id(seed: u8) -> TransactionId {
        TransactionId::draw(Timestamp::EPOCH, Slot::new(7).unwrap(), &mut Entropy::from_seed([seed; 32]))
    }

    fn text(bytes: usize) -> Document {
        Document::new(Value::from("a".repeat(bytes)))
    }

    #[test]
    fn a_tenant_and_a_node_have_room_for_so_much() {
        let node = NodeBytes::default();
        let (acme, small) = (Inputs::new(Arc::clone(&node)), Inputs::new(Arc::clone(&node)));
        let large = text(TENANT_INPUT_BYTES_MAX / 2 - 1_000);
        acme.hold(id(1), &large).unwrap();
        assert!(matches!(acme.hold(id(2), &large), Err(Refusal::Limited { max: TENANT_INPUT_BYTES_MAX, .. })));
        // What is small has its own limit, that of running transactions.
        assert!(!acme.hold(id(3), &text(INPUT_BYTES_FREE / 2)).unwrap());
        small.hold(id(4), &large).unwrap();
        let third = Inputs::new(Arc::clone(&node));
        assert!(matches!(third.hold(id(5), &text(100_000)), Err(Refusal::Limited { max: INPUT_BYTES_MAX, .. })));
        acme.release(id(1));
        acme.release(id(2));
        acme.hold(id(2), &large).unwrap();
        for number in [2, 3] {
            acme.release(id(number));
        }
        small.release(id(4));
        // Further inputs of one transaction add up, and what came to nothing is given back.
        let more = acme.hold_more(id(6), &large).unwrap();
        assert!(more > 0 && acme.hold_more(id(6), &large).is_err());
        acme.hold_less(id(6), more);
        assert_eq!(acme.hold_more(id(6), &text(INPUT_BYTES_FREE / 2)).unwrap(), 0);
        acme.hold_less(id(6), more);
        assert_eq!(acme.hold_more(id(6), &large).unwrap(), more);
        acme.release(id(6));
        assert_eq!(node.load(Ordering::Relaxed), 0);
    }
}
