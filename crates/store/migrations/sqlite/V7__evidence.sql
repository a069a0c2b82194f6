-- What shows that something was done: what it is, and beside it its content, where that is stored.
CREATE TABLE evidence (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence_contents (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

PRAGMA user_version = 7;
