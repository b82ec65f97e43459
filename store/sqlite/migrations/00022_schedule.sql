-- Indexes of every query of a request about mandates, which need the columns of 00021; a row of ours for each mandate that was
-- active before. Work that is done once a day.

-- +goose Up
CREATE INDEX IF NOT EXISTS andmeandjad_kood ON andmeandjad (kood);
CREATE INDEX IF NOT EXISTS kasutajad_isikukood ON kasutajad (isikukood);
CREATE INDEX IF NOT EXISTS andmeandjad_kasutajad_andmeandja ON andmeandjad_kasutajad (andmeandjad_id, id);
CREATE INDEX IF NOT EXISTS andmeandjad_kasutajad_kasutaja ON andmeandjad_kasutajad (kasutajad_id, id);
CREATE INDEX IF NOT EXISTS andmeandjad_kasutajad_ootel ON andmeandjad_kasutajad (esindusoiguse_kehtivus_alates, id)
    WHERE staatus_kl <> 'A' AND esindusoiguse_kehtivus_alates IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_mandate_audit_mandate ON adapter_mandate_audit (mandate_id, id);
CREATE INDEX IF NOT EXISTS adapter_mandate_request_at ON adapter_mandate_request (at);

-- Those that wait are found by the adapter's first minute, which knows the day in Estonia.
INSERT INTO adapter_mandate (mandate_id, state)
SELECT t.id, 'active' FROM andmeandjad_kasutajad t
 WHERE t.staatus_kl = 'A' AND NOT EXISTS (SELECT 1 FROM adapter_mandate a WHERE a.mandate_id = t.id);

CREATE TABLE IF NOT EXISTS adapter_schedule (
    name          TEXT PRIMARY KEY,
    last_success  TEXT, -- the day in Estonia that was done last
    lease_token   TEXT,
    lease_until   TEXT
) STRICT;
