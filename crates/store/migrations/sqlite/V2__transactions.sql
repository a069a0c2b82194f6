-- The entry that says what the driver of an open transaction declared of a step: a load brings its payload.
ALTER TABLE steps ADD COLUMN intent_seq INTEGER;

-- What tenants say of the targets that their steps call.
CREATE TABLE targets (
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, target)
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

PRAGMA user_version = 2;
