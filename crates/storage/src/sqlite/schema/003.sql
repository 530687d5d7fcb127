-- Schema 3: a run of the archive's index has a filter of its keys (see sqlite/runs/filter.rs). Runs that have none get theirs
-- when the store is opened.

-- The parts of filters, each with the first of the keys that it is for.
CREATE TABLE run_filter (
    id              INTEGER PRIMARY KEY,
    run             INTEGER NOT NULL,
    key             INTEGER NOT NULL,
    bits            BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX run_filter_by_key ON run_filter (run, key);
