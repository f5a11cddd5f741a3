-- Version 2. The last column of every row, `sum`, is a CRC-32 over the name of the table and all
-- other columns. Times are microseconds since 1970 in UTC.

-- One row. `commits` counts the transactions; the other two are the last rows given out, of entries
-- and of everything else, so that no row is ever given out twice.
CREATE TABLE state (
    id INTEGER PRIMARY KEY,
    commits INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    others INTEGER NOT NULL,
    purged INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE TABLE binding (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

-- What has a name, and the row that it names: 'k' and the key of an entry, 'a' and an alias of one
-- (several entries may share it), 'b' and the key of a before-image, 'd' and list and item of a
-- discovery, 'm' and the name of a value, 's' and the name of a stage. `sum` covers the row and the
-- name and row that follow in this order, so that what lies between two neighbours is proven not to
-- exist. A row with the empty name stands at the beginning.
CREATE TABLE name (
    name BLOB NOT NULL,
    row INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (name, row)
) STRICT, WITHOUT ROWID;

CREATE TABLE stage (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    pass INTEGER NOT NULL,
    cursor TEXT,
    read INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    keys INTEGER NOT NULL,
    digest BLOB NOT NULL,
    partial INTEGER NOT NULL,
    mark TEXT,
    next_mark TEXT,
    begun_at INTEGER,
    finished_at INTEGER,
    tally BLOB NOT NULL, -- how many entries have each fate, eight bytes each, least one first
    sum INTEGER NOT NULL
) STRICT;

CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    stage INTEGER NOT NULL,
    fate INTEGER NOT NULL, -- 0 created, 1 updated, 2 unchanged, 3 merged, 4 queued, 5 skipped,
                           -- 6 inventoried, 7 dead, 8 in doubt, 9 pending
    seen INTEGER NOT NULL, -- the last pass it was seen in
    attempts INTEGER NOT NULL,
    at INTEGER NOT NULL,
    fingerprint BLOB,
    target TEXT,
    reason TEXT, -- JSON
    notes TEXT, -- JSON, null where there are none
    aliases BLOB, -- sixteen bytes each, null where there are none
    parked INTEGER, -- what is parked of it
    parts BLOB, -- its writes, as parts.rs packs them, null where there are none
    sum INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_of_fate ON entry (stage, fate);
CREATE INDEX entry_unreadable ON entry (stage, seen) WHERE reason ->> 'code' = 'unreadable';

CREATE TABLE parked (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    stage INTEGER NOT NULL,
    lane TEXT,
    why INTEGER NOT NULL, -- 0 group, 1 doubt, 2 parent, 3 retry, 4 lane, 5 last look
    since INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    looks INTEGER NOT NULL,
    notes TEXT, -- JSON, null where there are none
    drafts BLOB NOT NULL, -- JSON
    sum INTEGER NOT NULL
) STRICT;
CREATE INDEX parked_why ON parked (stage, why);

CREATE TABLE discovery (
    id INTEGER PRIMARY KEY,
    list TEXT NOT NULL,
    item TEXT NOT NULL,
    sum INTEGER NOT NULL
) STRICT;
CREATE INDEX discovery_of_list ON discovery (list);

CREATE TABLE before_image (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    image BLOB NOT NULL, -- JSON
    sum INTEGER NOT NULL
) STRICT;

CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    stage INTEGER NOT NULL,
    target TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    how INTEGER NOT NULL, -- 0 created, 1 updated, 2 unchanged
    state BLOB,
    done_at INTEGER NOT NULL,
    undone_at INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    value TEXT NOT NULL, -- JSON
    sum INTEGER NOT NULL
) STRICT;
