-- Indexes of every query of a request and of the searches for what is due; the classifier's rows;
-- a row of ours for each order and notification that was there before.

-- +goose Up

-- Two rows that nothing may tell apart are settled by whoever knows the data; a migration takes no side.
-- +goose StatementBegin
DO $$
DECLARE
    twice bigint;
BEGIN
    SELECT count(*) INTO twice FROM (SELECT 1 FROM atis.maksemooduli_tellimused WHERE tellimuse_id IS NOT NULL
                                      GROUP BY tellimuse_id HAVING count(*) > 1) AS d;
    IF twice > 0 THEN
        RAISE EXCEPTION 'table atis.maksemooduli_tellimused: % values of tellimuse_id stand in more than one row, and must in one', twice;
    END IF;
    SELECT count(*) INTO twice FROM (SELECT 1 FROM atis.krediitkaardi_teavitused WHERE NOT toodeldud
                                      GROUP BY tellimuse_id HAVING count(*) > 1) AS d;
    IF twice > 0 THEN
        RAISE EXCEPTION 'table atis.krediitkaardi_teavitused: % values of tellimuse_id have more than one row with toodeldud false: set it true in all but the newest', twice;
    END IF;
END
$$;
-- +goose StatementEnd

CREATE UNIQUE INDEX IF NOT EXISTS maksemooduli_tellimused_tellimuse_id ON atis.maksemooduli_tellimused (tellimuse_id);
CREATE INDEX IF NOT EXISTS maksemooduli_tellimused_teate_id ON atis.maksemooduli_tellimused (teate_id, id);
CREATE INDEX IF NOT EXISTS maksemooduli_tellimused_seisund ON atis.maksemooduli_tellimused (tellimuse_seisund_kl, id);
CREATE INDEX IF NOT EXISTS maksemooduli_tellimused_loomisel ON atis.maksemooduli_tellimused (id)
    WHERE tellimuse_seisund_kl = 'U' AND tellimuse_id IS NULL;
CREATE INDEX IF NOT EXISTS maksemooduli_tellimused_edastamata ON atis.maksemooduli_tellimused (id)
    WHERE tellimuse_seisund_kl = 'T' AND noue_edastatud IS NOT TRUE;

CREATE UNIQUE INDEX IF NOT EXISTS krediitkaardi_teavitused_tootlemata ON atis.krediitkaardi_teavitused (tellimuse_id)
    WHERE NOT toodeldud;

CREATE INDEX IF NOT EXISTS sys_maksemoodul_logi_tellimus ON atis.sys_maksemoodul_logi (makse_mooduli_tellimused_id, aeg);

CREATE UNIQUE INDEX IF NOT EXISTS adapter_order_attempt_of ON atis.adapter_order (attempt_of) WHERE attempt_of IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_order_next_check ON atis.adapter_order (next_check_at, order_id) WHERE next_check_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_order_next_offer ON atis.adapter_order (next_offer_at, order_id) WHERE next_offer_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_order_mismatch ON atis.adapter_order (order_id) WHERE mismatch;
CREATE INDEX IF NOT EXISTS adapter_notification_next_check ON atis.adapter_notification (next_check_at, notification_id)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_event_undelivered ON atis.adapter_event (seq) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS adapter_event_subject ON atis.adapter_event (subject, seq) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS adapter_suspicion_emta_order ON atis.adapter_suspicion (emta_order_id, id);
CREATE INDEX IF NOT EXISTS adapter_audit_order ON atis.adapter_audit (order_id, id);

INSERT INTO atis.klassifikaatorid (tabel_veerg, kood, nimetus_est, nimetus_eng, kehtib)
SELECT v.*
  FROM (VALUES ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'U', 'loomisel',   'under creation', true),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'L', 'loodud',     'created',        true),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'P', 'pooleli',    'pending',        true),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'T', 'täidetud',   'completed',      true),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'X', 'tühistatud', 'cancelled',      true)) AS v (tabel_veerg, kood)
 WHERE NOT EXISTS (SELECT 1 FROM atis.klassifikaatorid k WHERE k.tabel_veerg = v.tabel_veerg AND k.kood = v.kood);

-- What was asked is not known of these: what EMTA last said stands for it. Open ones are due at once.
INSERT INTO atis.adapter_order (order_id, asked_amount, asked_currency, started, next_check_at)
SELECT t.id, coalesce(t.summa, 0), t.valuuta, t.loodud, CASE WHEN t.tellimuse_seisund_kl IN ('U', 'L', 'P') THEN now() END
  FROM atis.maksemooduli_tellimused t
 WHERE NOT EXISTS (SELECT 1 FROM atis.adapter_order a WHERE a.order_id = t.id);

INSERT INTO atis.adapter_notification (notification_id)
SELECT n.id FROM atis.krediitkaardi_teavitused n
 WHERE NOT EXISTS (SELECT 1 FROM atis.adapter_notification a WHERE a.notification_id = n.id);
