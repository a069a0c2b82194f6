-- What shows that something was done: what it is, and beside it its content, where that is stored.
CREATE TABLE evidence (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE evidence_contents (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);
