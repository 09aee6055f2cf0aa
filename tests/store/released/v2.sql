PRAGMA application_id = 1262571606;
PRAGMA user_version = 2;
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
INSERT INTO station VALUES ('clinic-a', 'boot-1', 1800000000000000, 123, 1.0);
INSERT INTO session VALUES (1, 'session-a', 'room-1', 'P-017', 'IM', 'real', 'DISCHARGED', 1800000000000000, 1800007200000000, 1800000060000000, 'Europe/Berlin', 'closed', 1, 'limits', 'rooms');
INSERT INTO channel VALUES (1, 1, 'oximeter', 'spo2', '%', 'numeric', 1.0, 150456, '59408-5');
INSERT INTO channel VALUES (2, 1, 'cuff', 'nibp_sys', 'mm[Hg]', 'numeric', NULL, 150021, '8480-6');
INSERT INTO channel VALUES (3, 1, 'cuff', 'nibp_dia', 'mm[Hg]', 'numeric', NULL, 150022, '8462-4');
INSERT INTO channel VALUES (4, 1, 'cuff', 'nibp_map', 'mm[Hg]', 'numeric', NULL, 150023, '8478-0');
INSERT INTO channel VALUES (5, 1, 'oximeter', 'pleth', '1', 'wave', 75.0, 150452, NULL);
INSERT INTO numeric VALUES (2, 1, 1800000000000000, 97.0, 0, '', NULL);
INSERT INTO numeric VALUES (3, 1, 1800000001000000, NULL, 0, 'searching', NULL);
INSERT INTO numeric VALUES (4, 1, 1800000002000000, 88.5, 1, '', NULL);
INSERT INTO numeric VALUES (6, 2, 1800000001000000, 128.0, 0, '', 1800000000000000);
INSERT INTO numeric VALUES (7, 3, 1800000001000000, 127.0, 0, '', 1800000000000000);
INSERT INTO numeric VALUES (8, 4, 1800000001000000, 126.0, 0, '', 1800000000000000);
INSERT INTO numeric VALUES (13, 1, 1800000003000000, 97.0, 0, '', NULL);
INSERT INTO wave VALUES (5, 5, 1800000000000000, 75.0, 25, 1.0, 0.0, X'00000100020003000400050006000700080009000A000B000C000D000E000F00100011001200130014001500160017001800', 0);
INSERT INTO audit VALUES (1, NULL, 1800000000000001, 1, 'room-1', '', '', 'session_row', NULL, '{"config_sha256":"5d88c569d2370098e73150849dfd00558e22d05eb827ee0e2cfa3e4dc01e2227","dose_us":null,"ended_us":null,"mode":"real","phase":"CHECK_IN","profile_sha256":"8a46fd6fc3d79d419361a7043d0365b6dfeb6b92da9e376450898ff88d9cea00","resumed":0,"room":"room-1","route":"IM","started_us":1800000000000000,"state":"open","subject_ref":"P-017","tz":"Europe/Berlin","uuid":"session-a"}', X'0000000000000000000000000000000000000000000000000000000000000000', X'37AFCE1BF3BA6D0D670884E7F5DCEAC239CABA1EDDFC0C3F31BBC0F8FE5F49CE');
INSERT INTO audit VALUES (2, NULL, 1800000000000001, NULL, '', '', '', 'station_row', NULL, '{"anchor_mono_ns":123,"anchor_us":1800000000000000,"boot_id":"boot-1","id":"clinic-a","speed":1.0}', X'37AFCE1BF3BA6D0D670884E7F5DCEAC239CABA1EDDFC0C3F31BBC0F8FE5F49CE', X'3727A1FB06B0F8E7230464C04355C6B58918560F8ED7EC95C99162FB929C64A0');
INSERT INTO audit VALUES (3, 1, 1800000000000001, 1, 'room-1', 'Ann', 'nurse', 'session_change', NULL, '{"text":"note 1"}', X'3727A1FB06B0F8E7230464C04355C6B58918560F8ED7EC95C99162FB929C64A0', X'26EAE7A7AFD6B0FBB662B9ED218A88B60488F170937FC187B0418266FA1C9D45');
INSERT INTO audit VALUES (4, 9, 1800000000000009, 1, 'room-1', 'Ann', 'nurse', 'alarm', NULL, '{"text":"SpO2 88 < 90","value":88.5}', X'26EAE7A7AFD6B0FBB662B9ED218A88B60488F170937FC187B0418266FA1C9D45', X'2B08CF14D88B2487F5BC537A36150983F22C191E1F472726857E5C274D3376ED');
INSERT INTO audit VALUES (5, 10, 1800000000000010, 1, 'room-1', 'Ann', 'nurse', 'command', 'c1', '{"note":"f\u00fcr sp\u00e4ter","ok":true}', X'2B08CF14D88B2487F5BC537A36150983F22C191E1F472726857E5C274D3376ED', X'EC8416209C5D2C3385899B1CE32C5EFB59D31DD9C8D50DF79AB1FB94B2A763C1');
INSERT INTO audit VALUES (6, 11, 1800000000000011, NULL, 'room-1', '', '', 'link', NULL, '{"text":"note 11"}', X'EC8416209C5D2C3385899B1CE32C5EFB59D31DD9C8D50DF79AB1FB94B2A763C1', X'026A451A81BC340DCDF02033EA387556ADC0F96316BC566D263C350C6D301D15');
INSERT INTO audit VALUES (7, NULL, 1800000000000012, 1, 'room-1', '', '', 'session_row', NULL, '{"config_sha256":"5d88c569d2370098e73150849dfd00558e22d05eb827ee0e2cfa3e4dc01e2227","dose_us":1800000060000000,"ended_us":1800007200000000,"mode":"real","phase":"DISCHARGED","profile_sha256":"8a46fd6fc3d79d419361a7043d0365b6dfeb6b92da9e376450898ff88d9cea00","resumed":1,"room":"room-1","route":"IM","started_us":1800000000000000,"state":"closed","subject_ref":"P-017","tz":"Europe/Berlin","uuid":"session-a"}', X'026A451A81BC340DCDF02033EA387556ADC0F96316BC566D263C350C6D301D15', X'31CC78389ECCB10681A7E3C061306DE2395022AFA16BDE196D13775183A25AAB');
INSERT INTO audit VALUES (8, 12, 1800000000000012, 1, 'room-1', 'Ann', 'nurse', 'session_change', NULL, '{"text":"note 12"}', X'31CC78389ECCB10681A7E3C061306DE2395022AFA16BDE196D13775183A25AAB', X'C8BFC9E84F298EC5D05050D430978BF3E695382489D7034D9FE6223EFA3F2E21');
INSERT INTO audit VALUES (9, NULL, 1800000000000000, 1, 'room-1', '', '', 'seal', NULL, '{"from_seq":2,"rows":7,"sha256":"efb51849e6cda4ccb68db22c3779d3951784439cf3b27d673360dd7ca490bb3d","to_seq":8}', X'C8BFC9E84F298EC5D05050D430978BF3E695382489D7034D9FE6223EFA3F2E21', X'B9015EB5BE64F956DF8285F92C0430C46808B2045C495B570CDB4FEC5BA564A5');
INSERT INTO audit VALUES (10, 14, 1800000000000014, NULL, 'room-1', 'Ann', 'nurse', 'review', NULL, '{"text":"note 14"}', X'B9015EB5BE64F956DF8285F92C0430C46808B2045C495B570CDB4FEC5BA564A5', X'AF9A339DC541ED592EEB0E2F941B137B3599ABCAA6B5B2A7F22F869EB6E384BB');
INSERT INTO audit VALUES (11, NULL, 1800000000000000, 1, 'room-1', '', '', 'seal', NULL, '{"from_seq":13,"rows":1,"sha256":"ce0af7413f7dbd8777a6ed4e114d1a880c80c8dfcbbca3123b18e365c4ec43b0","to_seq":13}', X'AF9A339DC541ED592EEB0E2F941B137B3599ABCAA6B5B2A7F22F869EB6E384BB', X'DF07E5BFAE640DDCB3341659476E7DEA1B2245359A002FEE4265BACB6E3E8A32');
CREATE INDEX numeric_by_time ON numeric(channel_id, at_us);
CREATE INDEX wave_by_time ON wave(channel_id, start_us);
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
CREATE TRIGGER wave_once BEFORE INSERT ON wave
WHEN EXISTS (SELECT 1 FROM wave WHERE seq = new.seq) BEGIN SELECT raise(IGNORE); END;
CREATE TRIGGER wave_no_update BEFORE UPDATE ON wave
BEGIN SELECT raise(ABORT, 'a recorded waveform cannot be changed'); END;
CREATE TRIGGER channel_no_update BEFORE UPDATE ON channel
BEGIN SELECT raise(ABORT, 'a channel cannot be changed'); END;
CREATE TRIGGER channel_no_delete BEFORE DELETE ON channel
BEGIN SELECT raise(ABORT, 'a channel cannot be deleted'); END;
CREATE TRIGGER session_no_delete BEFORE DELETE ON session
BEGIN SELECT raise(ABORT, 'a session cannot be deleted'); END;
CREATE TRIGGER numeric_no_delete BEFORE DELETE ON numeric
WHEN NOT EXISTS (
    SELECT 1 FROM channel JOIN session USING (session_id) JOIN audit USING (session_id)
    WHERE channel.channel_id = old.channel_id AND session.state = 'closed'
        AND audit.kind = 'forgotten' AND audit.seq IS NULL AND audit.body ->> 'what' = 'all')
BEGIN SELECT raise(ABORT, 'a recorded value cannot be deleted'); END;
CREATE TRIGGER wave_no_delete BEFORE DELETE ON wave
WHEN NOT EXISTS (
    SELECT 1 FROM channel JOIN session USING (session_id) JOIN audit USING (session_id)
    WHERE channel.channel_id = old.channel_id AND session.state = 'closed'
        AND audit.kind = 'forgotten' AND audit.seq IS NULL)
BEGIN SELECT raise(ABORT, 'a recorded waveform cannot be deleted'); END;
