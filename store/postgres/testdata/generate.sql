-- @N orders as years of work leave them: almost all settled, a few open, due, mismatched or unclaimed; of each a
-- log, an event, of every tenth a notification. Made by the server, in a few seconds for a hundred thousand.
INSERT INTO atis.maksemooduli_tellimused (id, teate_id, tellimuse_id, tellimuse_seisund_kl, loodud, aegub, lopetatud, summa, valuuta, viitenumber, maksevormi_url, noue_edastatud)
SELECT i, (i + 1) / 2, CASE WHEN i % 50000 <> 7 THEN 'emta-' || i END,
       CASE WHEN i % 50000 = 7 THEN 'U' WHEN i % 20000 = 0 THEN 'L' WHEN i % 30000 = 1 THEN 'P' WHEN i % 5 = 0 THEN 'X' ELSE 'T' END,
       at, at + interval '15 minutes', at + interval '3 minutes', 30, 'EUR', '2900082335', 'https://pay.example/' || i, i % 40000 <> 3
  FROM (SELECT i, timestamptz '2026-03-02 12:00Z' - (@N - i) * interval '1 minute' AS at FROM generate_series(1, @N) AS i) AS g;

INSERT INTO atis.adapter_order (order_id, asked_amount, asked_currency, started, next_check_at, completion_id, offer_attempt, next_offer_at, mismatch, attempt_of)
SELECT id, summa, valuuta, loodud,
       CASE WHEN tellimuse_seisund_kl IN ('U', 'L', 'P') THEN timestamptz '2026-03-02 12:00Z' + (id % 7 - 3) * interval '1 minute' END,
       CASE WHEN tellimuse_seisund_kl = 'T' THEN 'c' || id END, CASE WHEN tellimuse_seisund_kl = 'T' THEN 1 ELSE 0 END,
       CASE WHEN NOT noue_edastatud THEN timestamptz '2026-03-02 12:00Z' + (id % 5 - 3) * interval '1 minute' END,
       id % 60000 = 4, CASE WHEN tellimuse_seisund_kl IN ('U', 'L') THEN teate_id END
  FROM atis.maksemooduli_tellimused;

INSERT INTO atis.krediitkaardi_teavitused (id, tellimuse_id, teavituse_aeg, toodeldud, saatmise_kordi)
SELECT i, 'emta-' || i * 2, timestamptz '2026-03-02 12:00Z' - (@N / 2 - i) * interval '1 minute', i % 5000 <> 0, 1 FROM generate_series(1, @N / 2) AS i;
INSERT INTO atis.adapter_notification (notification_id, next_check_at)
SELECT id, CASE WHEN id % 10000 = 0 THEN teavituse_aeg END FROM atis.krediitkaardi_teavitused;

INSERT INTO atis.sys_maksemoodul_logi (makse_mooduli_tellimused_id, aeg, tegevus, teade)
SELECT id, loodud + n * interval '1 minute', 'sync', 'Tellimuse staatus uuendatud: (L) → (T)' FROM atis.maksemooduli_tellimused, generate_series(1, 2) AS n;

INSERT INTO atis.adapter_event (seq, id, type, subject, time, data, delivered_at)
SELECT 2 * o.id - 2 + n, 'event-' || o.id || '-' || n, 'order.completed', 'order/' || o.id, o.loodud, '{}',
       CASE WHEN o.id <= @N - 200 THEN o.loodud END
  FROM atis.maksemooduli_tellimused o, generate_series(1, 2) AS n;

INSERT INTO atis.adapter_suspicion (at, order_id, emta_order_id, reason) SELECT now(), 0, 'strange-' || i, 'stamp' FROM generate_series(1, @N / 10) AS i;
INSERT INTO atis.adapter_audit (at, order_id, actor, action) SELECT now(), id, 'clerk', 'refresh' FROM atis.maksemooduli_tellimused WHERE id % 3 = 0;
INSERT INTO atis.adapter_notification_audit (at, notification_id, actor, action) SELECT now(), id, 'clerk', 'retry' FROM atis.krediitkaardi_teavitused WHERE id % 3 = 0;

VACUUM ANALYZE;
