-- Sessions and logs name their station by a number: a long text in hundreds of millions of rows and
-- index entries is what fills a disk. The number outlives the station's configuration, as its
-- sessions do.
CREATE TABLE identities (
    no INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    -- The highest epoch that wrote a session of the station, and the highest 1.6 number in use there.
    last_epoch INTEGER,
    last_number INTEGER
) STRICT;

CREATE TABLE stations (
    identity TEXT NOT NULL PRIMARY KEY,
    site TEXT,
    admission TEXT NOT NULL,
    assume_16 INTEGER NOT NULL,
    note TEXT NOT NULL,
    boot TEXT,
    protocol TEXT,
    last_seen_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX stations_by_site ON stations (site, identity) WHERE site IS NOT NULL;

CREATE TABLE connectors (
    station TEXT NOT NULL REFERENCES stations (identity) ON DELETE CASCADE,
    evse INTEGER NOT NULL,
    connector INTEGER NOT NULL,
    state TEXT NOT NULL,
    error_code TEXT,
    info TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (station, evse, connector)
) STRICT, WITHOUT ROWID;

CREATE TABLE sites (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    limit_w REAL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    -- The uid in lower case: what tokens are compared by.
    folded TEXT NOT NULL PRIMARY KEY,
    uid TEXT NOT NULL,
    kind TEXT NOT NULL,
    group_uid TEXT,
    group_folded TEXT,
    blocked INTEGER NOT NULL,
    expires_at INTEGER,
    max_concurrent INTEGER,
    note TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_group ON tokens (group_folded) WHERE group_folded IS NOT NULL;

-- The snapshot is the truth; the columns before it are made from it, to find and to fence.
CREATE TABLE sessions (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    station INTEGER NOT NULL REFERENCES identities (no),
    transaction_name TEXT NOT NULL,
    token TEXT,
    open INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    snapshot TEXT NOT NULL,
    UNIQUE (station, transaction_name)
) STRICT;
CREATE INDEX sessions_by_station ON sessions (station, id);
CREATE INDEX sessions_by_token ON sessions (token, id) WHERE token IS NOT NULL;
CREATE INDEX sessions_ended ON sessions (id) WHERE open = 0;
CREATE INDEX sessions_open ON sessions (id) WHERE open = 1;
CREATE INDEX sessions_open_by_station ON sessions (station, id) WHERE open = 1;
CREATE INDEX sessions_open_by_token ON sessions (token, id) WHERE open = 1 AND token IS NOT NULL;

CREATE TABLE session_events (
    no INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (no),
    station INTEGER NOT NULL,
    retry_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    seq INTEGER,
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    cause TEXT,
    offline INTEGER NOT NULL,
    samples TEXT,
    raw TEXT,
    UNIQUE (station, retry_key)
) STRICT;
CREATE INDEX session_events_by_session ON session_events (session);

CREATE TABLE readings (
    no INTEGER PRIMARY KEY,
    station INTEGER NOT NULL,
    retry_key TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    evse INTEGER NOT NULL,
    connector INTEGER NOT NULL,
    samples TEXT NOT NULL,
    raw TEXT,
    UNIQUE (station, retry_key)
) STRICT;
CREATE INDEX readings_by_station ON readings (station, received_at);

CREATE TABLE notices (
    no INTEGER PRIMARY KEY,
    station INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    action TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX notices_by_station ON notices (station, received_at);
CREATE INDEX notices_by_action ON notices (station, action, received_at);
CREATE INDEX notices_by_age ON notices (received_at);

CREATE TABLE commands (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    station INTEGER NOT NULL,
    final INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX commands_by_station ON commands (station, id);
CREATE INDEX commands_unfinished ON commands (no) WHERE final = 0;

CREATE TABLE messages (
    no INTEGER PRIMARY KEY,
    station INTEGER NOT NULL,
    at INTEGER NOT NULL,
    direction TEXT NOT NULL,
    action TEXT NOT NULL,
    frame TEXT NOT NULL
) STRICT;
CREATE INDEX messages_by_station ON messages (station, at);
CREATE INDEX messages_by_age ON messages (at);

CREATE TABLE api_keys (
    sha256 TEXT NOT NULL PRIMARY KEY,
    prefix TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
