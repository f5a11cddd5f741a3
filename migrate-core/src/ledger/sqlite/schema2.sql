-- Version 2: what undo and readings of changes need.

ALTER TABLE stage ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stage ADD COLUMN mark TEXT;
ALTER TABLE stage ADD COLUMN next_mark TEXT;
ALTER TABLE part ADD COLUMN state BLOB;

CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    stage INTEGER NOT NULL REFERENCES stage,
    target TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    how INTEGER NOT NULL,
    state BLOB,
    done_at INTEGER NOT NULL,
    undone_at INTEGER NOT NULL
) STRICT;
