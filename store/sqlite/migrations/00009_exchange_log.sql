-- The exchange log in tables: the line of each record exactly as it is chained, and beside it what it is searched by. Days are
-- Estonian, of the segment.

-- +goose Up
CREATE TABLE IF NOT EXISTS exchange_record (
    system      TEXT NOT NULL,
    replica     TEXT NOT NULL,
    part        TEXT NOT NULL, -- request or response
    seq         INTEGER NOT NULL,
    day         TEXT NOT NULL, -- of the segment
    segment     INTEGER NOT NULL,
    time        TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    xroad_id    TEXT NOT NULL, -- '-': none
    hash        TEXT NOT NULL,
    line        TEXT NOT NULL, -- without line break
    PRIMARY KEY (system, replica, part, seq)
) STRICT;
CREATE INDEX IF NOT EXISTS exchange_record_time ON exchange_record (time);
CREATE INDEX IF NOT EXISTS exchange_record_request_id ON exchange_record (request_id);
CREATE INDEX IF NOT EXISTS exchange_record_xroad_id ON exchange_record (xroad_id) WHERE xroad_id <> '-';
CREATE INDEX IF NOT EXISTS exchange_record_segment ON exchange_record (system, replica, part, segment, seq);
CREATE INDEX IF NOT EXISTS exchange_record_day ON exchange_record (day);

CREATE TABLE IF NOT EXISTS exchange_seal (
    system   TEXT NOT NULL,
    replica  TEXT NOT NULL,
    part     TEXT NOT NULL,
    segment  INTEGER NOT NULL,
    day      TEXT NOT NULL,
    line     TEXT NOT NULL,
    PRIMARY KEY (system, replica, part, segment)
) STRICT;

-- Where each stream ends: the sidecar, and the last segment's beginning. writer is who may go on; whoever opens the stream takes it.
CREATE TABLE IF NOT EXISTS exchange_head (
    system     TEXT NOT NULL,
    replica    TEXT NOT NULL,
    part       TEXT NOT NULL,
    writer     TEXT NOT NULL,
    segment    INTEGER NOT NULL, -- 0: none
    day        TEXT,
    sealed     INTEGER NOT NULL,
    count      INTEGER NOT NULL, -- records of the segment
    previous   TEXT NOT NULL,    -- hash before the segment's first record
    first_seq  INTEGER NOT NULL,
    first_hash TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    at         TEXT NOT NULL,
    PRIMARY KEY (system, replica, part)
) STRICT;
