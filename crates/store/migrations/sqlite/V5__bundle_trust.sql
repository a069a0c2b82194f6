-- Who pushed a bundle, which the entries say of those that are there already, and who signed it.
ALTER TABLE bundles ADD COLUMN pushed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE bundles ADD COLUMN signatures TEXT NOT NULL DEFAULT '';
UPDATE bundles SET pushed_by = pushed.actor
FROM (
    SELECT json_extract(body, '$.actor') AS actor, json_extract(body, '$.log') AS log,
        json_extract(body, '$.data.bundle') AS digest
    FROM (SELECT CAST(record AS TEXT) AS body FROM entries)
    WHERE instr(body, '"kind":"bundle.pushed"') > 0
) AS pushed
WHERE pushed.digest = 'sha256:' || lower(hex(bundles.digest)) AND instr(pushed.log, '/' || bundles.tenant || '/') > 0;

-- What a bundle needs to be put into force, and whose signatures count.
CREATE TABLE trust (
    tenant TEXT NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 5;
