//! Every limit there is on what comes from outside, in one place.

/// Bytes of a payload: a transaction's input, a step's output, an error's detail.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Bytes of an HTTP request's body: a batch of answers holds several payloads.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// How deep JSON, CEL and Cedar may nest.
pub const NESTING_MAX: usize = 32;
/// Operators in one CEL expression or one Cedar policy.
pub const OPERATORS_MAX: usize = 256;
/// Bytes of one CEL expression.
pub const EXPRESSION_BYTES_MAX: usize = 8 << 10;
/// Bytes of a definition document.
pub const DEFINITION_BYTES_MAX: usize = 1 << 20;
/// Steps of a definition.
pub const STEPS_MAX: usize = 1_000;
/// Attempts of a step.
pub const ATTEMPTS_MAX: u32 = 1_000;
/// Bytes of a bundle document.
pub const BUNDLE_BYTES_MAX: usize = 4 << 20;
/// Policies of a bundle.
pub const POLICIES_MAX: usize = 10_000;
/// Types and actions of a bundle's schema.
pub const SCHEMA_ITEMS_MAX: usize = 2_000;
/// Combinations of action, principal type and resource type that a bundle's schema allows.
pub const ENVIRONMENTS_MAX: usize = 10_000;
/// Static entities of a bundle.
pub const ENTITIES_MAX: usize = 10_000;
/// Bytes of a record.
pub const RECORD_BYTES_MAX: usize = 65_535;
/// Entries of one transaction while it goes forward.
pub const TRANSACTION_ENTRIES_MAX: u64 = 100_000;
/// Entries above [`TRANSACTION_ENTRIES_MAX`] that only outcomes and compensations may use.
pub const TRANSACTION_ENTRIES_RESERVED: u64 = 10_000;
/// Decisions that a shard keeps at a time, all of one control epoch.
pub const DECISIONS_KEPT_MAX: usize = 1_024;
/// Bytes of a decision's payload, above which it is not kept.
pub const DECISION_KEPT_BYTES_MAX: usize = 8 << 10;
/// Transactions that have ended whose ids a shard keeps.
pub const ENDED_KEPT_MAX: usize = 16_384;
/// Answers of the role bundle that a node keeps at a time.
pub const GRANTS_KEPT_MAX: usize = 10_000;
/// Bytes of a name: definition, step, worker, error type, label.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of an idempotency or business key.
pub const KEY_BYTES_MAX: usize = 256;
/// Bytes of a justification or another text by a person.
pub const TEXT_BYTES_MAX: usize = 2_000;
/// Labels of a transaction.
pub const LABELS_MAX: usize = 32;
/// Running transactions of a shard; a start beyond is refused with `429`.
pub const ACTIVE_TRANSACTIONS_MAX: usize = 100_000;
/// Inputs that wait for a shard.
pub const SHARD_QUEUE_MAX: usize = 16_384;
/// Places of [`SHARD_QUEUE_MAX`] that only outcomes, cancels and timers may take.
pub const SHARD_QUEUE_RESERVED: usize = 4_096;
/// Inputs of one batch.
pub const BATCH_INPUTS_MAX: usize = 1_024;
/// Entries of one batch, above which it takes no further input.
pub const BATCH_ENTRIES_MAX: usize = 8_192;
/// Queues that one worker names in an exchange.
pub const EXCHANGE_QUEUES_MAX: usize = 256;
/// Tasks that one worker holds or reports in an exchange.
pub const EXCHANGE_TASKS_MAX: usize = 4_096;
/// Credit that one worker may hold on one queue.
pub const CREDIT_MAX: u32 = 4_096;
/// Workers known to a shard at a time.
pub const WORKERS_MAX: usize = 10_000;
/// Principals of a tenant.
pub const PRINCIPALS_MAX: usize = 100_000;
/// Rows of a page.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Rows of a page when the caller names no number.
pub const PAGE_ROWS_DEFAULT: usize = 100;

const _: () = assert!(PAYLOAD_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(SHARD_QUEUE_RESERVED < SHARD_QUEUE_MAX);
const _: () = assert!(BATCH_INPUTS_MAX <= SHARD_QUEUE_MAX - SHARD_QUEUE_RESERVED);
const _: () = assert!(PAGE_ROWS_DEFAULT <= PAGE_ROWS_MAX);
const _: () = assert!(TRANSACTION_ENTRIES_RESERVED >= (STEPS_MAX as u64) * 4);
