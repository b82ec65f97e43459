-- The months of the exchange log that were archived and removed from the tables: the archive's signed manifest.

-- +goose Up
CREATE TABLE IF NOT EXISTS exchange_archive (
    system    TEXT NOT NULL,
    month     TEXT NOT NULL, -- yyyy-mm
    manifest  TEXT NOT NULL,
    removed   TEXT NOT NULL,
    PRIMARY KEY (system, month)
) STRICT;
