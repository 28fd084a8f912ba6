-- What sites' power is managed by, and what their actors remember; JSON both.
CREATE TABLE site_power (
    site TEXT NOT NULL PRIMARY KEY,
    power TEXT,
    memory TEXT,
    -- Of the memory: the higher pair is the newer.
    epoch INTEGER,
    revision INTEGER
) STRICT;
