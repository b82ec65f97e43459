-- Bearer tokens of the internal API, by their hashes. None is ever deleted: they are the audit of who could call.

-- +goose Up
CREATE TABLE IF NOT EXISTS adapter_token (
    name     TEXT PRIMARY KEY,
    sha256   TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    scopes   TEXT NOT NULL, -- with a blank between them
    created  TEXT NOT NULL,
    expires  TEXT,
    revoked  TEXT,
    made_by  TEXT NOT NULL
) STRICT;
