-- Version 1. Times are microseconds since 1970 in UTC. A key's parts are rows of `part`, named by
-- what follows the record's key: '' for the record's own write, '/note:1' for a part.

CREATE TABLE binding (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE stage (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    pass INTEGER NOT NULL DEFAULT 0,
    cursor TEXT,
    read INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    keys INTEGER NOT NULL DEFAULT 0,
    digest BLOB NOT NULL DEFAULT x'00000000000000000000000000000000',
    begun_at INTEGER,
    finished_at INTEGER
) STRICT;

CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    stage INTEGER NOT NULL REFERENCES stage,
    fate INTEGER NOT NULL, -- 0 created, 1 updated, 2 unchanged, 3 merged, 4 queued, 5 skipped,
                           -- 6 inventoried, 7 dead, 8 in doubt, 9 pending
    fingerprint BLOB,
    target TEXT,
    reason TEXT, -- JSON
    notes TEXT, -- JSON, null where there are none
    attempts INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL DEFAULT 0, -- the last pass it was seen in
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_of_stage ON entry (stage);

CREATE TABLE part (
    entry INTEGER NOT NULL REFERENCES entry,
    name TEXT NOT NULL,
    ordinal INTEGER NOT NULL, -- the order in which the parts of an entry were first made
    intended_at INTEGER, -- set while nobody knows whether the write took effect
    target TEXT, -- this and what follows: what it became when it was last done
    fingerprint BLOB,
    how INTEGER, -- 0 created, 1 updated, 2 unchanged
    done_at INTEGER,
    PRIMARY KEY (entry, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE alias (
    alias BLOB NOT NULL,
    entry INTEGER NOT NULL REFERENCES entry,
    PRIMARY KEY (alias, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_of_entry ON alias (entry);

CREATE TABLE parked (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- a reader who pages by id must never meet one twice
    key TEXT NOT NULL UNIQUE,
    stage INTEGER NOT NULL REFERENCES stage,
    lane TEXT,
    why INTEGER NOT NULL, -- 0 group, 1 doubt, 2 parent, 3 retry, 4 lane
    since INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    looks INTEGER NOT NULL,
    notes TEXT, -- JSON, null where there are none
    drafts BLOB NOT NULL -- JSON
) STRICT;
CREATE INDEX parked_why ON parked (stage, why);

CREATE TABLE discovery (
    id INTEGER PRIMARY KEY,
    list TEXT NOT NULL,
    item TEXT NOT NULL,
    UNIQUE (list, item)
) STRICT;
CREATE INDEX discovery_of_list ON discovery (list);

CREATE TABLE before_image (
    key TEXT NOT NULL PRIMARY KEY,
    image BLOB NOT NULL -- JSON
) STRICT;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;
