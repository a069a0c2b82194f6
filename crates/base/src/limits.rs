//! Every limit there is on what comes from outside, in one place.

use std::time::Duration;

/// Bytes of a payload: a transaction's input, a step's output, an error's detail.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Bytes of an HTTP request's body: a batch of answers holds several payloads, and a bundle fits.
pub const BODY_BYTES_MAX: usize = 5 << 20;
/// What the values of one body may count together: a value counts one, and what [`JSON_OBJECT_COUNTS`] says comes on
/// top. A body of small numbers or objects takes fifty times its bytes in memory; this keeps it to about
/// [`JSON_VALUES_MAX`] × [`JSON_VALUE_BYTES`].
pub const JSON_VALUES_MAX: usize = 1 << 16;
/// The same for a bundle, whose entities are many and small, and of which one is read at a time.
pub const BUNDLE_VALUES_MAX: usize = 1 << 18;
/// What an object with members counts above its values: its index and its first places. Each name counts one more.
pub const JSON_OBJECT_COUNTS: usize = 6;
/// Bytes of memory of what counts one: a `serde_json::Value`, whose largest variant is an object.
pub const JSON_VALUE_BYTES: usize = 72;
/// How deep JSON, CEL and Cedar may nest.
pub const NESTING_MAX: usize = 32;
/// How deep what a worker reports may nest: it lies four deep in the body of an exchange, which may nest as any may.
pub const REPORT_NESTING_MAX: usize = NESTING_MAX - 4;
/// How deep what is stored may nest: a value lies within its payload or row, and what a target answered within an error
/// of a compensation of a step.
pub const STORED_NESTING_MAX: usize = NESTING_MAX + 16;
/// Operators in one CEL expression or one Cedar policy.
pub const OPERATORS_MAX: usize = 256;
/// Bytes of one CEL expression.
pub const EXPRESSION_BYTES_MAX: usize = 8 << 10;
/// Bytes of a definition document.
pub const DEFINITION_BYTES_MAX: usize = 512 << 10;
/// Steps of a definition.
pub const STEPS_MAX: usize = 1_000;
/// Steps of an open transaction.
pub const OPEN_STEPS_MAX: u32 = 10_000;
/// The same where its definition does not say.
pub const OPEN_STEPS_DEFAULT: u32 = 1_000;
/// Classes of data that a step, or an input, may name; and that a transaction may be tainted with.
pub const CLASSES_MAX: usize = 32;
/// Actions that the definition of an open transaction allows by name.
pub const OPEN_ACTIONS_MAX: usize = 100;
/// Bytes of the inputs and outputs of an open transaction's steps together: they stay in memory, to be given again.
pub const OPEN_BYTES_MAX: usize = 16 << 20;
/// How long an attempt of an open transaction's step may be out: what it would wait for before it undoes anything.
pub const OPEN_STEP_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Elements of a fan-out, and so clones of its step.
pub const CLONES_MAX: usize = 10_000;
/// Clones of all steps of one transaction together.
pub const TRANSACTION_CLONES_MAX: usize = 20_000;
/// Clones of all transactions that a shard has in memory, above which it takes no start. Each takes some 700 bytes.
pub const SHARD_CLONES_MAX: usize = 100_000;
/// Bytes of the outputs of one transaction together, of the data of the events that its steps emitted and of the
/// decisions that they asked for, above which no further step begins; those that are out come in.
pub const TRANSACTION_OUTPUT_BYTES_MAX: usize = 64 << 20;
/// Bytes of an event's subject.
pub const EVENT_SUBJECT_BYTES_MAX: usize = KEY_BYTES_MAX;
/// Events that one page looks at, where what it is asked for is in no index.
pub const EVENT_LOOKS_MAX: usize = 20_000;
/// Waits that a transaction shows: one for each clone that waits would be more than anybody reads.
pub const WAITS_SHOWN_MAX: usize = 1_000;
/// Bytes of the variables that one step sets, as canonical JSON.
pub const VARIABLES_BYTES_MAX: usize = 64 << 10;
/// Attempts of a step, or of one round of a step that polls.
pub const ATTEMPTS_MAX: u32 = 1_000;
/// Rounds of a step that polls. Nothing of a round is kept but its number; what bounds them is
/// [`TRANSACTION_ENTRIES_MAX`], of which a round takes three.
pub const POLL_ROUNDS_MAX: u32 = 30_000;
/// From the end of a round to the next one at least: a target that is asked more often should say so itself.
pub const POLL_EVERY_MIN: Duration = Duration::from_millis(100);
/// Bytes of a bundle document.
pub const BUNDLE_BYTES_MAX: usize = 4 << 20;
/// Policies of a bundle.
pub const POLICIES_MAX: usize = 10_000;
/// Running transactions that an activation looks at for what it would deny.
pub const IMPACT_LOOKS_MAX: usize = 1_000;
/// Decisions that it takes for that: about a second's work.
pub const IMPACT_DECISIONS_MAX: usize = 20_000;
/// Steps of running transactions that it lists.
pub const IMPACT_SHOWN_MAX: usize = 100;
/// Signers of a tenant's bundles.
pub const SIGNERS_MAX: usize = 64;
/// Tests of a bundle: they are run at each push.
pub const BUNDLE_CASES_MAX: usize = 1_000;
/// Entries that one call of a replay looks at.
pub const REPLAY_ENTRIES_MAX: u64 = 10_000;
/// Policies of a bundle, above which a push and a check do not lint: policies are compared with one another.
pub const LINT_POLICIES_MAX: usize = 1_000;
/// Definitions, principals and actions together by which a replay sums flips; the rest is one sum.
pub const REPLAY_GROUPS_MAX: usize = 10_000;
/// Types and actions of a bundle's schema.
pub const SCHEMA_ITEMS_MAX: usize = 2_000;
/// Combinations of action, principal type and resource type that a bundle's schema allows.
pub const ENVIRONMENTS_MAX: usize = 10_000;
/// Static entities of a bundle.
pub const ENTITIES_MAX: usize = 10_000;
/// Rows of a decision table.
pub const TABLE_ROWS_MAX: usize = 2_000;
/// Inputs of a decision table.
pub const TABLE_INPUTS_MAX: usize = 32;
/// Outputs of a decision table.
pub const TABLE_OUTPUTS_MAX: usize = 16;
/// Values that an output of a decision table lists.
pub const TABLE_VALUES_MAX: usize = 256;
/// Bytes of a cell of a decision table.
pub const CELL_BYTES_MAX: usize = 1 << 10;
/// Cells of a decision table that are expressions, its outputs' among them: each is compiled on its own.
pub const TABLE_EXPRESSIONS_MAX: usize = 2_000;
/// Bytes of the index of a decision table: a bit for each row at each place where a cell of the column begins or ends.
pub const TABLE_INDEX_BYTES_MAX: usize = 4 << 20;
/// Test cases of a decision table.
pub const TABLE_CASES_MAX: usize = 1_000;
/// What an analysis of a decision table looks at, words of its index and spans of its cells: some tenths of a second.
pub const TABLE_LOOKS_MAX: usize = 1 << 26;
/// Findings of an analysis that are told.
pub const TABLE_FINDINGS_MAX: usize = 100;
/// Tables that a bundle's risk is computed by.
pub const RISK_TABLES_MAX: usize = 32;
/// Rows of risk tables that a decision names.
pub const RISK_ROWS_MAX: usize = 256;
/// Fuel of all risk tables of one decision: a hundred thousand nodes of expressions visited, a millisecond or so.
pub const RISK_FUEL: u64 = 100_000;
/// Bundles whose risk tables a shard keeps compiled.
pub const RISK_BUNDLES_KEPT_MAX: usize = 16;
/// Connections at a time. Each takes some 25 KiB while it lives: hyper's buffers and the state of its task.
pub const CONNECTIONS_MAX: usize = 1_152;
/// Connections at a time on which no valid key has been shown. One more closes the one that has waited longest: each
/// may hold a head of [`HEAD_BUFFER_BYTES_MAX`] for as long as it likes to be slow.
pub const STRANGERS_MAX: usize = 256;
/// Connections at a time on which keys of one tenant were shown. One more closes the one that has idled longest.
pub const TENANT_CONNECTIONS_MAX: usize = 512;
/// Bytes that a connection may buffer of a head that is not complete: what the server takes of target and headers, so
/// that a head of which only one of the two is too large is answered with what is wrong.
pub const HEAD_BUFFER_BYTES_MAX: usize = 24 << 10;
/// Calls at a time that are no worker's exchanges: of the node, of one tenant, of one principal.
pub const CALLS_MAX: usize = 448;
/// See [`CALLS_MAX`].
pub const TENANT_CALLS_MAX: usize = 224;
/// See [`CALLS_MAX`].
pub const PRINCIPAL_CALLS_MAX: usize = 208;
/// Calls above each of these three that only what lets work end or be stopped may take: cancelling, resolving,
/// suspending, revoking.
pub const CALLS_RESERVED: usize = 32;
/// Workers' exchanges at a time: of the node, of one tenant, of one principal. They have places of their own, so that
/// neither starts nor waits for results keep a tenant's workers from answering.
pub const EXCHANGES_MAX: usize = 512;
/// See [`EXCHANGES_MAX`].
pub const TENANT_EXCHANGES_MAX: usize = 256;
/// See [`EXCHANGES_MAX`].
pub const PRINCIPAL_EXCHANGES_MAX: usize = 256;
/// Callbacks of targets at a time: whose they are is known only when their bodies are read.
pub const CALLBACKS_MAX: usize = 64;
/// Exchanges of a tenant that may be held while there is no task. The places above are for reports.
pub const TENANT_POLLS_MAX: usize = 208;
/// Bytes of a body or an answer that are not counted: what most calls need, and what the limits on calls bound.
pub const ROOM_BYTES_FREE: usize = 16 << 10;
/// Bytes of all larger bodies, of the values read from them and of answers being sent, at a time.
pub const ROOM_BYTES_MAX: usize = 12 << 20;
/// The same for one tenant.
pub const TENANT_ROOM_BYTES_MAX: usize = 6 << 20;
/// Bytes of memory that the inputs of a tenant's running transactions may take, inputs up to [`INPUT_BYTES_FREE`] not
/// counted. The shard holds them until the transaction has ended.
pub const TENANT_INPUT_BYTES_MAX: usize = 6 << 20;
/// The same for all tenants of a node.
pub const INPUT_BYTES_MAX: usize = 12 << 20;
/// Bytes of an input that are not counted, for [`ACTIVE_TRANSACTIONS_MAX`] bounds their number.
pub const INPUT_BYTES_FREE: usize = 4 << 10;
/// Bundles and definitions that a node reads at a time; others wait. One may keep a processor busy for a second.
pub const DOCUMENTS_AT_ONCE: usize = 1;
/// Bytes of the payloads of a page of entries, above which it ends early.
pub const PAGE_BYTES_MAX: usize = 2 << 20;
/// Entries that are fetched at a time for a page: each may have a payload of [`PAYLOAD_BYTES_MAX`].
pub const PAGE_STEP: usize = 8;
/// Bytes of payloads, above which a store gives no further entries of a page, beyond the first [`PAGE_STEP`].
pub const ENTRIES_BYTES_MAX: usize = 4 << 20;
/// Entries that are fetched at a time for a replay.
pub const REPLAY_STEP: usize = 512;
/// Pages of entries that are read at a time in a tenant; others wait.
pub const PAGES_AT_ONCE: usize = 1;
/// Exports that are under way at a time in a tenant; one more is refused.
pub const EXPORTS_AT_ONCE: usize = 2;
/// Entries that are read at a time for an export without payloads, and to look for what happened when.
pub const EXPORT_STEP: usize = 256;
/// Bytes of a compliance pack.
pub const PACK_BYTES_MAX: usize = 256 << 10;
/// Controls of a compliance pack.
pub const PACK_CONTROLS_MAX: usize = 500;
/// Queries of a control.
pub const PACK_QUERIES_MAX: usize = 16;
/// How often a query may want entries at most: so a range has no more parts than days.
pub const PACK_EVERY_MIN: Duration = Duration::from_secs(24 * 60 * 60);
/// The range that a pack is judged in where none is named, up to now.
pub const PACK_RANGE_DEFAULT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Bytes of a record.
pub const RECORD_BYTES_MAX: usize = 65_535;
/// Entries of one transaction while it goes forward; outcomes and compensations may be more.
pub const TRANSACTION_ENTRIES_MAX: u64 = 100_000;
/// Decisions that a shard keeps at a time, all of one control epoch.
pub const DECISIONS_KEPT_MAX: usize = 1_024;
/// Bytes of a decision's payload, above which it is not kept.
pub const DECISION_KEPT_BYTES_MAX: usize = 8 << 10;
/// Transactions that have ended whose ids a shard keeps.
pub const ENDED_KEPT_MAX: usize = 16_384;
/// Transactions of which a node keeps who started them.
pub const STARTERS_KEPT_MAX: usize = 65_536;
/// Answers of the role bundle that a node keeps at a time.
pub const GRANTS_KEPT_MAX: usize = 10_000;
/// Bytes of a name: definition, step, worker, error type, label.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of a signal's payload, as canonical JSON. It is kept in memory until a step takes it.
pub const SIGNAL_BYTES_MAX: usize = 16 << 10;
/// Signals of a transaction that no step has taken yet.
pub const SIGNALS_KEPT_MAX: usize = 64;
/// A transaction remembers the ids of so many of its newest signals, to take none twice.
pub const SIGNAL_IDS_KEPT_MAX: usize = 256;
/// Bytes of an idempotency or business key.
pub const KEY_BYTES_MAX: usize = 256;
/// Bytes of a justification or another text by a person.
pub const TEXT_BYTES_MAX: usize = 2_000;
/// Characters of a justification with which a person answers a request, at least: a definition may ask for more.
pub const REQUEST_JUSTIFICATION_MIN: u32 = 20;
/// What a definition may ask for at most.
pub const REQUEST_JUSTIFICATION_MIN_MAX: u32 = 500;
/// Bytes of a request's title.
pub const REQUEST_TITLE_BYTES_MAX: usize = 200;
/// People that one request can need.
pub const REQUEST_APPROVERS_MAX: u32 = 10;
/// Requests that are looked at for a page of those that somebody can answer.
pub const REQUEST_LOOKS_MAX: usize = 10_000;
/// How long after it was opened a request may be due.
pub const REQUEST_OPEN_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Times that a request may be put off, and handed on.
pub const REQUEST_TURNS_MAX: usize = 16;
/// Requests that one step, or one clone, may open until a person has it tried again.
pub const REQUESTS_A_STEP_MAX: usize = 16;
/// Faults that a start may ask for: they are written with a transaction's head, at each of its commits.
pub const FAULTS_MAX: usize = 32;
/// Attempts that one fault names.
pub const FAULT_ATTEMPTS_MAX: usize = 32;
/// Bytes of the message of a fault's error.
pub const FAULT_MESSAGE_BYTES_MAX: usize = 256;
/// How much later a fault may have an attempt handed out.
pub const FAULT_DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Schemas that the schema of a definition's input is made of.
pub const INPUT_SCHEMAS_MAX: usize = 4_096;
/// What is looked at when an input is held against its schema: a value under a schema counts one, a text that is
/// matched its bytes. That is some tenths of a second at most, for whoever writes such a schema.
pub const INPUT_LOOKS_MAX: usize = 1 << 20;
/// Faults of an input that are told at once.
pub const INPUT_FAULTS_MAX: usize = 20;
/// Bytes of a text that a pattern of an input's schema is matched with; a longer one is refused.
pub const INPUT_PATTERN_TEXT_MAX: usize = 16 << 10;
/// Bytes of such a pattern as it is compiled.
pub const INPUT_PATTERN_BYTES_MAX: usize = 64 << 10;
/// Settings of a tenant.
pub const SETTINGS_MAX: usize = 256;
/// Bytes of all settings of a tenant together, as canonical JSON.
pub const SETTINGS_BYTES_MAX: usize = 64 << 10;
/// Bytes of a setting's name.
pub const SETTING_NAME_BYTES_MAX: usize = 64;
/// Labels of a transaction.
pub const LABELS_MAX: usize = 32;
/// Headers of a transaction.
pub const HEADERS_MAX: usize = 32;
/// Bytes of the name of a header of a transaction, and of its text.
pub const HEADER_BYTES_MAX: usize = 1 << 10;
/// Bytes of all headers of a transaction together, names and texts. They are kept with its row.
pub const HEADERS_BYTES_MAX: usize = 4 << 10;
/// Transactions of a shard that only wait and stay in memory; those that have waited longest leave it.
pub const RESTING_TRANSACTIONS_MAX: usize = 10_000;
/// Running transactions of a shard; a start beyond is refused with `429`. A node may be told fewer.
pub const ACTIVE_TRANSACTIONS_MAX: usize = 100_000;
/// How far a child may stand below the transaction that nothing runs.
pub const CHILD_DEPTH_MAX: u32 = 8;
/// Steps and clones of steps that a fork takes over: each is an entry of the commit with which it begins.
pub const FORK_NODES_MAX: usize = 4_096;
/// Bytes of the outputs and of the elements of fan-outs that a fork takes over, as canonical JSON.
pub const FORK_BYTES_MAX: usize = 8 << 20;
/// Evaluations of one call of the Authorization API.
pub const EVALUATIONS_MAX: usize = 100;
/// Bytes of one of them as JSON, with what it takes from the call's defaults.
pub const EVALUATION_BYTES_MAX: usize = 64 << 10;
/// Candidates that one call of a search of the Authorization API looks at; its page may be short, though more follow.
pub const ACCESS_LOOKS_MAX: usize = 1_000;
/// Bytes of what a policy information point says of a subject.
pub const INFORMATION_BYTES_MAX: usize = 64 << 10;
/// Subjects of which that is kept, each of [`INFORMATION_KEPT_BYTES_MAX`] at most.
pub const INFORMATION_KEPT_MAX: usize = 4_096;
/// Bytes up to which it is kept.
pub const INFORMATION_KEPT_BYTES_MAX: usize = 8 << 10;
/// Calls of the policy information point at a time.
pub const INFORMATION_CALLS_MAX: usize = 64;
/// Inputs that wait for a shard.
pub const SHARD_QUEUE_MAX: usize = 16_384;
/// Places of [`SHARD_QUEUE_MAX`] that only outcomes, cancels and timers may take.
pub const SHARD_QUEUE_RESERVED: usize = 4_096;
/// Inputs of one batch.
pub const BATCH_INPUTS_MAX: usize = 1_024;
/// Entries of one batch, above which it takes no further input.
pub const BATCH_ENTRIES_MAX: usize = 8_192;
/// Bytes of the payloads of one batch, above which it takes no further input: what the shard carries out itself, such as
/// the events of a step that fanned out, is paced by nobody else. The last entry may have a payload of its own.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// Rows of steps that one batch writes, above which it takes no further input: a fan-out makes one a clone, and a
/// transaction that turns cancels all that wait.
pub const BATCH_STEPS_MAX: usize = 20_000;
/// Attempts and waits of one transaction whose time ran out that one batch ends; the rest are the next one's.
pub const BATCH_TIMEOUTS_MAX: usize = 1_024;
/// Queues that one worker names in an exchange.
pub const EXCHANGE_QUEUES_MAX: usize = 256;
/// Tasks that one worker holds or reports in an exchange.
pub const EXCHANGE_TASKS_MAX: usize = 4_096;
/// Credit that one worker may hold on one queue.
pub const CREDIT_MAX: u32 = 4_096;
/// Workers known to a shard at a time.
pub const WORKERS_MAX: usize = 10_000;
/// Targets that a tenant has settings of, and origins that a node may call.
pub const TARGETS_MAX: usize = 250;
/// HTTP calls of a tenant that are out at a time, whatever its targets' bulkheads say: each may hold an answer of
/// [`PAYLOAD_BYTES_MAX`].
pub const TARGET_CALLS_MAX: u32 = 400;
/// Queues that a tenant has settings of.
pub const QUEUES_MAX: usize = 1_000;
/// Stops that a tenant has, beside the one on the tenant as a whole.
pub const STOPS_MAX: usize = 1_000;
/// Budgets of a tenant.
pub const BUDGETS_MAX: usize = 1_000;
/// Accounts that a tenant's budgets and rates have at once.
pub const ACCOUNTS_MAX: usize = 100_000;
/// Bytes of the name of what a budget counts, such as `EUR cents`.
pub const UNIT_BYTES_MAX: usize = 64;
/// Evidence that a tenant has, whether or not its content is stored: a control state holds all of it.
pub const EVIDENCE_MAX: usize = 10_000;
/// Bytes of the content of an evidence that is stored; of what is larger there is a digest and a link.
pub const EVIDENCE_BYTES_MAX: usize = 1 << 20;
/// Bytes of the media type of an evidence.
pub const MEDIA_TYPE_BYTES_MAX: usize = 127;
/// Bytes of the link to where the content of an evidence is.
pub const EVIDENCE_LINK_BYTES_MAX: usize = 2_048;
/// How long evidence is kept where nothing is said.
pub const EVIDENCE_KEPT_DEFAULT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The same at least.
pub const EVIDENCE_KEPT_MIN: Duration = Duration::from_secs(1);
/// The same at most.
pub const EVIDENCE_KEPT_MAX: Duration = crate::duration::DURATION_MAX;
/// Evidence that one commit erases.
pub const EVIDENCE_ERASED_AT_ONCE: usize = 100;
/// Definitions and actions that a report tells apart; what is further is counted together.
pub const REPORT_GROUPS_MAX: usize = 1_000;
/// People that a report names of each level; further ones are counted.
pub const REPORT_PEOPLE_MAX: usize = 100;
/// Entries that a report gives as examples of something.
pub const REPORT_EXAMPLES: usize = 5;
/// Transactions, requests or pairs of duties that a report follows through a range.
pub const REPORT_FOLLOWED_MAX: usize = 100_000;
/// Pairs of duties that a report looks for.
pub const DUTY_PAIRS_MAX: usize = 50;
/// Findings that a report on duties shows of each sort.
pub const DUTY_FINDINGS_MAX: usize = 1_000;
/// Resources of one type that a review of access asks about.
pub const REVIEW_RESOURCES_MAX: usize = 20;
/// Overrides that a tenant has: at the limit the oldest that nothing more comes of goes, and its entries stay.
pub const OVERRIDES_MAX: usize = 1_000;
/// How long an override may be in force.
pub const OVERRIDE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long after it was granted an override is to be reviewed.
pub const OVERRIDE_REVIEW_WITHIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Characters of what people say of an override, at least.
pub const OVERRIDE_JUSTIFICATION_MIN: usize = 20;
/// Notifiers of a tenant.
pub const NOTIFIERS_MAX: usize = 32;
/// Bytes of a text of a notifier: a URL, a host, an address.
pub const NOTIFIER_TEXT_BYTES_MAX: usize = 512;
/// Addresses that one notifier mails to.
pub const NOTIFIER_RECIPIENTS_MAX: usize = 16;
/// Attempts to tell one thing: with waits that double up to 15 minutes, some three hours.
pub const NOTIFIER_ATTEMPTS_MAX: u32 = 20;
/// Entries that a notifier looks at in one go.
pub const NOTIFIER_LOOKS: usize = 1_000;
/// Entries that a notifier passes over before it says so, which bounds what is looked at again after a restart.
pub const NOTIFIER_PASSES_AFTER: u64 = 100_000;
/// Versions of workers, or beginnings of them, that a queue is routed by.
pub const QUEUE_VERSIONS_MAX: usize = 16;
/// Bytes of the version of a worker.
pub const VERSION_BYTES_MAX: usize = 64;
/// Versions of workers that are shown of a queue.
pub const VERSIONS_SHOWN_MAX: usize = 100;
/// Secrets that a tenant's calls are signed with, those of single targets among them.
pub const SIGNING_SECRETS_MAX: usize = 64;
/// Signatures of one call.
pub const SIGNATURES_MAX: usize = 4;
/// Principals of a tenant.
pub const PRINCIPALS_MAX: usize = 100_000;
/// How long a transaction that has ended is kept at least, whatever its tenant says, and its idempotency key with it.
pub const RETENTION_MIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The same where the tenant says nothing.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The same at most.
pub const RETENTION_MAX: Duration = crate::duration::DURATION_MAX;
/// Ended transactions that one commit removes.
pub const EXPIRED_AT_ONCE: usize = 1_000;
/// Rows of steps that one commit removes, above which it removes no further transaction.
pub const EXPIRED_STEPS_AT_ONCE: usize = BATCH_STEPS_MAX;
/// Transactions that are looked at for one such commit.
pub const EXPIRY_LOOKS_MAX: usize = 5_000;
/// Rows of a page.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Rows of a page when the caller names no number.
pub const PAGE_ROWS_DEFAULT: usize = 100;
/// Bytes of a cron expression.
pub const CRON_BYTES_MAX: usize = 256;
/// The shortest time from one start of a schedule to the next.
pub const SCHEDULE_EVERY_MIN: Duration = Duration::from_secs(1);
/// Schedules of a tenant.
pub const SCHEDULES_MAX: usize = 10_000;
/// Bytes of a schedule's input. It is less than that of a start: nobody waits who could be told that there is no room.
pub const SCHEDULE_INPUT_BYTES_MAX: usize = 64 << 10;
/// Expressions in a schedule's input.
pub const SCHEDULE_EXPRESSIONS_MAX: usize = 64;
/// How late a time of a schedule may be dealt with and still be in time.
pub const SCHEDULE_LATE_MAX: Duration = Duration::from_secs(60);
/// How far back a schedule may make up for what it missed.
pub const SCHEDULE_WINDOW_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Times that a schedule that makes up for all it missed may have in its window: one a minute for a week.
pub const SCHEDULE_CATCH_UP_MAX: u128 = 7 * 24 * 60;
/// What came of its latest times, as many as a schedule keeps.
pub const SCHEDULE_RECENT_MAX: usize = 10;
/// Times of one schedule that wait for the end of what it started.
pub const SCHEDULE_WAITING_MAX: usize = 1_000;
/// Schedules that are looked at for one batch: what each of them starts is held until that is committed.
pub const SCHEDULES_AT_ONCE: usize = 32;
/// The next times of a schedule that are shown.
pub const SCHEDULE_NEXT_SHOWN: usize = 5;
/// Bytes of a search.
pub const SEARCH_BYTES_MAX: usize = 2_000;
/// Terms of a search.
pub const SEARCH_TERMS_MAX: usize = 16;
/// Values of a term.
pub const SEARCH_VALUES_MAX: usize = 16;
/// Transactions that one page of a search looks at, where no index holds exactly those that are searched.
pub const SEARCH_LOOKS_MAX: usize = 20_000;
/// The same for one count.
pub const COUNT_LOOKS_MAX: usize = 100_000;
/// Transactions that are counted; there may be more.
pub const COUNT_MAX: usize = 10_000;
/// How long a capability token is good for, where the step does not say.
pub const CAPABILITY_SECONDS_DEFAULT: u32 = 300;
/// The most that a step may say.
pub const CAPABILITY_SECONDS_MAX: u32 = 900;
/// Bytes of what a capability token says of its purpose.
pub const CAPABILITY_PURPOSE_BYTES_MAX: usize = 256;
/// Bytes of the id of the resource that a capability token is for.
pub const CAPABILITY_RESOURCE_BYTES_MAX: usize = 1_024;
/// Bytes of a capability token as text, with everything that its holders added to it.
pub const CAPABILITY_BYTES_MAX: usize = 16 * 1024;
/// How often a capability token may be narrowed.
pub const CAPABILITY_BLOCKS_MAX: usize = 16;
/// Bytes of a challenge that a service draws for the holder of a capability token.
pub const CHALLENGE_BYTES_MAX: usize = 256;
/// Keys that a node signs capability tokens with and once did.
pub const CAPABILITY_KEYS_MAX: usize = 8;

// Each step of an open transaction has its two entries.
const _: () = assert!(2 * (OPEN_STEPS_MAX as u64) < TRANSACTION_ENTRIES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX < BODY_BYTES_MAX && BUNDLE_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(SHARD_QUEUE_RESERVED < SHARD_QUEUE_MAX);
// A node's caller names every origin in one exchange, and what is none of them.
const _: () = assert!(TARGETS_MAX < EXCHANGE_QUEUES_MAX);
const _: () = assert!(BATCH_INPUTS_MAX <= SHARD_QUEUE_MAX - SHARD_QUEUE_RESERVED);
const _: () = assert!(PAGE_ROWS_DEFAULT <= PAGE_ROWS_MAX);
const _: () = assert!(PAGE_ROWS_MAX < SEARCH_LOOKS_MAX && COUNT_MAX <= COUNT_LOOKS_MAX);
const _: () = assert!(CLONES_MAX <= TRANSACTION_CLONES_MAX && TRANSACTION_CLONES_MAX < SHARD_CLONES_MAX);
const _: () = assert!(POLL_ROUNDS_MAX as u64 * 3 <= TRANSACTION_ENTRIES_MAX);
const _: () = assert!(EVALUATIONS_MAX * EVALUATION_BYTES_MAX < BATCH_BYTES_MAX && EVALUATIONS_MAX < BATCH_ENTRIES_MAX);
const _: () = assert!(TRANSACTION_CLONES_MAX <= BATCH_STEPS_MAX && BATCH_TIMEOUTS_MAX <= BATCH_ENTRIES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX < BATCH_BYTES_MAX && PAGE_ROWS_MAX < EVENT_LOOKS_MAX);
const _: () = assert!(STEPS_MAX <= FORK_NODES_MAX && FORK_NODES_MAX < BATCH_ENTRIES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX <= FORK_BYTES_MAX && FORK_BYTES_MAX <= TRANSACTION_OUTPUT_BYTES_MAX);
const _: () = assert!(JSON_VALUES_MAX <= BUNDLE_VALUES_MAX && CELL_BYTES_MAX <= EXPRESSION_BYTES_MAX);
const _: () = assert!(CAPABILITY_SECONDS_DEFAULT <= CAPABILITY_SECONDS_MAX);
const _: () = assert!(CAPABILITY_RESOURCE_BYTES_MAX + CAPABILITY_PURPOSE_BYTES_MAX < CAPABILITY_BYTES_MAX / 4);
const _: () = assert!(EXPIRED_AT_ONCE <= EXPIRY_LOOKS_MAX);
// In base64, with what stands beside it.
const _: () = assert!(EVIDENCE_BYTES_MAX / 3 * 4 + (64 << 10) < BODY_BYTES_MAX);
const _: () = assert!(RETENTION_MIN.as_secs() <= RETENTION_DEFAULT.as_secs());
const _: () = assert!(RETENTION_DEFAULT.as_secs() <= RETENTION_MAX.as_secs());
const _: () = assert!(SCHEDULE_INPUT_BYTES_MAX <= PAYLOAD_BYTES_MAX && SCHEDULES_AT_ONCE <= BATCH_INPUTS_MAX);
// The prefix, the name and the time of the key that a schedule starts under.
const _: () = assert!(NAME_BYTES_MAX + "schedule//2026-11-21T07:27:00.000000Z".len() <= KEY_BYTES_MAX);
const _: () = assert!(STRANGERS_MAX + TENANT_CONNECTIONS_MAX < CONNECTIONS_MAX);
// A tenant whose calls all have places leaves none of its connections waiting that could be closed instead.
const _: () = assert!(TENANT_CALLS_MAX + CALLS_RESERVED + TENANT_EXCHANGES_MAX <= TENANT_CONNECTIONS_MAX);
const _: () = assert!(CALLS_MAX + CALLS_RESERVED + EXCHANGES_MAX + CALLBACKS_MAX <= CONNECTIONS_MAX);
const _: () = assert!(CALLBACKS_MAX < STRANGERS_MAX);
const _: () = assert!(PRINCIPAL_CALLS_MAX < TENANT_CALLS_MAX && TENANT_CALLS_MAX < CALLS_MAX);
const _: () = assert!(PRINCIPAL_EXCHANGES_MAX <= TENANT_EXCHANGES_MAX && TENANT_EXCHANGES_MAX < EXCHANGES_MAX);
const _: () = assert!(TENANT_POLLS_MAX < TENANT_EXCHANGES_MAX);
// The largest body, and the values of the busiest one, find room where there is nothing else.
const _: () = assert!(BODY_BYTES_MAX <= TENANT_ROOM_BYTES_MAX && TENANT_ROOM_BYTES_MAX < ROOM_BYTES_MAX);
const _: () = assert!(JSON_VALUES_MAX * JSON_VALUE_BYTES <= TENANT_ROOM_BYTES_MAX);
const _: () = assert!(JSON_VALUES_MAX * JSON_VALUE_BYTES <= TENANT_INPUT_BYTES_MAX);
const _: () = assert!(TENANT_INPUT_BYTES_MAX < INPUT_BYTES_MAX);
// Whatever is asked for can be said, four bytes a character.
const _: () = assert!(4 * REQUEST_JUSTIFICATION_MIN_MAX as usize <= TEXT_BYTES_MAX);
const _: () = assert!(REQUEST_JUSTIFICATION_MIN <= REQUEST_JUSTIFICATION_MIN_MAX);
