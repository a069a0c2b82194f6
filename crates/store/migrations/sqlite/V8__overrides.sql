-- What people answer for though their tenants' policy denies it.
CREATE TABLE overrides (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 8;
