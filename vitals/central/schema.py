"""The central tables, as the ordered scripts that make and upgrade them.

`kap.version.version` is the number of scripts that a database has seen. A released script never
changes: a new version appends one. Every row belongs to a station, and a station's role can see
and write no other's: row-level security, by the name under which it has logged in.

A *record* is one file of a station, named by the hash of the first row of its audit trail: after a
damaged file was set aside, or a backup restored, counters begin again in another record.
"""

from __future__ import annotations

NAMESPACE = "kap"
STATION_GROUP = "kap_station"
"""Roles of stations are members."""
VIEW_GROUP = "kap_view"
"""Reads everything, writes nothing."""

_V1 = """
CREATE SCHEMA kap;

CREATE TABLE kap.version(
    version int PRIMARY KEY,
    oldest_sender int NOT NULL,       -- a station that writes an older version is refused
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE kap.station(
    id text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    name text NOT NULL,
    site text NOT NULL,
    clinic text NOT NULL,
    login name NOT NULL UNIQUE,       -- the role that writes for it
    added timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The station of whoever has logged in; NULL, which no row is equal to, for nobody's role.
CREATE FUNCTION kap.own() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = kap, pg_temp
AS $$ SELECT id FROM kap.station WHERE login = session_user $$;

-- Types, where a CHECK of a table would be read and tried anew at each change of a row.
CREATE DOMAIN kap.record AS text CHECK (VALUE ~ '^[0-9a-f]{64}$');
CREATE DOMAIN kap.lane AS text CHECK (VALUE IN ('audit', 'numeric', 'file'));

-- How far a station has been received. A sender moves it in the transaction of its rows, from the
-- value that it knows: so nothing comes twice, whoever sends, and whatever answer was lost.
CREATE TABLE kap.watermark(
    station text NOT NULL REFERENCES kap.station,
    record kap.record NOT NULL,
    lane kap.lane NOT NULL,
    n bigint NOT NULL DEFAULT 0,      -- audit: n of the last row; numeric: its seq; file: audit n
    moved timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (station, record, lane)
) WITH (fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2147483647);
-- New statistics or a vacuum let every connection plan all its statements of a table anew, all
-- stations in the same second. What is rewritten every second would be counted each minute; it is
-- found by its key, and an update cleans its own page.

CREATE TABLE kap.session(
    station text NOT NULL REFERENCES kap.station,
    record text NOT NULL,
    uuid text NOT NULL,
    room text NOT NULL,
    subject_ref text NOT NULL,        -- pseudonym, never a name
    route text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('real', 'demo', 'test')),
    phase text NOT NULL,
    started_us bigint NOT NULL,
    ended_us bigint,
    dose_us bigint,
    tz text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    resumed int NOT NULL,
    profile_text text NOT NULL,
    config_text text NOT NULL,
    facts jsonb,                      -- answers of review's list, once it is closed
    PRIMARY KEY (station, record, uuid)
);
CREATE INDEX session_by_time ON kap.session(started_us DESC);

CREATE TABLE kap.channel(
    station text NOT NULL REFERENCES kap.station,
    record text NOT NULL,
    channel_id int NOT NULL,          -- of that record
    session text NOT NULL,
    device text NOT NULL,
    key text NOT NULL,
    unit text NOT NULL,               -- UCUM
    kind text NOT NULL CHECK (kind IN ('numeric', 'wave')),
    rate_hz double precision,
    mdc int,
    loinc text,
    PRIMARY KEY (station, record, channel_id)
);
CREATE INDEX channel_by_session ON kap.channel(station, record, session);

CREATE TABLE kap.audit(
    station text NOT NULL REFERENCES kap.station,
    record text NOT NULL,
    n bigint NOT NULL CHECK (n > 0),  -- place in that record's chain
    seq bigint,
    at_us bigint NOT NULL,
    session text,
    room text NOT NULL,
    actor text NOT NULL,
    role text NOT NULL,
    kind text NOT NULL,
    command_id text,
    body text NOT NULL,               -- the very text that the hash covers
    prev bytea NOT NULL CHECK (length(prev) = 32),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (station, record, n)
);
CREATE INDEX audit_by_session ON kap.audit(station, record, session, n);
CREATE INDEX audit_forgotten ON kap.audit(station, record, session) WHERE kind = 'forgotten';

CREATE FUNCTION kap.audit_appends() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before bytea;
BEGIN
    IF new.n = 1 THEN
        before := decode(repeat('00', 32), 'hex');
        IF new.record <> encode(new.hash, 'hex') THEN
            RAISE EXCEPTION 'a record is named by its first row' USING ERRCODE = 'check_violation';
        END IF;
    ELSE
        SELECT hash INTO before FROM kap.audit
        WHERE station = new.station AND record = new.record AND n = new.n - 1;
    END IF;
    IF before IS DISTINCT FROM new.prev THEN
        RAISE EXCEPTION 'row % does not follow the one before it', new.n
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER audit_appends BEFORE INSERT ON kap.audit
FOR EACH ROW EXECUTE FUNCTION kap.audit_appends();

-- Values, as many in a row as a station sends at a time: six to ten times as cheap as a row each.
CREATE TABLE kap.block(
    station text NOT NULL,
    record text NOT NULL,
    last_seq bigint NOT NULL,
    first_us bigint NOT NULL,         -- smallest at_us
    last_us bigint NOT NULL,          -- greatest
    seq bigint[] NOT NULL,
    channel_id int[] NOT NULL,
    at_us bigint[] NOT NULL,
    value double precision[] NOT NULL,  -- NULL: the device said that it has no value
    quality smallint[] NOT NULL,      -- 0 good, 1 questionable, 2 invalid
    flags text[],                     -- NULL: none has any
    device_at_us bigint[],            -- NULL: none has any
    PRIMARY KEY (station, record, last_seq, first_us)
) PARTITION BY RANGE (first_us);

CREATE VIEW kap.numeric WITH (security_invoker = true) AS
SELECT b.station, b.record, u.seq, c.session, c.device, c.key AS channel, u.at_us, u.value,
    u.quality, coalesce(u.flags, '') AS flags, u.device_at_us, b.first_us
FROM kap.block b
CROSS JOIN LATERAL unnest(b.seq, b.channel_id, b.at_us, b.value, b.quality, b.flags,
    b.device_at_us) AS u(seq, channel_id, at_us, value, quality, flags, device_at_us)
JOIN kap.channel c ON c.station = b.station AND c.record = b.record
    AND c.channel_id = u.channel_id;

-- A computer whose clock was lost must not stop what comes after: days before 2020 and after 2100
-- have one partition each.
CREATE TABLE kap.block_before PARTITION OF kap.block
FOR VALUES FROM (MINVALUE) TO (1577836800000000);
CREATE TABLE kap.block_after PARTITION OF kap.block
FOR VALUES FROM (4102444800000000) TO (MAXVALUE);

-- The partition of one day, made when the first value of that day comes.
CREATE FUNCTION kap.make_day(us bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = kap, pg_temp AS $$
DECLARE
    day_us constant bigint := 86400000000;
    from_us bigint := us - us % day_us;
    day timestamp := to_timestamp(from_us / 1000000) AT TIME ZONE 'UTC';
    part text := 'block_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF us < 1577836800000000 OR us >= 4102444800000000 THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('kap.make_day'));
    IF to_regclass('kap.' || part) IS NULL THEN
        -- Attached, not created as a partition: that would wait for whoever reads the table, and
        -- all who write to it behind that.
        EXECUTE format('CREATE TABLE kap.%I (LIKE kap.block INCLUDING ALL)', part);
        EXECUTE format('ALTER TABLE kap.block ATTACH PARTITION kap.%I FOR VALUES FROM (%s) TO (%s)',
            part, from_us, from_us + day_us);
    END IF;
END $$;

-- Waveforms of a session, one file a channel, when it is closed; see vitals.central.session_files.
CREATE TABLE kap.file(
    station text NOT NULL REFERENCES kap.station,
    record text NOT NULL,
    session text NOT NULL,
    channel_id int NOT NULL,
    rows bigint NOT NULL,
    parquet bytea NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (station, record, session, channel_id)
);
ALTER TABLE kap.file ALTER COLUMN parquet SET STORAGE EXTERNAL;  -- it is compressed already

-- What a station's rooms show now: rewritten every second, and read every 250 ms. `changed` is the
-- transaction that wrote it: whoever polls asks for what was not yet visible at his last question.
-- `keyed` is the one that wrote what the numbers are of: mostly the numbers alone are new. What
-- stays the same stands last, where the log of an update leaves it out.
CREATE TABLE kap.latest(
    station text PRIMARY KEY REFERENCES kap.station,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    arrived timestamptz NOT NULL DEFAULT clock_timestamp(),
    now_us bigint NOT NULL,           -- the station's clock when this was sent
    lag_rows bigint NOT NULL,         -- recorded and not yet here
    lag_s double precision NOT NULL,  -- age of the oldest of them
    at_us bigint[] NOT NULL,
    value double precision[] NOT NULL,
    quality smallint[] NOT NULL,
    head_n bigint NOT NULL DEFAULT 0, -- end of the record's chain there
    head bytea,
    record text NOT NULL DEFAULT '',
    station_live boolean NOT NULL,    -- false: the sender runs, its station does not
    recording boolean NOT NULL,
    detail text NOT NULL DEFAULT '',  -- what is wrong at the station, in words
    mode text NOT NULL,
    build text NOT NULL,
    keyed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    room text[] NOT NULL,
    channel text[] NOT NULL,
    device text[] NOT NULL,
    flags text[] NOT NULL,
    fresh_s real[] NOT NULL,          -- age up to which it may be shown as current
    gone_s real[] NOT NULL            -- age at which it is not shown at all; NULL: never
) WITH (fillfactor = 40, toast_tuple_target = 8160,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2147483647);

CREATE VIEW kap.latest_numeric WITH (security_invoker = true) AS
SELECT l.station, u.room, u.channel, u.device, u.at_us, u.value, u.quality, u.flags,
    l.now_us - u.at_us AS age_us, l.arrived
FROM kap.latest l
CROSS JOIN LATERAL unnest(l.room, l.channel, l.device, l.at_us, l.value, l.quality, l.flags)
    AS u(room, channel, device, at_us, value, quality, flags);

-- The slow part of what a room shows: session, alarms, what is due, devices.
CREATE TABLE kap.room_state(
    station text NOT NULL REFERENCES kap.station,
    room text NOT NULL,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    label text NOT NULL,
    state bytea NOT NULL,             -- a room of the feed's snapshot, without numbers and trends
    gone boolean NOT NULL DEFAULT false,  -- the station has no such room any more
    PRIMARY KEY (station, room)
) WITH (fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2147483647);
CREATE INDEX room_state_changed ON kap.room_state(changed);

-- The default takes a third of what storing a long row costs. A server that was built without lz4
-- has to do with that.
DO $$ BEGIN
    ALTER TABLE kap.block ALTER COLUMN seq SET COMPRESSION lz4,
        ALTER COLUMN channel_id SET COMPRESSION lz4, ALTER COLUMN at_us SET COMPRESSION lz4,
        ALTER COLUMN value SET COMPRESSION lz4, ALTER COLUMN quality SET COMPRESSION lz4,
        ALTER COLUMN flags SET COMPRESSION lz4, ALTER COLUMN device_at_us SET COMPRESSION lz4;
    ALTER TABLE kap.room_state ALTER COLUMN state SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;

-- What retention has deleted: values of the days before a time, or waveforms of the sessions that
-- ended before it. What is missing for no reason that stands here was lost.
CREATE TABLE kap.retired(
    what text NOT NULL CHECK (what IN ('values', 'waves')),
    before_us bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor name NOT NULL DEFAULT session_user
);

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kap_station') THEN
        CREATE ROLE kap_station NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kap_view') THEN
        CREATE ROLE kap_view NOLOGIN;
    END IF;
END $$;
REVOKE ALL ON SCHEMA kap FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kap FROM PUBLIC;
GRANT USAGE ON SCHEMA kap TO kap_station, kap_view;
GRANT EXECUTE ON FUNCTION kap.own(), kap.make_day(bigint) TO kap_station;
GRANT EXECUTE ON FUNCTION kap.own() TO kap_view;
GRANT SELECT ON kap.version TO kap_station;
GRANT SELECT ON ALL TABLES IN SCHEMA kap TO kap_view;
GRANT SELECT ON kap.station, kap.watermark, kap.session, kap.channel, kap.audit, kap.block,
    kap.file, kap.latest, kap.room_state, kap.numeric TO kap_station;
GRANT INSERT ON kap.watermark, kap.session, kap.channel, kap.audit, kap.block, kap.file,
    kap.latest, kap.room_state TO kap_station;
GRANT UPDATE ON kap.watermark, kap.session, kap.latest, kap.room_state TO kap_station;
"""

_OF_STATIONS = (
    "watermark", "session", "channel", "audit", "block", "file", "latest", "room_state"
)  # fmt: skip
_OWN = "(SELECT id FROM kap.station WHERE login = session_user)"
"""As `kap.own()`, which is planned anew at each call: a third of what a statement costs."""
_V1 += "\n".join(
    f"ALTER TABLE kap.{table} ENABLE ROW LEVEL SECURITY;\n"
    f"CREATE POLICY own ON kap.{table} TO kap_station"
    f" USING (station = {_OWN}) WITH CHECK (station = {_OWN});\n"
    f"CREATE POLICY everything ON kap.{table} FOR SELECT TO kap_view USING (true);\n"
    for table in _OF_STATIONS
)
_V1 += """
ALTER TABLE kap.station ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON kap.station FOR SELECT TO kap_station USING (login = session_user);
CREATE POLICY everything ON kap.station FOR SELECT TO kap_view USING (true);
"""

MIGRATIONS: tuple[str, ...] = (_V1,)
"""Script i upgrades a database from version i to i + 1; version 0 has no schema `kap`."""
VERSION = len(MIGRATIONS)
OLDEST_SENDER = 1
"""The oldest version whose senders may still write to this one."""
