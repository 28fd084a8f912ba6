-- The letter is the truth; the columns before it are made from it, to find it and to tell a repeat.
CREATE TABLE dead_letters (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    station INTEGER NOT NULL REFERENCES identities (no),
    retry_key TEXT NOT NULL,
    letter TEXT NOT NULL,
    UNIQUE (station, retry_key)
) STRICT;
