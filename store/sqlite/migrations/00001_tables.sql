-- Tables of AT (names are the core database's, without its schema) and of our own. A table that
-- exists stays as it is; columns that it lacks are added by 00002.
-- Times are UTC text of one width (2006-01-02T15:04:05.000000Z), amounts text with two digits
-- after the point, truth 0 or 1.

-- +goose Up
CREATE TABLE IF NOT EXISTS klassifikaatorid (
    tabel_veerg  TEXT NOT NULL,
    kood         TEXT NOT NULL,
    nimetus_est  TEXT NOT NULL,
    nimetus_eng  TEXT,
    kehtib       INTEGER NOT NULL DEFAULT 1 CHECK (kehtib IN (0, 1)),
    PRIMARY KEY (tabel_veerg, kood)
) STRICT;

CREATE TABLE IF NOT EXISTS maksemooduli_tellimused (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    teate_id              INTEGER NOT NULL,
    tellimuse_id          TEXT,
    tellimuse_seisund_kl  TEXT NOT NULL CHECK (tellimuse_seisund_kl IN ('U', 'L', 'P', 'T', 'X')),
    loodud                TEXT,
    aegub                 TEXT,
    lopetatud             TEXT,
    summa                 TEXT,
    valuuta               TEXT,
    viitenumber           TEXT,
    maksevormi_url        TEXT,
    noue_edastatud        INTEGER NOT NULL DEFAULT 0 CHECK (noue_edastatud IN (0, 1))
) STRICT;

CREATE TABLE IF NOT EXISTS krediitkaardi_teavitused (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tellimuse_id    TEXT NOT NULL,
    teavituse_aeg   TEXT,
    toodeldud       INTEGER NOT NULL DEFAULT 0 CHECK (toodeldud IN (0, 1)),
    vastus          TEXT,
    saatmise_kordi  INTEGER NOT NULL DEFAULT 0,
    viga            TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS sys_maksemoodul_logi (
    makse_mooduli_tellimused_id  INTEGER NOT NULL REFERENCES maksemooduli_tellimused (id),
    aeg                          TEXT NOT NULL,
    tegevus                      TEXT NOT NULL,
    teade                        TEXT
) STRICT;

-- What AT's table has no place for, one row an order.
CREATE TABLE IF NOT EXISTS adapter_order (
    order_id        INTEGER PRIMARY KEY REFERENCES maksemooduli_tellimused (id),
    asked_amount    TEXT NOT NULL,
    asked_currency  TEXT,
    started         TEXT,
    init_deadline   TEXT,
    next_check_at   TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    lists           INTEGER NOT NULL DEFAULT 0,
    not_found_at    TEXT,
    lease_token     TEXT,
    lease_until     TEXT,
    reverted_at     TEXT,
    mismatch        INTEGER NOT NULL DEFAULT 0 CHECK (mismatch IN (0, 1)),
    accepted_by     TEXT,
    fault           TEXT,
    duplicate_of    INTEGER,
    completion_id   TEXT,
    offer_attempt   INTEGER NOT NULL DEFAULT 0,
    next_offer_at   TEXT,
    attempt_of      INTEGER -- the announcement while the attempt is live; unique
) STRICT;

CREATE TABLE IF NOT EXISTS adapter_notification (
    notification_id  INTEGER PRIMARY KEY REFERENCES krediitkaardi_teavitused (id),
    next_check_at    TEXT,
    lease_token      TEXT,
    lease_until      TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS adapter_event (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    type             TEXT NOT NULL,
    subject          TEXT NOT NULL,
    time             TEXT NOT NULL,
    data             TEXT,
    delivered_at     TEXT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    next_attempt_at  TEXT, -- NULL: at once
    lease_token      TEXT,
    lease_until      TEXT,
    failure          TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS adapter_suspicion (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    at             TEXT NOT NULL,
    order_id       INTEGER NOT NULL, -- 0: none
    emta_order_id  TEXT NOT NULL,    -- empty: none
    reason         TEXT NOT NULL,
    answer         TEXT,
    UNIQUE (emta_order_id, reason, order_id)
) STRICT;

CREATE TABLE IF NOT EXISTS adapter_audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    order_id  INTEGER NOT NULL REFERENCES maksemooduli_tellimused (id),
    actor     TEXT NOT NULL,
    action    TEXT NOT NULL,
    detail    TEXT
) STRICT;
