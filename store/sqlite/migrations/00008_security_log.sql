-- The security log. Rows are only added.

-- +goose Up
CREATE TABLE IF NOT EXISTS security_log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    replica     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    caller      TEXT, -- name of a token, or an X-Road client
    actor       TEXT, -- the person
    address     TEXT,
    request_id  TEXT,
    detail      TEXT,
    count       INTEGER NOT NULL DEFAULT 1 -- how many such events the row stands for
) STRICT;
CREATE INDEX IF NOT EXISTS security_log_at ON security_log (at);
