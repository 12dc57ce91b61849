"""Calls and attempts as native partitions by month.

The id is a UUIDv7: its first 48 bits are milliseconds, so that ranges of ids are ranges of time. `routing_partition(day)` makes the two
partitions of a month beside the parents and then attaches them, which locks less than CREATE … PARTITION OF.
"""

from django.db import migrations

TABLES = """
CREATE TABLE routing_call (
    id uuid NOT NULL,
    external_id varchar(200) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NULL,
    status varchar(24) NOT NULL,
    error_code varchar(60) NOT NULL,
    task_type varchar(120) NOT NULL,
    project varchar(120) NOT NULL,
    client varchar(120) NOT NULL,
    key_prefix varchar(16) NOT NULL,
    wire varchar(24) NOT NULL,
    session varchar(200) NOT NULL,
    item_id uuid NOT NULL,
    size integer NOT NULL,
    shares text NOT NULL,
    draw double precision NULL,
    drawn boolean NOT NULL,
    grading_p double precision NOT NULL,
    role varchar(24) NOT NULL,
    propensity double precision NULL,
    route_revision integer NOT NULL,
    candidates jsonb NOT NULL,
    requested_model varchar(200) NOT NULL,
    routed_model varchar(250) NOT NULL,
    served_model varchar(250) NOT NULL,
    would_route varchar(250) NOT NULL,
    used_fallback boolean NOT NULL,
    background boolean NOT NULL,
    stream boolean NOT NULL,
    simulated boolean NOT NULL,
    imported boolean NOT NULL,
    reason varchar(500) NOT NULL,
    metadata jsonb NOT NULL,
    attempts_count smallint NOT NULL CHECK (attempts_count >= 0),
    input_tokens integer NULL,
    output_tokens integer NULL,
    ttft_ms integer NULL,
    total_ms integer NULL,
    cost_usd numeric(20, 10) NULL,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE routing_attempt (
    call_id uuid NOT NULL,
    attempt smallint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    provider varchar(120) NOT NULL,
    model varchar(120) NOT NULL,
    upstream_id varchar(200) NOT NULL,
    served_model varchar(200) NOT NULL,
    credential varchar(120) NOT NULL,
    credential_kind varchar(24) NOT NULL,
    role varchar(24) NOT NULL,
    propensity double precision NULL,
    route_revision integer NOT NULL,
    status varchar(24) NOT NULL,
    error_kind varchar(24) NOT NULL,
    http_status smallint NULL,
    error_message varchar(500) NOT NULL,
    input_tokens integer NULL,
    output_tokens integer NULL,
    cache_read_tokens integer NULL,
    cache_write_tokens integer NULL,
    cache_write_1h_tokens integer NULL,
    reasoning_tokens integer NULL,
    ttft_ms integer NULL,
    total_ms integer NULL,
    cost_usd numeric(20, 10) NULL,
    price varchar(60) NOT NULL,
    success boolean NULL,
    simulated boolean NOT NULL,
    thinking varchar(40) NOT NULL,
    provider_request_id varchar(120) NOT NULL,
    PRIMARY KEY (call_id, attempt)
) PARTITION BY RANGE (call_id);
CREATE INDEX routing_call_task ON routing_call (task_type, id);
CREATE INDEX routing_call_item ON routing_call (item_id);
CREATE INDEX routing_call_external ON routing_call (external_id) WHERE external_id <> '';
CREATE INDEX routing_call_metadata ON routing_call USING gin (metadata jsonb_path_ops) WHERE metadata <> '{}';
CREATE INDEX routing_call_created ON routing_call USING brin (created_at);
CREATE INDEX routing_attempt_model ON routing_attempt (provider, model, call_id);
"""

PARTITION = r"""
CREATE FUNCTION routing_month_floor(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

CREATE FUNCTION routing_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz := date_trunc('month', day::timestamp) AT TIME ZONE 'UTC';
    after timestamptz := (date_trunc('month', day::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    parent text;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('routing_partition'));
    FOREACH parent IN ARRAY ARRAY['routing_call', 'routing_attempt'] LOOP
        part := parent || to_char(day, '_YYYY_MM');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, part, routing_month_floor(month), routing_month_floor(after));
        END IF;
    END LOOP;
END $$;

INSERT INTO routing_stateversion (id, revision, state) VALUES (1, 0, 0);
INSERT INTO routing_audithead (id, count, hash, hmac) VALUES (1, 0, repeat('0', 64), '');
"""

UNDO = """
DROP FUNCTION routing_partition(date);
DROP FUNCTION routing_month_floor(timestamptz);
DROP TABLE routing_call;
DROP TABLE routing_attempt;
DELETE FROM routing_stateversion;
DELETE FROM routing_audithead;
"""


class Migration(migrations.Migration):
    dependencies = [("routing", "0001_tables")]

    operations = [migrations.RunSQL(TABLES + PARTITION, UNDO)]
