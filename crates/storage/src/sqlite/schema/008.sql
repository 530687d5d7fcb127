-- Schema 8: labels of messages, with whom somebody talks, and what an account keeps in step on all its devices.

ALTER TABLE message ADD COLUMN labels TEXT;             -- one a line; null where there are none

-- The newest message that says something, of each conversation, up to the message that counter 'indexed' names.
CREATE TABLE conversation (
    owner           INTEGER NOT NULL,
    peer            TEXT NOT NULL,                      -- a bare address
    last_id         INTEGER NOT NULL,
    PRIMARY KEY (owner, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_by_last ON conversation (owner, last_id);

CREATE TABLE state (
    owner           INTEGER NOT NULL,
    kind            INTEGER NOT NULL,
    key             TEXT NOT NULL,
    position        INTEGER NOT NULL,                   -- from the same counter as the ids of messages
    content         TEXT,                               -- null where it was removed
    PRIMARY KEY (owner, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX state_by_position ON state (owner, position);
CREATE INDEX state_by_kind ON state (kind, owner);
