-- What a table of AT's that was there before lacks. No column is changed, and adding these rewrites no row.

-- +goose Up
ALTER TABLE atis.klassifikaatorid
    ADD COLUMN IF NOT EXISTS tabel_veerg text,
    ADD COLUMN IF NOT EXISTS kood text,
    ADD COLUMN IF NOT EXISTS nimetus_est text,
    ADD COLUMN IF NOT EXISTS nimetus_eng text,
    ADD COLUMN IF NOT EXISTS kehtib boolean NOT NULL DEFAULT true;

ALTER TABLE atis.maksemooduli_tellimused
    ADD COLUMN IF NOT EXISTS teate_id bigint,
    ADD COLUMN IF NOT EXISTS tellimuse_id text,
    ADD COLUMN IF NOT EXISTS tellimuse_seisund_kl text NOT NULL DEFAULT 'U',
    ADD COLUMN IF NOT EXISTS loodud timestamptz,
    ADD COLUMN IF NOT EXISTS aegub timestamptz,
    ADD COLUMN IF NOT EXISTS lopetatud timestamptz,
    ADD COLUMN IF NOT EXISTS summa numeric(15, 2),
    ADD COLUMN IF NOT EXISTS valuuta text,
    ADD COLUMN IF NOT EXISTS viitenumber text,
    ADD COLUMN IF NOT EXISTS maksevormi_url text,
    ADD COLUMN IF NOT EXISTS noue_edastatud boolean NOT NULL DEFAULT false;

ALTER TABLE atis.krediitkaardi_teavitused
    ADD COLUMN IF NOT EXISTS tellimuse_id text,
    ADD COLUMN IF NOT EXISTS teavituse_aeg timestamptz,
    ADD COLUMN IF NOT EXISTS toodeldud boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS vastus text,
    ADD COLUMN IF NOT EXISTS saatmise_kordi integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS viga text;

ALTER TABLE atis.sys_maksemoodul_logi
    ADD COLUMN IF NOT EXISTS makse_mooduli_tellimused_id bigint,
    ADD COLUMN IF NOT EXISTS aeg timestamptz,
    ADD COLUMN IF NOT EXISTS tegevus text,
    ADD COLUMN IF NOT EXISTS teade text;

-- A column that holds something else is said so here, by name, and not by the first payment.
-- +goose StatementBegin
DO $$
DECLARE
    wrong text;
BEGIN
    SELECT string_agg(format('atis.%s.%s is %s, want %s', w.noun, w.field, format_type(c.atttypid, c.atttypmod), w.want), '; ')
      INTO wrong
      FROM (VALUES
            ('maksemooduli_tellimused', 'teate_id', 'bigint', '{bigint,integer}'::regtype[]),
            ('maksemooduli_tellimused', 'tellimuse_id', 'text', '{text,varchar}'),
            ('maksemooduli_tellimused', 'tellimuse_seisund_kl', 'text', '{text,varchar}'),
            ('maksemooduli_tellimused', 'loodud', 'timestamptz', '{timestamptz,timestamp}'),
            ('maksemooduli_tellimused', 'aegub', 'timestamptz', '{timestamptz,timestamp}'),
            ('maksemooduli_tellimused', 'lopetatud', 'timestamptz', '{timestamptz,timestamp}'),
            ('maksemooduli_tellimused', 'summa', 'numeric', '{numeric}'),
            ('maksemooduli_tellimused', 'valuuta', 'text', '{text,varchar}'),
            ('maksemooduli_tellimused', 'viitenumber', 'text', '{text,varchar}'),
            ('maksemooduli_tellimused', 'maksevormi_url', 'text', '{text,varchar}'),
            ('maksemooduli_tellimused', 'noue_edastatud', 'boolean', '{boolean}'),
            ('krediitkaardi_teavitused', 'tellimuse_id', 'text', '{text,varchar}'),
            ('krediitkaardi_teavitused', 'teavituse_aeg', 'timestamptz', '{timestamptz,timestamp}'),
            ('krediitkaardi_teavitused', 'toodeldud', 'boolean', '{boolean}'),
            ('krediitkaardi_teavitused', 'vastus', 'text', '{text,varchar}'),
            ('krediitkaardi_teavitused', 'saatmise_kordi', 'integer', '{integer,bigint}'),
            ('krediitkaardi_teavitused', 'viga', 'text', '{text,varchar}'),
            ('sys_maksemoodul_logi', 'makse_mooduli_tellimused_id', 'bigint', '{bigint,integer}'),
            ('sys_maksemoodul_logi', 'aeg', 'timestamptz', '{timestamptz,timestamp}'),
            ('sys_maksemoodul_logi', 'tegevus', 'text', '{text,varchar}'),
            ('sys_maksemoodul_logi', 'teade', 'text', '{text,varchar}')
           ) AS w (noun, field, want, types)
      JOIN pg_attribute c ON c.attrelid = to_regclass('atis.' || w.noun) AND c.attname = w.field AND NOT c.attisdropped
     WHERE NOT c.atttypid = ANY (w.types::oid[]);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong;
    END IF;
END
$$;
-- +goose StatementEnd

-- The announcement's table is the core's. Where it is there, an order refers to it; a table of orders
-- that has rows already keeps the constraints that it has.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute c ON c.attrelid = i.indrelid AND c.attnum = i.indkey[0]
                WHERE i.indrelid = to_regclass('atis.teated') AND i.indisunique AND i.indimmediate AND i.indpred IS NULL
                  AND i.indnkeyatts = 1 AND c.attname = 'id' AND c.atttypid IN ('bigint'::regtype, 'integer'::regtype))
       AND NOT EXISTS (SELECT 1 FROM atis.maksemooduli_tellimused)
       AND NOT EXISTS (SELECT 1 FROM pg_constraint
                        WHERE conrelid = 'atis.maksemooduli_tellimused'::regclass AND confrelid = to_regclass('atis.teated'))
    THEN
        ALTER TABLE atis.maksemooduli_tellimused
            ADD CONSTRAINT maksemooduli_tellimused_teate_id_fkey FOREIGN KEY (teate_id) REFERENCES atis.teated (id);
    END IF;
END
$$;
-- +goose StatementEnd
