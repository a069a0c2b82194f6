-- What people answer for though their tenants' policy denies it.
CREATE TABLE overrides (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);
