-- Settings that change while the program runs: a row a change, the last one in force, all of them the audit.

-- +goose Up
CREATE TABLE IF NOT EXISTS atis.adapter_setting (
    version  bigint PRIMARY KEY, -- counts changes, from 1
    at       timestamptz NOT NULL,
    actor    text NOT NULL,
    changes  json NOT NULL, -- all that differ from the settings file
    steps    json NOT NULL  -- what this change did: path, from, to
);
