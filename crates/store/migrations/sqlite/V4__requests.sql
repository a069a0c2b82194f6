-- Requests to people: what is asked, of whom, and where it stands. What they are about is in their entries.
CREATE TABLE requests (
    transaction_id BLOB NOT NULL,
    id BLOB NOT NULL,
    log INTEGER NOT NULL,
    step INTEGER NOT NULL,
    clone INTEGER NOT NULL,
    status TEXT NOT NULL,
    kind TEXT NOT NULL,
    role TEXT,
    opened_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    decided_at INTEGER,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (transaction_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX requests_by_id ON requests (id);
CREATE INDEX requests_by_due ON requests (log, due_at, id);
CREATE INDEX requests_by_status ON requests (log, status, due_at, id);
CREATE INDEX requests_open ON requests (log, due_at, id) WHERE decided_at IS NULL;
CREATE INDEX requests_by_role ON requests (log, role, due_at, id) WHERE role IS NOT NULL;

PRAGMA user_version = 4;
