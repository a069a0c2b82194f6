-- The entry that says what the driver of an open transaction declared of a step: a load brings its payload.
ALTER TABLE steps ADD COLUMN intent_seq INTEGER;

PRAGMA user_version = 2;
