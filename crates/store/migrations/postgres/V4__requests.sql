-- Requests to people: what is asked, of whom, and where it stands. What they are about is in their entries.
CREATE TABLE requests (
    transaction_id UUID NOT NULL,
    id UUID NOT NULL,
    log BIGINT NOT NULL,
    step BIGINT NOT NULL,
    clone BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C",
    opened_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    decided_at BIGINT,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (transaction_id, id)
);
CREATE UNIQUE INDEX requests_by_id ON requests (id);
CREATE INDEX requests_by_due ON requests (log, due_at, id);
CREATE INDEX requests_by_status ON requests (log, status, due_at, id);
CREATE INDEX requests_open ON requests (log, due_at, id) WHERE decided_at IS NULL;
CREATE INDEX requests_by_role ON requests (log, role, due_at, id) WHERE role IS NOT NULL;
