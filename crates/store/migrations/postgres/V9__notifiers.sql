-- Who is told that people are asked something, and the passwords for that.
CREATE TABLE notifiers (
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    secret TEXT,
    PRIMARY KEY (tenant, name)
);
