-- The trace that an event happened in, for whoever hears of it later (NA-102).

-- +goose Up
ALTER TABLE atis.adapter_event ADD COLUMN IF NOT EXISTS traceparent text;
