-- Something of everything in schema 10: message 1000 in a run, message 2000 still in the tail, a file, a room, a node, a card.
INSERT INTO account (id, jid, domain, role, verifiers, created_ms, roster_version)
VALUES (1, 'juliet@capulet.example', 'capulet.example', 0, 'SCRAM-SHA-256$4096:c2FsdA==$a:b' || char(10), 5, 2);
INSERT INTO roster_item (owner, contact, version, groups, subscription, ask, approved, listed)
VALUES (1, 'romeo@montague.example', 2, 'Friends' || char(10), 3, 0, 0, 1);
INSERT INTO message (id, sender, client_id, copies, text, xml) VALUES
    (1000, 1, x'ca0df2c95aa144c1d0ff2ff3c8f967fd', x'010116726f6d656f406d6f6e74616775652e6578616d706c65', 'good night', x'3c6d2f3e'),
    (2000, 1, x'29c1b289e7522195b362e44f54e05470', x'010116726f6d656f406d6f6e74616775652e6578616d706c65', 'night again', x'3c6d2f3e');
UPDATE index_secret SET secret = x'000102030405060708090a0b0c0d0e0f';
INSERT INTO run (id, first_id, last_id, entries) VALUES (1, 1000, 1000, 4);
INSERT INTO run_block (run, key, message, block) VALUES (1, 12348668565093, 1000, x'e8070000e7f7e798bbac1100e0f8c4bfdc6000f085db85f8871d00');
INSERT INTO run_filter (run, key, bits) VALUES (1, 12348668565093, x'20002000001000100000000000200000000000000000003010000100000000008000040000001000020800100000000000000000000100008040000008000000');
INSERT INTO sent_0 (owner, client_id, id) VALUES (1, x'ca0df2c95aa144c1d0ff2ff3c8f967fd', 1000);
INSERT INTO counter (name, value) VALUES
    ('last_archive_id', 2000), ('appended', 2), ('indexed', 1000);
INSERT INTO blocked (owner, contact) VALUES (1, 'paris@verona.example');
INSERT INTO setting (key, value) VALUES ('secret', 's'), ('audit.head', '1 9ad0326081b4cfc04e05651b04eab91d3be5288d1c5cb4dab2a3bff9d3e94edb');
INSERT INTO audit (number, at_ms, actor, action, target, detail, hash)
VALUES (1, 5, 'local', 'user.add', 'juliet@capulet.example', '', '9ad0326081b4cfc04e05651b04eab91d3be5288d1c5cb4dab2a3bff9d3e94edb');
INSERT INTO file (id, owner, owner_jid, name, media_type, size, purpose, token, created_ms, open_until_ms, stored_ms, state, thumbnail)
VALUES ('abcdefghijklmnopqrstuvwxyz234567', 1, 'juliet@capulet.example', 'letter.txt', 'text/plain', 3, 0, 'secret', 5, 6, 7, 2, 0);
INSERT INTO room (id, jid, service, creator, created_ms, locked, public, persistent, configuration, secret)
VALUES (1, 'orchard@rooms.capulet.example', 'rooms.capulet.example', 'juliet@capulet.example', 5, 0, 1, 1, 'muc#roomconfig_persistentroom 1' || char(10), x'00');
INSERT INTO room_affiliate (room, jid, affiliation) VALUES (1, 'juliet@capulet.example', 4);
INSERT INTO pubsub_node (id, place, account, name, creator, created_ms, on_presence, configuration, item_expire_s)
VALUES (1, 'juliet@capulet.example', 1, 'urn:tune', 'juliet@capulet.example', 5, 1, 'pubsub#access_model presence' || char(10) || 'pubsub#item_expire 60' || char(10), 60);
INSERT INTO pubsub_item (seq, node, id, publisher, published_ms, payload)
VALUES (1, 1, 'current', 'juliet@capulet.example/balcony', 5, '<tune/>');
INSERT INTO pubsub_affiliation (node, jid, affiliation) VALUES (1, 'paris@verona.example', 0);
INSERT INTO pubsub_subscription (node, subid, jid, bare, state, options)
VALUES (1, 's', 'romeo@montague.example/orchard', 'romeo@montague.example', 3, 'deliver 1' || char(10));
INSERT INTO card (owner, xml, full_name, given_name, family_name, nickname, email, private, photo_hash)
VALUES (1, '<vCard xmlns="vcard-temp"><FN>Juliet</FN></vCard>', 'Juliet', '', '', '', '', 0, NULL);
INSERT INTO access_token (id, owner, jid, name, scopes, hash, created_ms, expires_ms, used_ms)
VALUES ('abcdefghijkl', 1, 'juliet@capulet.example', 'a bot', 'people files', x'00', 5, NULL, NULL);
INSERT INTO push_subscription (owner, key, jid, device, created_ms, p256dh, auth, service, node, options)
VALUES (1, 'https://push.example/1', 'juliet@capulet.example', 'browser', 5, x'04', x'00', NULL, NULL, NULL);
INSERT INTO webhook (id, owner, jid, name, created_ms, conversation, hash, url, secret, position)
VALUES ('mnopqrstuvwx', 1, 'juliet@capulet.example', 'out', 5, NULL, NULL, 'https://example.org/', 's', 1000);
INSERT INTO dead_letter (webhook, message, attempts, reason, at_ms) VALUES ('mnopqrstuvwx', 1000, 3, 'gone', 5);
