-- Schema 4: rooms (XEP-0045). What is said in a room is in the archive under the negative of its id.

CREATE TABLE room (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again for another
    jid             TEXT NOT NULL UNIQUE,
    service         TEXT NOT NULL,
    creator         TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    locked          INTEGER NOT NULL,
    public          INTEGER NOT NULL,                   -- of the configuration, for lists
    persistent      INTEGER NOT NULL,
    configuration   TEXT NOT NULL,                      -- a line for each value, see chat/src/rooms/configuration.rs
    subject         BLOB,
    subject_ms      INTEGER,
    secret          BLOB NOT NULL
) STRICT;
CREATE INDEX room_listed ON room (service, jid) WHERE public = 1 AND locked = 0;
CREATE INDEX room_passing ON room (jid) WHERE persistent = 0 OR locked = 1;
CREATE INDEX room_by_creator ON room (creator);

CREATE TABLE room_affiliate (
    room            INTEGER NOT NULL,
    jid             TEXT NOT NULL,
    affiliation     INTEGER NOT NULL,
    nick            TEXT,
    reason          TEXT,
    seen            INTEGER NOT NULL DEFAULT 0,         -- an archive id
    PRIMARY KEY (room, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_affiliate_by_jid ON room_affiliate (jid, room);
