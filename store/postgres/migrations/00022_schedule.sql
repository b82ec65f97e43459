-- Work that is done once a day, by whichever replica takes it.

-- +goose Up
CREATE TABLE IF NOT EXISTS atis.adapter_schedule (
    name          text PRIMARY KEY,
    last_success  date, -- the day in Estonia that was done last
    lease_token   text,
    lease_until   timestamptz
);
