-- Schema 1. Times are milliseconds since the Unix epoch unless a column says otherwise.

CREATE TABLE account (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again for another
    jid             TEXT NOT NULL UNIQUE,
    domain          TEXT NOT NULL,
    name            TEXT,
    role            INTEGER NOT NULL,
    verifiers       TEXT NOT NULL,                      -- a list, see sqlite/lists.rs
    created_ms      INTEGER NOT NULL,
    disabled        INTEGER NOT NULL DEFAULT 0,
    expires_ms      INTEGER,
    last_seen_ms    INTEGER,
    last_status     TEXT,
    delivered       INTEGER NOT NULL DEFAULT 0,         -- an archive id
    roster_version  INTEGER NOT NULL DEFAULT 0,
    roster_floor    INTEGER NOT NULL DEFAULT 0          -- removals up to this version are forgotten
) STRICT;
CREATE INDEX account_by_domain ON account (domain, jid);

-- Accounts that are gone, whose copies of messages are not all gone yet.
CREATE TABLE erasing (
    owner           INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE roster_item (
    owner           INTEGER NOT NULL,
    contact         TEXT NOT NULL,
    version         INTEGER NOT NULL,
    name            TEXT,
    groups          TEXT NOT NULL,                      -- a list
    subscription    INTEGER NOT NULL,
    ask             INTEGER NOT NULL,
    approved        INTEGER NOT NULL,
    request         BLOB,
    listed          INTEGER NOT NULL,
    PRIMARY KEY (owner, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX roster_item_by_version ON roster_item (owner, version);

CREATE TABLE roster_removal (
    owner           INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    contact         TEXT NOT NULL,
    PRIMARY KEY (owner, version)
) STRICT, WITHOUT ROWID;

-- The archive. A message is stored once; `copies` says whose it is (see sqlite/copies.rs). Appending writes this table alone,
-- at its end; the tables below follow in large sorted steps (see sqlite/index.rs).
CREATE TABLE message (
    id              INTEGER PRIMARY KEY,                -- microseconds since the Unix epoch, strictly rising
    sender          INTEGER,                            -- whose `client_id` it is
    client_id       BLOB,                               -- 128 bits of the SHA-256 of the sender's own id
    copies          BLOB NOT NULL,
    text            TEXT,                               -- what search finds it by
    xml             BLOB NOT NULL
) STRICT;

-- Every owner's messages in order, apart by kind: 0 is archived, 1 is archived and may wait for an offline owner, 2 only
-- waits and goes once it is delivered.
CREATE TABLE copy (
    owner           INTEGER NOT NULL,
    kind            INTEGER NOT NULL,
    id              INTEGER NOT NULL,
    PRIMARY KEY (owner, kind, id)
) STRICT, WITHOUT ROWID;

-- Every owner's messages with one contact in order; `peer` is a 64-bit hash of the contact's bare address.
CREATE TABLE conversation (
    owner           INTEGER NOT NULL,
    peer            INTEGER NOT NULL,
    id              INTEGER NOT NULL,
    PRIMARY KEY (owner, peer, id)
) STRICT, WITHOUT ROWID;

-- Clients' own ids of messages, in two generations that take turns, so that forgetting the older costs one statement.
CREATE TABLE sent_0 (
    owner           INTEGER NOT NULL,
    client_id       BLOB NOT NULL,
    id              INTEGER NOT NULL,
    PRIMARY KEY (owner, client_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE sent_1 (
    owner           INTEGER NOT NULL,
    client_id       BLOB NOT NULL,
    id              INTEGER NOT NULL,
    PRIMARY KEY (owner, client_id)
) STRICT, WITHOUT ROWID;

-- Full-text search: a document for each message, its terms made by the application (see words.rs), each behind the number
-- of the owner, so that one person's search never touches the postings of another.
CREATE VIRTUAL TABLE word USING fts5 (
    terms, content='', contentless_delete=1, detail=none, tokenize="ascii tokenchars '_'"
);

-- Numbers that the archive keeps about itself.
CREATE TABLE counter (
    name            TEXT PRIMARY KEY,
    value           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blocked (
    owner           INTEGER NOT NULL,
    contact         TEXT NOT NULL,
    PRIMARY KEY (owner, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE document (
    owner           INTEGER NOT NULL,
    kind            INTEGER NOT NULL,
    key             TEXT NOT NULL,
    content         TEXT NOT NULL,
    PRIMARY KEY (owner, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    owner           INTEGER NOT NULL,
    agent           TEXT NOT NULL,
    secret          TEXT NOT NULL,
    mechanism       TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    expires_ms      INTEGER NOT NULL,
    count           INTEGER,
    PRIMARY KEY (owner, agent, secret)
) STRICT, WITHOUT ROWID;

CREATE TABLE invitation (
    token           TEXT PRIMARY KEY,
    register_at     TEXT,
    username        TEXT,
    inviter         TEXT,
    created_ms      INTEGER NOT NULL,
    expires_ms      INTEGER NOT NULL,
    uses_left       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE saved_stream (
    id              TEXT PRIMARY KEY,
    owner           INTEGER NOT NULL,
    expires_ms      INTEGER NOT NULL,
    state           BLOB NOT NULL
) STRICT;
CREATE INDEX saved_stream_by_expiry ON saved_stream (expires_ms);

CREATE TABLE setting (
    key             TEXT PRIMARY KEY,
    value           TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    number          INTEGER PRIMARY KEY,                -- from 1 without gaps
    at_ms           INTEGER NOT NULL,
    actor           TEXT NOT NULL,
    action          TEXT NOT NULL,
    target          TEXT NOT NULL,
    detail          TEXT NOT NULL,
    hash            TEXT NOT NULL
) STRICT;
