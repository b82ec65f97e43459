-- Which leases are those of background work, of which there may be so many at a time over all replicas; whether an order had been
-- cancelled before it was completed; since when a notification is parked. Columns have defaults
-- that a replica of the version before may leave alone.

-- +goose Up
ALTER TABLE atis.adapter_order
    ADD COLUMN IF NOT EXISTS lease_background boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS after_cancel boolean NOT NULL DEFAULT false;
ALTER TABLE atis.adapter_notification
    ADD COLUMN IF NOT EXISTS parked_at timestamptz;
