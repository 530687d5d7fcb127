-- Schema 4: files (see sqlite/shared_files.rs). Their content lies elsewhere; what may be read is decided by these rows.

CREATE TABLE file (
    id              TEXT PRIMARY KEY,
    owner           INTEGER NOT NULL,
    owner_jid       TEXT NOT NULL,
    name            TEXT NOT NULL,
    media_type      TEXT,
    size            INTEGER NOT NULL,
    purpose         INTEGER NOT NULL,                   -- 0 message, 1 profile, 2 ephemeral, 3 permanent
    token           TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    open_until_ms   INTEGER NOT NULL,
    stored_ms       INTEGER NOT NULL,
    expires_ms      INTEGER,
    state           INTEGER NOT NULL,                   -- 0 open, 1 being written, 2 stored, 3 gone
    thumbnail       INTEGER NOT NULL                    -- 0 unknown, 1 PNG, 2 JPEG, 3 impossible
) STRICT, WITHOUT ROWID;

-- What an owner's files amount to, without looking at them.
CREATE INDEX file_by_owner ON file (owner, created_ms, state, purpose, open_until_ms, size);
CREATE INDEX file_open ON file (open_until_ms) WHERE state < 2;
CREATE INDEX file_by_age ON file (stored_ms) WHERE state = 2;
CREATE INDEX file_by_expiry ON file (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE INDEX file_gone ON file (id) WHERE state = 3;
