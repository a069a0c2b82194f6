-- The entry that says what the driver of an open transaction declared of a step: a load brings its payload.
ALTER TABLE steps ADD COLUMN intent_seq INTEGER;

-- The entries of the signals that no step has taken yet, such as `17,23`: a load brings their payloads.
ALTER TABLE transactions ADD COLUMN kept TEXT;

-- What recovery loads. What only waits stays where it is.
DROP INDEX transactions_live;
CREATE INDEX transactions_live ON transactions (log, id)
    WHERE ended_at IS NULL AND status <> 'parked' AND status <> 'waiting';

-- What people search transactions by. Only a transaction that has a business key or labels has anything to write here.
-- Both are bytes of UTF-8: they may hold any character.

ALTER TABLE transactions ADD COLUMN business_key BLOB;
UPDATE transactions SET business_key = CAST(json_extract(CAST(body AS TEXT), '$.business_key') AS BLOB)
    WHERE body_key = 'none';
CREATE INDEX transactions_by_business_key ON transactions (log, business_key, id) WHERE business_key IS NOT NULL;

-- What a transaction is a child of; only children have it.
ALTER TABLE transactions ADD COLUMN parent_id BLOB;
CREATE INDEX transactions_by_parent ON transactions (log, parent_id, id) WHERE parent_id IS NOT NULL;

CREATE TABLE labels (
    log INTEGER NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    transaction_id BLOB NOT NULL,
    PRIMARY KEY (log, name, value, transaction_id)
) STRICT, WITHOUT ROWID;
INSERT INTO labels (log, name, value, transaction_id)
    SELECT log, label.key, CAST(label.value AS BLOB), transactions.id
    FROM transactions, json_each(CAST(body AS TEXT), '$.labels') AS label
    WHERE body_key = 'none';

-- What tenants say of the targets that their steps call.
CREATE TABLE targets (
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, target)
) STRICT, WITHOUT ROWID;

-- What tenants say of the queues that their workers take from.
CREATE TABLE queues (
    tenant TEXT NOT NULL,
    queue TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, queue)
) STRICT, WITHOUT ROWID;

-- The tenants that take no new transactions.
CREATE TABLE maintenance (
    tenant TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

-- How long tenants keep what has ended.
CREATE TABLE retention (
    tenant TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

-- What calls are signed with. The secrets are here and nowhere else; nothing prints them.
CREATE TABLE signing_secrets (
    tenant TEXT NOT NULL,
    id BLOB NOT NULL,
    target TEXT,
    secret BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- The settings of tenants that expressions see, each version as it was set. A transaction keeps the version that it
-- began with: a load brings it.
CREATE TABLE settings (
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    source BLOB NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;
ALTER TABLE transactions ADD COLUMN settings INTEGER;

-- What starts by itself: when, what came of it, and when next. Inputs are in entries.
CREATE TABLE schedules (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- The events that steps emitted, to be read in order, by type and by subject, which is bytes of UTF-8. What they say is in
-- their entries.
CREATE TABLE events (
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    subject BLOB,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_type ON events (log, type, seq);
CREATE INDEX events_by_subject ON events (log, subject, seq) WHERE subject IS NOT NULL;

PRAGMA user_version = 2;
