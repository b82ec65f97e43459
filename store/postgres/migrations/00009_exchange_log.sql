-- The exchange log in tables: the line of each record exactly as it is chained, and beside it what it is searched by. One partition
-- holds a month of segments, by the Estonian day that a segment began; adapter_exchange_partition makes them.

-- +goose Up
CREATE TABLE IF NOT EXISTS atis.exchange_record (
    system      text NOT NULL,
    replica     text NOT NULL,
    part        text NOT NULL, -- request or response
    seq         bigint NOT NULL,
    day         date NOT NULL, -- of the segment
    segment     integer NOT NULL,
    time        timestamptz NOT NULL,
    request_id  text NOT NULL,
    xroad_id    text NOT NULL, -- '-': none
    hash        text NOT NULL,
    line        text NOT NULL, -- without line break
    PRIMARY KEY (system, replica, part, seq, day)
) PARTITION BY RANGE (day);
CREATE INDEX IF NOT EXISTS exchange_record_time ON atis.exchange_record (time);
CREATE INDEX IF NOT EXISTS exchange_record_request_id ON atis.exchange_record (request_id);
CREATE INDEX IF NOT EXISTS exchange_record_xroad_id ON atis.exchange_record (xroad_id) WHERE xroad_id <> '-';
CREATE INDEX IF NOT EXISTS exchange_record_segment ON atis.exchange_record (system, replica, part, segment, seq);

CREATE TABLE IF NOT EXISTS atis.exchange_seal (
    system    text NOT NULL,
    replica   text NOT NULL,
    part      text NOT NULL,
    segment   integer NOT NULL,
    day       date NOT NULL,
    line      text NOT NULL,
    PRIMARY KEY (system, replica, part, segment)
);

-- Where each stream ends: the sidecar, and the last segment's beginning. writer is who may go on; whoever opens the stream takes it.
CREATE TABLE IF NOT EXISTS atis.exchange_head (
    system     text NOT NULL,
    replica    text NOT NULL,
    part       text NOT NULL,
    writer     text NOT NULL,
    segment    integer NOT NULL, -- 0: none
    day        date,
    sealed     boolean NOT NULL,
    count      bigint NOT NULL,  -- records of the segment
    previous   text NOT NULL,    -- hash before the segment's first record
    first_seq  bigint NOT NULL,
    first_hash text NOT NULL,
    seq        bigint NOT NULL,
    hash       text NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (system, replica, part)
);

-- +goose StatementBegin
-- Makes the partition of a day's month and of the months after it. It runs as the schema's owner, since the role that serves creates
-- nothing. A table is made apart and attached, which neither waits for readers nor keeps writers waiting.
CREATE OR REPLACE FUNCTION atis.adapter_exchange_partition(day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first date;
    name name;
    made integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND 24 OR day < date '2020-01-01' OR day > current_date + 400 THEN
        RAISE EXCEPTION 'a partition of % for % months is not one that the exchange log needs', day, months;
    END IF;
    FOR i IN 0 .. months - 1 LOOP
        first := date_trunc('month', day + make_interval(months => i))::date;
        name := 'exchange_record_' || to_char(first, 'YYYY_MM');
        CONTINUE WHEN to_regclass('atis.' || name) IS NOT NULL;
        PERFORM pg_advisory_xact_lock(hashtextextended('atis.adapter_exchange_partition', 7009));
        -- The catalogue itself is read: to_regclass would repeat what this session saw before it waited.
        CONTINUE WHEN EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'atis' AND c.relname = name);
        EXECUTE format('CREATE TABLE atis.%I (LIKE atis.exchange_record INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE atis.exchange_record ATTACH PARTITION atis.%I FOR VALUES FROM (%L) TO (%L)',
            name, first, (first + interval '1 month')::date);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
-- +goose StatementEnd
