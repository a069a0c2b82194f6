-- Who is told that people are asked something, and the passwords for that.
CREATE TABLE notifiers (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    secret TEXT,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 9;
