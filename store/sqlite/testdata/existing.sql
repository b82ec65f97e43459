CREATE TABLE klassifikaatorid (tabel_veerg text, kood text, nimetus_est text, jrk integer);
INSERT INTO klassifikaatorid VALUES ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'L', 'loodud (vana)', 1), ('TEATED.STAATUS_KL', 'AD', 'avaldatud', 2);

CREATE TABLE maksemooduli_tellimused (
    id integer PRIMARY KEY, teate_id bigint, tellimuse_id text, tellimuse_seisund_kl text NOT NULL, loodud timestamp,
    summa numeric(15,2), valuuta text, noue_edastatud boolean DEFAULT false, lisaveerg text);
INSERT INTO maksemooduli_tellimused VALUES
    (7, 3, 'vana-1', 'L', '2026-03-02 10:00:00', 9999999999999.99, 'EUR', NULL, 'jääb alles'),
    (8, 3, 'vana-2', 'T', '2026-03-01T10:00:00Z', 30, 'EUR', true, NULL);

CREATE TABLE krediitkaardi_teavitused (id integer PRIMARY KEY, tellimuse_id text, teavituse_aeg text, toodeldud boolean);
INSERT INTO krediitkaardi_teavitused VALUES (1, 'vana-1', '2026-03-02T10:00:01Z', false), (2, 'vana-2', NULL, true);
