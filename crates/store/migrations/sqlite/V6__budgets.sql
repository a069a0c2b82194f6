-- What tenants may spend.
CREATE TABLE budgets (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- What was settled and is reserved of it, and what was counted of rates.
CREATE TABLE accounts (
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, account)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 6;
