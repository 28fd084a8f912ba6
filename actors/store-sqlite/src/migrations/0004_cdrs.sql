-- The record is the truth; the columns before it are made from it, to find it.
CREATE TABLE cdrs (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    station INTEGER NOT NULL REFERENCES identities (no),
    token TEXT,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX cdrs_by_station ON cdrs (station, id);
CREATE INDEX cdrs_by_token ON cdrs (token, id) WHERE token IS NOT NULL;

-- The number of the entry that ended the session, or last changed it after its end, until it is recorded.
ALTER TABLE sessions ADD COLUMN to_record INTEGER;
CREATE INDEX sessions_to_record ON sessions (id) WHERE to_record IS NOT NULL;
-- Those that were over before there were records get theirs.
UPDATE sessions SET to_record = 0 WHERE open = 0;
