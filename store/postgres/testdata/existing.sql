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
