"""The record's tables, as the ordered scripts that make and upgrade them.

`user_version` is the number of scripts that a file has seen. A released script never changes:
a new version appends one. The comments below travel inside every file.
"""

from __future__ import annotations

APPLICATION_ID = 0x4B415056
"""`KAPV`: marks a SQLite file as a record of this program."""

_V1 = """
CREATE TABLE station(
    id TEXT PRIMARY KEY,
    boot_id TEXT NOT NULL,
    anchor_us INTEGER NOT NULL,       -- microseconds UTC at the anchor of the station's clock
    anchor_mono_ns INTEGER NOT NULL,  -- the computer's boot time clock at the anchor
    speed REAL NOT NULL               -- station seconds per real second, 1.0 in real use
) STRICT;

CREATE TABLE session(
    session_id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    room TEXT NOT NULL,
    subject_ref TEXT NOT NULL,        -- pseudonym, never a name
    route TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('real', 'demo', 'test')),
    phase TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    ended_us INTEGER,
    dose_us INTEGER,
    tz TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state = iif(ended_us IS NULL, 'open', 'closed')),
    resumed INTEGER NOT NULL,
    profile_text TEXT NOT NULL,       -- limits in force when the session was opened
    config_text TEXT NOT NULL
) STRICT;

CREATE TABLE channel(
    channel_id INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES session,
    device TEXT NOT NULL,
    key TEXT NOT NULL,
    unit TEXT NOT NULL,               -- UCUM
    kind TEXT NOT NULL CHECK (kind IN ('numeric', 'wave')),
    rate_hz REAL,
    mdc INTEGER,                      -- IEEE 11073-10101, 32 bit
    loinc TEXT,
    UNIQUE (session_id, device, key)
) STRICT;

CREATE TABLE numeric(
    seq INTEGER PRIMARY KEY,          -- the station's counter
    channel_id INTEGER NOT NULL REFERENCES channel,
    at_us INTEGER NOT NULL,
    value REAL,                       -- NULL: the device said that it has no value
    quality INTEGER NOT NULL CHECK (quality BETWEEN 0 AND 2), -- good, questionable, invalid
    flags TEXT NOT NULL,              -- sorted, joined by commas
    device_at_us INTEGER
) STRICT;
CREATE INDEX numeric_by_time ON numeric(channel_id, at_us);

CREATE TABLE wave(
    seq INTEGER PRIMARY KEY,          -- counter of the last packet in the block
    channel_id INTEGER NOT NULL REFERENCES channel,
    start_us INTEGER NOT NULL,        -- first sample
    rate_hz REAL NOT NULL CHECK (rate_hz > 0),
    n INTEGER NOT NULL CHECK (n > 0),
    scale REAL NOT NULL,              -- value = stored * scale + offset
    offset REAL NOT NULL,
    data BLOB NOT NULL CHECK (length(data) = 2 * n), -- int16 little-endian, -32768: no value
    quality INTEGER NOT NULL CHECK (quality BETWEEN 0 AND 2)
) STRICT;
CREATE INDEX wave_by_time ON wave(channel_id, start_us);

CREATE TABLE audit(
    n INTEGER PRIMARY KEY,            -- place in the chain: 1, 2, 3, ...
    seq INTEGER UNIQUE,               -- the station's counter; NULL on the record's own rows
    at_us INTEGER NOT NULL,
    session_id INTEGER REFERENCES session,
    room TEXT NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    kind TEXT NOT NULL,
    command_id TEXT UNIQUE,
    body TEXT NOT NULL CHECK (json_valid(body)),
    prev BLOB NOT NULL CHECK (length(prev) = 32),
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_by_session ON audit(session_id, kind);

CREATE VIEW nibp AS
SELECT channel.session_id, channel.device, numeric.at_us,
    max(iif(channel.key = 'nibp_sys', numeric.value, NULL)) AS sys,
    max(iif(channel.key = 'nibp_dia', numeric.value, NULL)) AS dia,
    max(iif(channel.key = 'nibp_map', numeric.value, NULL)) AS map,
    max(numeric.quality) AS quality
FROM channel JOIN numeric USING (channel_id)
WHERE channel.key IN ('nibp_sys', 'nibp_dia', 'nibp_map')
GROUP BY channel.session_id, channel.device, numeric.at_us;

-- INSERT OR REPLACE deletes without firing a delete trigger unless recursive_triggers is on,
-- which is a choice of each connection: so the insert itself is guarded.
CREATE TRIGGER audit_appends BEFORE INSERT ON audit
WHEN new.n <> 1 + coalesce((SELECT max(n) FROM audit), 0)
    OR new.prev <> coalesce((SELECT hash FROM audit ORDER BY n DESC LIMIT 1), zeroblob(32))
    OR EXISTS (SELECT 1 FROM audit WHERE hash = new.hash)
    OR EXISTS (SELECT 1 FROM audit WHERE seq = new.seq)
    OR EXISTS (SELECT 1 FROM audit WHERE command_id = new.command_id)
BEGIN SELECT raise(ABORT, 'an audit row can only be added behind the last one'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'an audit row cannot be changed'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'an audit row cannot be deleted'); END;

CREATE TRIGGER numeric_once BEFORE INSERT ON numeric
WHEN EXISTS (SELECT 1 FROM numeric WHERE seq = new.seq) BEGIN SELECT raise(IGNORE); END;
CREATE TRIGGER numeric_no_update BEFORE UPDATE ON numeric
BEGIN SELECT raise(ABORT, 'a recorded value cannot be changed'); END;
CREATE TRIGGER numeric_no_delete BEFORE DELETE ON numeric
BEGIN SELECT raise(ABORT, 'a recorded value cannot be deleted'); END;

CREATE TRIGGER wave_once BEFORE INSERT ON wave
WHEN EXISTS (SELECT 1 FROM wave WHERE seq = new.seq) BEGIN SELECT raise(IGNORE); END;
CREATE TRIGGER wave_no_update BEFORE UPDATE ON wave
BEGIN SELECT raise(ABORT, 'a recorded waveform cannot be changed'); END;
CREATE TRIGGER wave_no_delete BEFORE DELETE ON wave
BEGIN SELECT raise(ABORT, 'a recorded waveform cannot be deleted'); END;

CREATE TRIGGER channel_no_update BEFORE UPDATE ON channel
BEGIN SELECT raise(ABORT, 'a channel cannot be changed'); END;
CREATE TRIGGER channel_no_delete BEFORE DELETE ON channel
BEGIN SELECT raise(ABORT, 'a channel cannot be deleted'); END;
CREATE TRIGGER session_no_delete BEFORE DELETE ON session
BEGIN SELECT raise(ABORT, 'a session cannot be deleted'); END;
"""

_V2 = """
-- Samples go when the time of their session is over, and only so: behind a row of the audit trail
-- that says so (which seals what is left of the session), and never of a session that is open.
DROP TRIGGER numeric_no_delete;
CREATE TRIGGER numeric_no_delete BEFORE DELETE ON numeric
WHEN NOT EXISTS (
    SELECT 1 FROM channel JOIN session USING (session_id) JOIN audit USING (session_id)
    WHERE channel.channel_id = old.channel_id AND session.state = 'closed'
        AND audit.kind = 'forgotten' AND audit.seq IS NULL AND audit.body ->> 'what' = 'all')
BEGIN SELECT raise(ABORT, 'a recorded value cannot be deleted'); END;
DROP TRIGGER wave_no_delete;
CREATE TRIGGER wave_no_delete BEFORE DELETE ON wave
WHEN NOT EXISTS (
    SELECT 1 FROM channel JOIN session USING (session_id) JOIN audit USING (session_id)
    WHERE channel.channel_id = old.channel_id AND session.state = 'closed'
        AND audit.kind = 'forgotten' AND audit.seq IS NULL)
BEGIN SELECT raise(ABORT, 'a recorded waveform cannot be deleted'); END;
"""

MIGRATIONS: tuple[str, ...] = (_V1, _V2)
"""Script i upgrades a file from version i to i + 1; version 0 is an empty file."""
