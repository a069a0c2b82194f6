-- Times are microseconds since 1970 UTC; ids of transactions and credentials their 16 bytes; digests 32.
-- `…_key`, `…_nonce` and the bytes beside them are one sealed value: key `none` and no nonce where it is not encrypted.

CREATE TABLE tenants (
    tenant TEXT NOT NULL PRIMARY KEY,
    shards INTEGER NOT NULL,
    hash_key BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
    id INTEGER NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    shard INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    origin TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    control_epoch INTEGER NOT NULL,
    owner TEXT NOT NULL,
    UNIQUE (tenant, shard, generation)
) STRICT;

-- A range a row: with few shards, 4,096 rows a tenant would say nothing more.
CREATE TABLE slots (
    tenant TEXT NOT NULL,
    first_slot INTEGER NOT NULL,
    last_slot INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, first_slot)
) STRICT, WITHOUT ROWID;

-- The key is (log, seq) in one integer, log << 40 | seq, so that it is the rowid: rows lie in order of their log
-- without a second tree, and up to 4 kB of one stay in its leaf, where a WITHOUT ROWID table keeps 1 kB.
CREATE TABLE entries (
    position INTEGER NOT NULL PRIMARY KEY,
    transaction_id BLOB,
    n INTEGER,
    record BLOB NOT NULL,
    salt BLOB,
    payload_key TEXT,
    payload_nonce BLOB,
    payload BLOB,
    subject BLOB
) STRICT;
CREATE UNIQUE INDEX entries_by_transaction ON entries (transaction_id, n) WHERE transaction_id IS NOT NULL;

CREATE TABLE transactions (
    id BLOB NOT NULL PRIMARY KEY,
    log INTEGER NOT NULL,
    definition TEXT NOT NULL,
    version INTEGER NOT NULL,
    definition_digest BLOB NOT NULL,
    status TEXT NOT NULL,
    principal TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    wake_at INTEGER,
    input_seq INTEGER NOT NULL,
    output_seq INTEGER,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX transactions_by_log ON transactions (log, id);
CREATE INDEX transactions_by_status ON transactions (log, status, id);
CREATE INDEX transactions_live ON transactions (log, id) WHERE ended_at IS NULL AND status <> 'parked';

CREATE TABLE steps (
    transaction_id BLOB NOT NULL,
    step INTEGER NOT NULL,
    clone INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    wake_at INTEGER,
    output_seq INTEGER,
    undo_seq INTEGER,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (transaction_id, step, clone)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    slot INTEGER NOT NULL,
    key BLOB NOT NULL,
    request BLOB NOT NULL,
    transaction_id BLOB NOT NULL,
    PRIMARY KEY (tenant, scope, slot, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE principals (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    tenant TEXT NOT NULL,
    id BLOB NOT NULL,
    principal TEXT NOT NULL,
    hash BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE definitions (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    registered_at INTEGER NOT NULL,
    source BLOB NOT NULL,
    PRIMARY KEY (tenant, name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE bundles (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    pushed_at INTEGER NOT NULL,
    source BLOB NOT NULL,
    PRIMARY KEY (tenant, name, version),
    UNIQUE (tenant, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE pointers (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE tiles (
    log INTEGER NOT NULL,
    level INTEGER NOT NULL,
    tile INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (log, level, tile)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    log INTEGER NOT NULL,
    size INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (log, size)
) STRICT, WITHOUT ROWID;

-- In the file's header: whose it is, `CHNC`, and of which version, so that any build can tell before it reads more.
PRAGMA application_id = 1128812099;
PRAGMA user_version = 1;
