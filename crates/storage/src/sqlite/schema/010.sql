-- Schema 10: what of publish-subscribe goes by itself: with time, and with somebody's presence. An index of people's names.

ALTER TABLE pubsub_node ADD COLUMN item_expire_s INTEGER;               -- of the configuration: after how long items go
ALTER TABLE pubsub_node ADD COLUMN purge_offline INTEGER NOT NULL DEFAULT 0;    -- of the configuration
ALTER TABLE pubsub_item ADD COLUMN purged_with TEXT;                    -- its publisher's bare address, with whose presence it goes
ALTER TABLE pubsub_subscription ADD COLUMN temporary INTEGER NOT NULL DEFAULT 0;   -- of its options

UPDATE pubsub_node SET item_expire_s = nullif(CAST(substr(configuration,
    instr(char(10) || configuration, char(10) || 'pubsub#item_expire ') + length('pubsub#item_expire ')) AS INTEGER), 0)
WHERE instr(char(10) || configuration, char(10) || 'pubsub#item_expire ') > 0;

CREATE INDEX pubsub_node_expiring ON pubsub_node (id) WHERE item_expire_s IS NOT NULL;
CREATE INDEX pubsub_item_purged ON pubsub_item (purged_with, node) WHERE purged_with IS NOT NULL;
CREATE INDEX pubsub_subscription_temporary ON pubsub_subscription (bare, node) WHERE temporary = 1;

-- Of each account, by its id, what stands side by side in its names; see sqlite/grams.rs.
CREATE VIRTUAL TABLE person_gram USING fts5 (grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
