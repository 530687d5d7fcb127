-- Schema 2: the archive's index is made of sorted runs (see sqlite/runs.rs). They are made anew from the messages when the
-- store is opened.

DROP TABLE copy;
DROP TABLE conversation;
DROP TABLE word;
DELETE FROM counter WHERE name IN ('indexed', 'searchable');

-- Runs that are complete. A run is not known to readers before it has its row here.
CREATE TABLE run (
    id              INTEGER PRIMARY KEY,
    first_id        INTEGER NOT NULL,                   -- the oldest message in it
    last_id         INTEGER NOT NULL,                   -- the newest
    entries         INTEGER NOT NULL
) STRICT;

-- The blocks of runs, one a page, each with its first entry (see sqlite/runs/block.rs). Blocks of a run that has no row in
-- `run` are left over, or of a run on its way.
CREATE TABLE run_block (
    id              INTEGER PRIMARY KEY,
    run             INTEGER NOT NULL,
    key             INTEGER NOT NULL,
    message         INTEGER NOT NULL,
    block           BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX run_block_by_key ON run_block (run, key, message);

-- Entries of erased owners that are still to be taken out of runs.
CREATE TABLE erased_entry (
    key             INTEGER NOT NULL,
    message         INTEGER NOT NULL,
    PRIMARY KEY (key, message)
) STRICT, WITHOUT ROWID;

-- Copies that only wait, and go once they are delivered. No run has them.
CREATE TABLE passing (
    owner           INTEGER NOT NULL,
    id              INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

-- What makes the keys of this database's index different from those of any other.
CREATE TABLE index_secret (
    secret          BLOB NOT NULL
) STRICT;
INSERT INTO index_secret (secret) VALUES (randomblob(16));
