-- Schema 2: the archive, and what is kept under its clock. A message is one row that its owners share; `copies` says whose it is (see
-- copies.rs). The three tables that grow with it are parted by the time in their ids (see postgres/partitions.rs).

-- The one row that whoever appends holds until it has committed: it puts the batches of all nodes into one order.
CREATE TABLE clock (
    one             bool PRIMARY KEY DEFAULT true CHECK (one),
    last_id         int8 NOT NULL,                      -- the newest id given out, or reserved
    batch           int8 NOT NULL,                      -- the number of the newest batch
    generation      int8 NOT NULL,                      -- which of `sent_0` and `sent_1` is written: windows since the Unix epoch
    horizon         int8 NOT NULL,                      -- messages below this id are gone by age
    messages        int8 NOT NULL,                      -- how many there are at this id and above
    secret          bytea NOT NULL                      -- what makes the keys of this archive different from those of any other
) WITH (fillfactor = 10);
INSERT INTO clock (last_id, batch, generation, horizon, messages, secret)
    VALUES (0, 0, 0, 0, 0, decode(replace(gen_random_uuid()::text, '-', ''), 'hex'));

-- The transactions that have appended, kept for ten minutes; the newest of each node for a day.
CREATE TABLE batch (
    number          int8 PRIMARY KEY,                   -- from 1 without gaps
    node            int8 NOT NULL,
    own             int8 NOT NULL,                      -- the node's own count, by which it finds a batch whose answer it has not got
    first_id        int8 NOT NULL,
    last_id         int8 NOT NULL,
    UNIQUE (node, own)
);

CREATE TABLE message (
    id              int8 PRIMARY KEY,                   -- microseconds since the Unix epoch, strictly rising
    copies          bytea NOT NULL,
    words           int4[],                             -- the keys of its words for each of its owners (see keys.rs)
    text            text,                               -- what search finds it by
    xml             bytea NOT NULL,
    labels          text                                -- one a line; null where there are none
) PARTITION BY RANGE (id);
-- New entries gather in a list, which is moved into the index aside from appending (see postgres/upkeep.rs).
CREATE INDEX message_by_word ON message USING gin (words)
    WITH (fastupdate = on, gin_pending_list_limit = 65536) WHERE words IS NOT NULL;

-- Every owner's messages in order, apart by kind: 0 is archived, 1 is archived and waits, 2 only waits and goes once it is delivered.
CREATE TABLE copy (
    owner           int8 NOT NULL,
    id              int8 NOT NULL,
    contact         int8 NOT NULL,                      -- the key of the owner's conversation with the contact
    kind            int2 NOT NULL,
    PRIMARY KEY (owner, kind, id)
) PARTITION BY RANGE (id);
CREATE INDEX copy_by_contact ON copy (contact, id) WHERE kind < 2;

-- Messages by their labels: a key for each label and owner.
CREATE TABLE label (
    key             int8 NOT NULL,
    id              int8 NOT NULL,
    PRIMARY KEY (key, id)
) PARTITION BY RANGE (id);

-- Clients' own ids of messages, in two generations that take turns, so that forgetting the older costs one statement.
CREATE TABLE sent_0 (
    owner           int8 NOT NULL,
    client_id       uuid NOT NULL,                      -- 128 bits of the SHA-256 of the sender's own id
    id              int8 NOT NULL,
    PRIMARY KEY (owner, client_id)
);
CREATE TABLE sent_1 (
    owner           int8 NOT NULL,
    client_id       uuid NOT NULL,
    id              int8 NOT NULL,
    PRIMARY KEY (owner, client_id)
);

-- The newest message that says something, of each conversation, up to the message that `upkeep.talks` names.
CREATE TABLE conversation (
    owner           int8 NOT NULL,
    peer            text COLLATE "C" NOT NULL,          -- a bare address
    last_id         int8 NOT NULL,
    PRIMARY KEY (owner, peer)
);
CREATE INDEX conversation_by_last ON conversation (owner, last_id);

-- Locked by the one node that is at work.
CREATE TABLE upkeep (
    one             bool PRIMARY KEY DEFAULT true CHECK (one),
    talks           int8 NOT NULL                       -- messages up to here are in `conversation`
);
INSERT INTO upkeep (talks) VALUES (0);

CREATE TABLE state (
    owner           int8 NOT NULL,
    kind            int8 NOT NULL,
    hash            uuid NOT NULL,                      -- 128 bits of the SHA-256 of `key`, which may be too long for an index
    key             text COLLATE "C" NOT NULL,
    position        int8 NOT NULL,                      -- from the same counter as the ids of messages
    content         text,                               -- null where it was removed
    PRIMARY KEY (owner, kind, hash)
);
CREATE INDEX state_by_position ON state (owner, position);
CREATE INDEX state_by_kind ON state (kind, owner);
CREATE INDEX state_removed ON state (position) WHERE content IS NULL;
