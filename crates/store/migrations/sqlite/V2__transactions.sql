-- The entries of the signals that no step has taken yet, such as `17,23`: a load brings their payloads.
ALTER TABLE transactions ADD COLUMN kept TEXT;

PRAGMA user_version = 2;
