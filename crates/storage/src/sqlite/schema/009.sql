-- Schema 9: what bots, webhooks and pushes need.

CREATE TABLE access_token (
    id              TEXT PRIMARY KEY,
    owner           INTEGER NOT NULL,
    jid             TEXT NOT NULL,                      -- the owner's address
    name            TEXT NOT NULL,
    scopes          TEXT NOT NULL,                      -- words with spaces between
    hash            BLOB NOT NULL,                      -- what the token is known by
    created_ms      INTEGER NOT NULL,
    expires_ms      INTEGER,
    used_ms         INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX access_token_owner ON access_token (owner, id);

CREATE TABLE push_subscription (
    owner           INTEGER NOT NULL,
    key             TEXT NOT NULL,                      -- the address of a push service, or service and node
    jid             TEXT NOT NULL,
    device          TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    p256dh          BLOB,                               -- of the web: the device's public key, and the shared secret
    auth            BLOB,
    service         TEXT,                               -- of XMPP: the service, the node, and the form with options
    node            TEXT,
    options         TEXT,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook (
    id              TEXT PRIMARY KEY,
    owner           INTEGER NOT NULL,
    jid             TEXT NOT NULL,
    name            TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    conversation    TEXT,
    hash            BLOB,                               -- of an incoming one: what its secret is known by
    url             TEXT,                               -- of an outgoing one
    secret          TEXT,
    position        INTEGER NOT NULL                    -- of an outgoing one: messages up to here are dealt with
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_owner ON webhook (owner);

CREATE TABLE dead_letter (
    webhook         TEXT NOT NULL,
    message         INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    reason          TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (webhook, message)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER webhook_gone AFTER DELETE ON webhook BEGIN
    DELETE FROM dead_letter WHERE webhook = OLD.id;
END;
