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

CREATE TABLE andmeandjad (id integer PRIMARY KEY, kood varchar(20), nimi varchar(200) NOT NULL, liik text DEFAULT 'OÜ');
INSERT INTO andmeandjad VALUES (1, '10391131', 'Väikefirma OÜ', 'OÜ'), (2, '11065244', 'Suurfirma AS', 'AS'), (3, '11065244', 'Suurfirma AS (vana)', 'AS'), (4, NULL, 'Koodita', NULL);

CREATE TABLE kasutajad (id integer PRIMARY KEY, isikukood varchar(20), eesnimi text, perenimi text, epost text);
INSERT INTO kasutajad VALUES (1, '60001019906', 'Mari', 'Maasikas', 'mari@example.ee'), (2, '50001029996', 'Jüri', 'Juurikas', NULL);

CREATE TABLE andmeandjad_kasutajad (
    id integer PRIMARY KEY, andmeandjad_id integer, kasutajad_id integer, role varchar(30), staatus_kl char(1) NOT NULL, telefon text DEFAULT '-',
    esindusoiguse_kehtivus_kuni date);
INSERT INTO andmeandjad_kasutajad VALUES
    (1, 1, 1, 'ESINDAJA', 'A', '5123', NULL), (2, 1, 2, 'AVALDAJA', 'M', '-', NULL), (3, 2, 2, 'AVALDAJA', 'A', '-', NULL),
    (4, 3, 2, 'ESINDAJA', 'A', '-', NULL), (5, 4, 2, 'AVALDAJA', 'A', '-', '2026-12-31'), (6, NULL, 2, 'AVALDAJA', 'A', '-', NULL);

CREATE TABLE avaldamisoiguse_taotlused (id integer PRIMARY KEY, sisu text);
INSERT INTO avaldamisoiguse_taotlused VALUES (1, 'taotlus');
