-- The months of the exchange log that were archived and removed from the tables: the archive's signed manifest.

-- +goose Up
CREATE TABLE IF NOT EXISTS atis.exchange_archive (
    system    text NOT NULL,
    month     text NOT NULL, -- yyyy-mm
    manifest  text NOT NULL,
    removed   timestamptz NOT NULL,
    PRIMARY KEY (system, month)
);
