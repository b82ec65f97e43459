-- Indexes of every query of a request about mandates; a row of ours for each mandate that was active before.

-- +goose Up

-- A column that an index of the core's begins with needs none of ours. Codes may stand there twice in a table that was there
-- before; what the core may insert is not narrowed.
-- +goose StatementBegin
DO $$
DECLARE
    w record;
BEGIN
    FOR w IN SELECT * FROM (VALUES ('andmeandjad', 'kood'), ('kasutajad', 'isikukood')) AS v (noun, field) LOOP
        IF NOT EXISTS (
            SELECT 1 FROM pg_index i JOIN pg_attribute c ON c.attrelid = i.indrelid AND c.attnum = i.indkey[0]
             WHERE i.indrelid = to_regclass('atis.' || w.noun) AND c.attname = w.field AND i.indisvalid AND i.indpred IS NULL
        ) THEN
            EXECUTE format('CREATE INDEX %I ON atis.%I (%I)', w.noun || '_' || w.field, w.noun, w.field);
        END IF;
    END LOOP;
END
$$;
-- +goose StatementEnd

CREATE INDEX IF NOT EXISTS andmeandjad_kasutajad_andmeandja ON atis.andmeandjad_kasutajad (andmeandjad_id, id);
CREATE INDEX IF NOT EXISTS andmeandjad_kasutajad_kasutaja ON atis.andmeandjad_kasutajad (kasutajad_id, id);
CREATE INDEX IF NOT EXISTS andmeandjad_kasutajad_ootel ON atis.andmeandjad_kasutajad (esindusoiguse_kehtivus_alates, id)
    WHERE staatus_kl <> 'A' AND esindusoiguse_kehtivus_alates IS NOT NULL;

CREATE INDEX IF NOT EXISTS adapter_mandate_audit_mandate ON atis.adapter_mandate_audit (mandate_id, id);
CREATE INDEX IF NOT EXISTS adapter_mandate_request_at ON atis.adapter_mandate_request (at);

-- Those that wait are found by the adapter's first minute, which knows the day in Estonia.
INSERT INTO atis.adapter_mandate (mandate_id, state)
SELECT t.id, 'active' FROM atis.andmeandjad_kasutajad t
 WHERE t.staatus_kl = 'A' AND NOT EXISTS (SELECT 1 FROM atis.adapter_mandate a WHERE a.mandate_id = t.id);
