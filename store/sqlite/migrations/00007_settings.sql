-- Settings that change while the program runs: a row a change, the last one in force, all of them the audit.

-- +goose Up
CREATE TABLE IF NOT EXISTS adapter_setting (
    version  INTEGER PRIMARY KEY, -- counts changes, from 1
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL,
    changes  TEXT NOT NULL, -- all that differ from the settings file
    steps    TEXT NOT NULL  -- what this change did: path, from, to
) STRICT;
