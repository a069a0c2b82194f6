-- Times are microseconds since 1970 UTC; ids of transactions and credentials are UUIDs, digests 32 bytes.
-- `…_key`, `…_nonce` and the bytes beside them are one sealed value: key `none` and no nonce where it is not encrypted.
-- Text that is sorted by is in the collation "C", so that its order is that of its bytes, as in every other store.

CREATE TABLE tenants (
    tenant TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    shards BIGINT NOT NULL,
    hash_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- Every commit updates one of these few rows: with room in their pages the new version lies beside the old one.
CREATE TABLE logs (
    id BIGINT NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    shard BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    origin TEXT COLLATE "C" NOT NULL UNIQUE,
    epoch BIGINT NOT NULL,
    size BIGINT NOT NULL,
    control_epoch BIGINT NOT NULL,
    owner TEXT NOT NULL,
    UNIQUE (tenant, shard, generation)
) WITH (fillfactor = 20);

-- A range a row: with few shards, 4,096 rows a tenant would say nothing more.
CREATE TABLE slots (
    tenant TEXT COLLATE "C" NOT NULL,
    first_slot BIGINT NOT NULL,
    last_slot BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant, first_slot)
);

CREATE TABLE entries (
    log BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    transaction_id UUID,
    n BIGINT,
    record BYTEA NOT NULL,
    salt BYTEA,
    payload_key TEXT,
    payload_nonce BYTEA,
    payload BYTEA,
    subject BYTEA,
    PRIMARY KEY (log, seq)
);
CREATE UNIQUE INDEX entries_by_transaction ON entries (transaction_id, n) WHERE transaction_id IS NOT NULL;

CREATE TABLE transactions (
    id UUID NOT NULL PRIMARY KEY,
    log BIGINT NOT NULL,
    definition TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    definition_digest BYTEA NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    wake_at BIGINT,
    input_seq BIGINT NOT NULL,
    output_seq BIGINT,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX transactions_by_log ON transactions (log, id);
CREATE INDEX transactions_by_status ON transactions (log, status, id);
CREATE INDEX transactions_live ON transactions (log, id) WHERE ended_at IS NULL AND status <> 'parked';

CREATE TABLE steps (
    transaction_id UUID NOT NULL,
    step BIGINT NOT NULL,
    clone BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    wake_at BIGINT,
    output_seq BIGINT,
    undo_seq BIGINT,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (transaction_id, step, clone)
) WITH (fillfactor = 70);

CREATE TABLE keys (
    tenant TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    slot BIGINT NOT NULL,
    key BYTEA NOT NULL,
    request BYTEA NOT NULL,
    transaction_id UUID NOT NULL,
    PRIMARY KEY (tenant, scope, slot, key)
);

CREATE TABLE principals (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE credentials (
    tenant TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE definitions (
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    registered_at BIGINT NOT NULL,
    source BYTEA NOT NULL,
    PRIMARY KEY (tenant, name, version)
);

CREATE TABLE bundles (
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    pushed_at BIGINT NOT NULL,
    source BYTEA NOT NULL,
    PRIMARY KEY (tenant, name, version),
    UNIQUE (tenant, digest)
);

CREATE TABLE pointers (
    tenant TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (tenant, kind)
);

CREATE TABLE tiles (
    log BIGINT NOT NULL,
    level BIGINT NOT NULL,
    tile BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (log, level, tile)
);

CREATE TABLE checkpoints (
    log BIGINT NOT NULL,
    size BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (log, size)
);
