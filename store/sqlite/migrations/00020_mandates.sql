-- Tables of mandates: AT's (names are the core database's) and our own. A table that exists stays as it is; columns that it
-- lacks are added by 00021. Days are text, YYYY-MM-DD.

-- +goose Up
CREATE TABLE IF NOT EXISTS andmeandjad (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    kood  TEXT UNIQUE,
    nimi  TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS kasutajad (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    isikukood  TEXT UNIQUE,
    eesnimi    TEXT,
    perenimi   TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS andmeandjad_kasutajad (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    andmeandjad_id  INTEGER NOT NULL REFERENCES andmeandjad (id),
    kasutajad_id    INTEGER NOT NULL REFERENCES kasutajad (id),
    role            TEXT NOT NULL,
    staatus_kl      TEXT NOT NULL CHECK (staatus_kl IN ('A', 'M')),
    on_tahtajatu    INTEGER CHECK (on_tahtajatu IN (0, 1)),
    esindusoiguse_kehtivus_alates  TEXT,
    esindusoiguse_kehtivus_kuni    TEXT
) STRICT;

-- What AT's table has no place for, one row a mandate. It outlives a mandate that the core deletes, so nothing refers.
CREATE TABLE IF NOT EXISTS adapter_mandate (
    mandate_id       INTEGER PRIMARY KEY,
    state            TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'ended')),
    parent_id        INTEGER, -- the mandate that it was passed on from
    sub_delegable    INTEGER NOT NULL DEFAULT 0 CHECK (sub_delegable IN (0, 1)),
    added_at         TEXT,
    added_by         TEXT,
    added_for        TEXT,
    asked_from       TEXT,
    authorizations   TEXT, -- JSON
    document_uuid    TEXT,
    single_delegate  INTEGER NOT NULL DEFAULT 0 CHECK (single_delegate IN (0, 1)),
    ended_at         TEXT,
    ended_how        TEXT,
    ended_by         TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS adapter_mandate_audit (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    at               TEXT NOT NULL,
    mandate_id       INTEGER NOT NULL,
    action           TEXT NOT NULL,
    actor            TEXT, -- NULL: the adapter by itself
    on_behalf        TEXT,
    client           TEXT,
    request_id       TEXT,
    authorizations   TEXT, -- JSON
    document_uuid    TEXT,
    single_delegate  INTEGER NOT NULL DEFAULT 0 CHECK (single_delegate IN (0, 1)),
    detail           TEXT
) STRICT;

-- Changing requests that were answered, for 7 days: a repeat is answered so again.
CREATE TABLE IF NOT EXISTS adapter_mandate_request (
    client      TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    method      TEXT NOT NULL,
    path        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    at          TEXT NOT NULL,
    outcome     TEXT NOT NULL, -- JSON
    PRIMARY KEY (client, request_id)
) STRICT;
