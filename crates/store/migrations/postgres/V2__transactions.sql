-- The entry that says what the driver of an open transaction declared of a step: a load brings its payload.
ALTER TABLE steps ADD COLUMN intent_seq BIGINT;

-- What tenants say of the targets that their steps call.
CREATE TABLE targets (
    tenant TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, target)
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
