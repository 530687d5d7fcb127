-- Schema 7: cards, what accounts say about themselves (XEP-0054).

CREATE TABLE card (
    owner           INTEGER PRIMARY KEY,
    xml             TEXT NOT NULL,                      -- the element vCard
    full_name       TEXT NOT NULL,                      -- what others look for in it
    given_name      TEXT NOT NULL,
    family_name     TEXT NOT NULL,
    nickname        TEXT NOT NULL,
    email           TEXT NOT NULL,
    private         INTEGER NOT NULL,
    photo_hash      TEXT                                -- SHA-1 in hexadecimal
) STRICT;
