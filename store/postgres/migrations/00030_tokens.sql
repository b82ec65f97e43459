-- Bearer tokens of the internal API, by their hashes. None is ever deleted: they are the audit of who could call.

-- +goose Up
CREATE TABLE IF NOT EXISTS atis.adapter_token (
    name     text PRIMARY KEY,
    sha256   text NOT NULL UNIQUE CHECK (length(sha256) = 64),
    scopes   text NOT NULL, -- with a blank between them
    created  timestamptz NOT NULL,
    expires  timestamptz,
    revoked  timestamptz,
    made_by  text NOT NULL
);
