-- Tables as the core might have made them: columns and constraints of its own, some of ours missing,
-- other types, rows.
CREATE SCHEMA atis;

CREATE TABLE atis.klassifikaatorid (
    id serial PRIMARY KEY, tabel_veerg varchar(100) NOT NULL, kood varchar(20) NOT NULL, nimetus_est text, jrk integer,
    UNIQUE (tabel_veerg, kood));
INSERT INTO atis.klassifikaatorid (tabel_veerg, kood, nimetus_est, jrk) VALUES
    ('MAKEMOODULI_TELLIMUSED.TELLIMUSE_SEISUND_KL', 'L', 'loodud (vana)', 1), ('TEATED.STAATUS_KL', 'AD', 'avaldatud', 2);

CREATE TABLE atis.teated (id bigint PRIMARY KEY, staatus_kl text);
INSERT INTO atis.teated VALUES (3, 'AD'), (4, 'AD');

CREATE TABLE atis.maksemooduli_tellimused (
    id serial PRIMARY KEY,
    teate_id bigint NOT NULL CONSTRAINT vana_fk REFERENCES atis.teated (id),
    tellimuse_id varchar(64) CONSTRAINT vana_unikaalne UNIQUE,
    tellimuse_seisund_kl text NOT NULL,
    loodud timestamp,
    summa numeric(15,2) CONSTRAINT vana_summa CHECK (summa >= 0),
    valuuta varchar(3),
    noue_edastatud boolean DEFAULT false,
    lisaveerg text NOT NULL DEFAULT 'vaikimisi');
INSERT INTO atis.maksemooduli_tellimused VALUES
    (7, 3, 'vana-1', 'L', '2026-03-02 10:00:00', 9999999999999.99, 'EUR', NULL, 'jääb alles'),
    (8, 3, 'vana-2', 'T', '2026-03-01 10:00:00', 30, 'EUR', true, DEFAULT);
SELECT setval('atis.maksemooduli_tellimused_id_seq', 8);

CREATE TABLE atis.krediitkaardi_teavitused (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tellimuse_id text, teavituse_aeg timestamptz, toodeldud boolean);
INSERT INTO atis.krediitkaardi_teavitused (tellimuse_id, teavituse_aeg, toodeldud) VALUES
    ('vana-1', '2026-03-02T10:00:01Z', false), ('vana-2', NULL, true), ('vana-2', NULL, NULL);

CREATE VIEW atis.vaade AS SELECT id, summa FROM atis.maksemooduli_tellimused;

CREATE TABLE atis.andmeandjad (id serial PRIMARY KEY, kood varchar(20), nimi varchar(200) NOT NULL, liik text DEFAULT 'OÜ');
INSERT INTO atis.andmeandjad VALUES (1, '10391131', 'Väikefirma OÜ', DEFAULT), (2, '11065244', 'Suurfirma AS', 'AS'), (3, '11065244', 'Suurfirma AS (vana)', 'AS'), (4, NULL, 'Koodita', NULL);
SELECT setval('atis.andmeandjad_id_seq', 4);

CREATE TABLE atis.kasutajad (id serial PRIMARY KEY, isikukood varchar(20), eesnimi text, perenimi text, epost text);
INSERT INTO atis.kasutajad VALUES (1, '60001019906', 'Mari', 'Maasikas', 'mari@example.ee'), (2, '50001029996', 'Jüri', 'Juurikas', NULL);
SELECT setval('atis.kasutajad_id_seq', 2);

CREATE TABLE atis.andmeandjad_kasutajad (
    id serial PRIMARY KEY, andmeandjad_id integer REFERENCES atis.andmeandjad (id), kasutajad_id integer REFERENCES atis.kasutajad (id),
    role varchar(30), staatus_kl char(1) NOT NULL, telefon text DEFAULT '-', UNIQUE (andmeandjad_id, kasutajad_id, role, id));
INSERT INTO atis.andmeandjad_kasutajad VALUES
    (1, 1, 1, 'ESINDAJA', 'A', '5123'), (2, 1, 2, 'AVALDAJA', 'M', DEFAULT), (3, 2, 2, 'AVALDAJA', 'A', '-'), (4, 3, 2, 'ESINDAJA', 'A', '-'), (5, 4, 2, 'AVALDAJA', 'A', '-'),
    (6, NULL, 2, 'AVALDAJA', 'A', '-');
SELECT setval('atis.andmeandjad_kasutajad_id_seq', 6);

CREATE TABLE atis.avaldamisoiguse_taotlused (id serial PRIMARY KEY, sisu text);
INSERT INTO atis.avaldamisoiguse_taotlused VALUES (1, 'taotlus');
