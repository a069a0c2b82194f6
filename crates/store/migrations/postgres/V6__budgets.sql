-- What tenants may spend.
CREATE TABLE budgets (
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- What was settled and is reserved of it, and what was counted of rates.
CREATE TABLE accounts (
    tenant TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant, account)
);
