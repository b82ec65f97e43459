-- The trace that an event happened in, for whoever hears of it later (NA-102).

-- +goose Up
ALTER TABLE adapter_event ADD COLUMN traceparent TEXT;
