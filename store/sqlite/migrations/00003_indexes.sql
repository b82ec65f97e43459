-- Indexes of every query of a request and of the searches for what is due; the classifier's rows;
-- a row of ours for each order that was there before.

-- +goose Up
CREATE UNIQUE INDEX IF NOT EXISTS maksemooduli_tellimused_tellimuse_id ON maksemooduli_tellimused (tellimuse_id);
CREATE INDEX IF NOT EXISTS maksemooduli_tellimused_teate_id ON maksemooduli_tellimused (teate_id, id);
CREATE INDEX IF NOT EXISTS maksemooduli_tellimused_seisund ON maksemooduli_tellimused (tellimuse_seisund_kl, id);
CREATE INDEX IF NOT EXISTS maksemooduli_tellimused_edastamata ON maksemooduli_tellimused (id)
    WHERE tellimuse_seisund_kl = 'T' AND noue_edastatud = 0;

CREATE UNIQUE INDEX IF NOT EXISTS krediitkaardi_teavitused_tootlemata ON krediitkaardi_teavitused (tellimuse_id)
    WHERE toodeldud = 0;

CREATE INDEX IF NOT EXISTS sys_maksemoodul_logi_tellimus ON sys_maksemoodul_logi (makse_mooduli_tellimused_id, aeg);

CREATE UNIQUE INDEX IF NOT EXISTS adapter_order_attempt_of ON adapter_order (attempt_of) WHERE attempt_of IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_order_next_check ON adapter_order (next_check_at, order_id) WHERE next_check_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_order_next_offer ON adapter_order (next_offer_at, order_id) WHERE next_offer_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_order_mismatch ON adapter_order (order_id) WHERE mismatch = 1;
CREATE INDEX IF NOT EXISTS adapter_notification_next_check ON adapter_notification (next_check_at, notification_id)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS adapter_event_undelivered ON adapter_event (seq) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS adapter_event_subject ON adapter_event (subject, seq) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS adapter_suspicion_emta_order ON adapter_suspicion (emta_order_id, id);
CREATE INDEX IF NOT EXISTS adapter_audit_order ON adapter_audit (order_id, id);

INSERT INTO klassifikaatorid (tabel_veerg, kood, nimetus_est, nimetus_eng, kehtib)
SELECT v.column1, v.column2, v.column3, v.column4, v.column5
  FROM (VALUES ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'U', 'loomisel',   'under creation', 1),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'L', 'loodud',     'created',        1),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'P', 'pooleli',    'pending',        1),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'T', 'täidetud',   'completed',      1),
               ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'X', 'tühistatud', 'cancelled',      1)) AS v
 WHERE NOT EXISTS (SELECT 1 FROM klassifikaatorid k WHERE k.tabel_veerg = v.column1 AND k.kood = v.column2);

-- What was asked is not known of these: what EMTA last said stands for it. Open ones are due at once.
INSERT INTO adapter_order (order_id, asked_amount, asked_currency, started, next_check_at)
SELECT t.id, CASE typeof(t.summa) WHEN 'text' THEN t.summa ELSE printf('%.2f', coalesce(t.summa, 0)) END, t.valuuta, t.loodud,
       CASE WHEN t.tellimuse_seisund_kl IN ('U', 'L', 'P') THEN strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') END
  FROM maksemooduli_tellimused t
 WHERE NOT EXISTS (SELECT 1 FROM adapter_order a WHERE a.order_id = t.id);

INSERT INTO adapter_notification (notification_id)
SELECT n.id FROM krediitkaardi_teavitused n
 WHERE NOT EXISTS (SELECT 1 FROM adapter_notification a WHERE a.notification_id = n.id);
