-- Who pushed a bundle, which the entries say of those that are there already, and who signed it.
ALTER TABLE bundles ADD COLUMN pushed_by TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE bundles ADD COLUMN signatures TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE bundles SET pushed_by = pushed.body ->> 'actor'
FROM (
    SELECT logs.tenant, convert_from(entries.record, 'UTF8')::json AS body
    FROM entries JOIN logs ON logs.id = entries.log
    WHERE position('"kind":"bundle.pushed"'::bytea IN entries.record) > 0
) AS pushed
WHERE pushed.tenant = bundles.tenant
    AND pushed.body -> 'data' ->> 'bundle' = 'sha256:' || encode(bundles.digest, 'hex');

-- What a bundle needs to be put into force, and whose signatures count.
CREATE TABLE trust (
    tenant TEXT COLLATE "C" NOT NULL,
    body_key TEXT NOT NULL,
    body_nonce BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (tenant)
);
