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

-- Ten mandates a representee, of ten delegates each of whom has ten; each twentieth was passed on.
INSERT INTO atis.andmeandjad (id, kood, nimi) SELECT i, (10000000 + i)::text, 'Firma ' || i FROM generate_series(1, @N / 10) AS i;
INSERT INTO atis.kasutajad (id, isikukood, eesnimi, perenimi) SELECT i, (30000000000 + i)::text, 'Eesnimi', 'Perenimi ' || i FROM generate_series(1, @N / 10) AS i;
INSERT INTO atis.andmeandjad_kasutajad (id, andmeandjad_id, kasutajad_id, role, staatus_kl, on_tahtajatu, esindusoiguse_kehtivus_alates, esindusoiguse_kehtivus_kuni)
SELECT i, 1 + (i - 1) % (@N / 10), 1 + (i - 1) * 7 % (@N / 10), CASE i % 3 WHEN 0 THEN 'ESINDAJA' ELSE 'AVALDAJA' END, CASE WHEN i % 4 = 0 OR i % 500 = 1 THEN 'M' ELSE 'A' END, i % 2 = 0,
       CASE WHEN i % 500 = 1 THEN '2026-04-01' ELSE '2026-01-01' END::date, CASE WHEN i % 2 = 0 THEN CASE WHEN i % 4 = 0 THEN '2026-02-01' ELSE '2026-12-31' END END::date
  FROM generate_series(1, @N) AS i;
INSERT INTO atis.adapter_mandate (mandate_id, state, parent_id, sub_delegable, added_at, added_by, authorizations)
SELECT id, CASE WHEN id % 500 = 1 THEN 'waiting' WHEN staatus_kl = 'A' THEN 'active' ELSE 'ended' END, CASE WHEN id % 20 = 10 THEN id - 1 END, id % 3 = 0, now(), 'EE60001019906',
       '[{"user":"EE60001019906","role":"BR_REPRIGHT:SOLEREP"}]'
  FROM atis.andmeandjad_kasutajad;
INSERT INTO atis.adapter_mandate_audit (at, mandate_id, action, actor) SELECT now(), id, 'add', 'EE60001019906' FROM atis.andmeandjad_kasutajad;
INSERT INTO atis.adapter_mandate_request (client, request_id, method, path, digest, at, outcome) SELECT 'c', i::text, 'POST', '/', 'd', now(), '{}' FROM generate_series(1, @N / 10) AS i;

VACUUM ANALYZE;
