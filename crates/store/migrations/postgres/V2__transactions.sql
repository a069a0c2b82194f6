-- The entry that says what the driver of an open transaction declared of a step: a load brings its payload.
ALTER TABLE steps ADD COLUMN intent_seq BIGINT;

-- The entries of the signals that no step has taken yet, such as `17,23`: a load brings their payloads.
ALTER TABLE transactions ADD COLUMN kept TEXT;

-- What recovery loads. What only waits stays where it is.
DROP INDEX transactions_live;
CREATE INDEX transactions_live ON transactions (log, id)
    WHERE ended_at IS NULL AND status <> 'parked' AND status <> 'waiting';

-- What people search transactions by. Only a transaction that has a business key or labels has anything to write here.
-- Both are bytes of UTF-8: they may hold any character.

ALTER TABLE transactions ADD COLUMN business_key BYTEA;
-- PostgreSQL's JSON has no U+0000; whoever wrote one into a key or a label can't search by it.
UPDATE transactions SET business_key = convert_to(convert_from(body, 'UTF8')::jsonb ->> 'business_key', 'UTF8')
    WHERE body_key = 'none' AND position('"business_key":' IN convert_from(body, 'UTF8')) > 0
    AND position('\u0000' IN convert_from(body, 'UTF8')) = 0;
CREATE INDEX transactions_by_business_key ON transactions (log, business_key, id) WHERE business_key IS NOT NULL;

-- What a transaction is a child of; only children have it.
ALTER TABLE transactions ADD COLUMN parent_id UUID;
CREATE INDEX transactions_by_parent ON transactions (log, parent_id, id) WHERE parent_id IS NOT NULL;

CREATE TABLE labels (
    log BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    value BYTEA NOT NULL,
    transaction_id UUID NOT NULL,
    PRIMARY KEY (log, name, value, transaction_id)
);
INSERT INTO labels (log, name, value, transaction_id)
    SELECT transactions.log, label.key, convert_to(label.value, 'UTF8'), transactions.id
    FROM (
        SELECT id, log, convert_from(body, 'UTF8') AS body FROM transactions
        WHERE body_key = 'none' AND position('"labels":' IN convert_from(body, 'UTF8')) > 0
        AND position('\u0000' IN convert_from(body, 'UTF8')) = 0
    ) AS transactions, jsonb_each_text(body::jsonb -> 'labels') AS label;

-- What tenants say of the targets that their steps call.
CREATE TABLE targets (
    tenant TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, target)
);

-- What tenants say of the queues that their workers take from.
CREATE TABLE queues (
    tenant TEXT COLLATE "C" NOT NULL,
    queue TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, queue)
);

-- The tenants that take no new transactions.
CREATE TABLE maintenance (
    tenant TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant)
);

-- How long tenants keep what has ended.
CREATE TABLE retention (
    tenant TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant)
);

-- What calls are signed with. The secrets are here and nowhere else; nothing prints them.
CREATE TABLE signing_secrets (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    target TEXT COLLATE "C",
    secret BYTEA NOT NULL,
    issued_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- The settings of tenants that expressions see, each version as it was set. A transaction keeps the version that it
-- began with: a load brings it.
CREATE TABLE settings (
    tenant TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    source BYTEA NOT NULL,
    PRIMARY KEY (tenant, version)
);
ALTER TABLE transactions ADD COLUMN settings BIGINT;

-- What starts by itself: when, what came of it, and when next. Inputs are in entries.
CREATE TABLE schedules (
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- The events that steps emitted, to be read in order, by type and by subject, which is bytes of UTF-8. What they say is in
-- their entries.
CREATE TABLE events (
    log BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    subject BYTEA,
    PRIMARY KEY (log, seq)
);
CREATE INDEX events_by_type ON events (log, type, seq);
CREATE INDEX events_by_subject ON events (log, subject, seq) WHERE subject IS NOT NULL;
