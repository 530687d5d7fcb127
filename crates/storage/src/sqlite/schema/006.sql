-- Schema 6: publish-subscribe (XEP-0060) and personal eventing (XEP-0163).

CREATE TABLE pubsub_node (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again for another
    place           TEXT NOT NULL,                      -- the address of an account or a service
    account         INTEGER,                            -- with which it goes; NULL at a service
    name            TEXT NOT NULL,
    creator         TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    on_presence     INTEGER NOT NULL,                   -- of the configuration: who comes online gets the last item
    configuration   TEXT NOT NULL,                      -- a line for each value, see chat/src/pubsub/configuration.rs
    UNIQUE (place, name)
) STRICT;
CREATE INDEX pubsub_node_of_account ON pubsub_node (account) WHERE account IS NOT NULL;
CREATE INDEX pubsub_node_telling ON pubsub_node (place) WHERE on_presence = 1;
CREATE INDEX pubsub_node_by_creator ON pubsub_node (creator, place);

CREATE TABLE pubsub_item (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of publishing
    node            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    publisher       TEXT NOT NULL,
    published_ms    INTEGER NOT NULL,
    payload         TEXT
) STRICT;
CREATE UNIQUE INDEX pubsub_item_by_id ON pubsub_item (node, id);
CREATE INDEX pubsub_item_in_order ON pubsub_item (node, seq);

CREATE TABLE pubsub_affiliation (
    node            INTEGER NOT NULL,
    jid             TEXT NOT NULL,
    affiliation     INTEGER NOT NULL,
    PRIMARY KEY (node, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX pubsub_affiliation_by_jid ON pubsub_affiliation (jid, node);

CREATE TABLE pubsub_subscription (
    node            INTEGER NOT NULL,
    subid           TEXT NOT NULL,
    jid             TEXT NOT NULL,                      -- bare or full
    bare            TEXT NOT NULL,
    state           INTEGER NOT NULL,
    options         TEXT NOT NULL,                      -- see chat/src/pubsub/subscribing.rs
    PRIMARY KEY (node, subid)
) STRICT, WITHOUT ROWID;
CREATE INDEX pubsub_subscription_by_jid ON pubsub_subscription (bare, node);
