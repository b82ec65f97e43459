-- Indexes of what is being worked on and of what is parked; who had parked notifications retried.

-- +goose Up
CREATE INDEX IF NOT EXISTS adapter_order_background ON adapter_order (order_id) WHERE lease_background = 1;
CREATE INDEX IF NOT EXISTS adapter_notification_leased ON adapter_notification (notification_id) WHERE lease_token IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_notification_parked ON adapter_notification (notification_id) WHERE parked_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS adapter_notification_audit (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    at               TEXT NOT NULL,
    notification_id  INTEGER NOT NULL REFERENCES adapter_notification (notification_id),
    actor            TEXT NOT NULL,
    action           TEXT NOT NULL,
    detail           TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS adapter_notification_audit_notification ON adapter_notification_audit (notification_id, id);
