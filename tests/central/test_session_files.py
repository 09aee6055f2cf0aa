"""What a closed session leaves at the centre: its waveforms as files, and the list's answers."""

from __future__ import annotations

import asyncio
import builtins
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.central.cluster import Database
from tests.central.sending import STATION, Centre, config, eventually, sending
from tests.loop import run
from tests.store import build
from vitals.central import tail
from vitals.central.filing import Filing
from vitals.central.lanes import ChannelLine
from vitals.central.login import Refused
from vitals.central.sender_state import Standing
from vitals.central.session_files import WaveLine, decode, encode, facts_json
from vitals.central.watermark import Marks
from vitals.errors import CentralError
from vitals.export.list_facts import Facts, facts_in
from vitals.store.reader import Reader

CHANNEL = ChannelLine(3, "session-b", "oximeter", "pleth", "1", "wave", 75.0, None, None)
WAVES = st.lists(
    st.builds(
        WaveLine,
        seq=st.integers(1, 2**62),
        start_us=st.integers(-(2**62), 2**62),
        rate_hz=st.floats(0.1, 1e4),
        scale=st.floats(allow_nan=False, allow_infinity=False),
        offset=st.floats(allow_nan=False, allow_infinity=False),
        quality=st.integers(0, 2),
        data=st.lists(st.integers(-32768, 32767), min_size=1, max_size=80).map(
            lambda samples: np.array(samples, dtype="<i2").tobytes()
        ),
    ),
    min_size=1,
    max_size=20,
)


@pytest.fixture
def dsn(database: Database) -> str:
    return database.station(STATION, inline=False)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "vitals.db"
    build.fill(path)
    return path


@given(WAVES)
def test_a_file_holds_the_blocks_exactly_as_they_were_recorded(blocks: list[WaveLine]) -> None:
    assert decode(encode(STATION, "ab" * 32, CHANNEL, blocks)) == blocks


def test_a_file_says_what_it_is_of_and_is_small(store: Path) -> None:
    one = WaveLine(1, build.T0, 75.0, 1.0, 0.0, 0, np.arange(75, dtype="<i2").tobytes())
    file = encode(STATION, "ab" * 32, CHANNEL, [one] * 7_200, "Europe/Berlin")
    assert len(file) < 7_200 * 75 * 2 / 10
    found = parquet.read_table(io.BytesIO(file))
    assert found.column_names == [
        "seq", "start_us", "rate_hz", "scale", "offset", "quality", "samples"
    ]  # fmt: skip
    told = {key.decode(): value.decode() for key, value in found.schema.metadata.items()}
    assert told["kap_vitals.station"] == STATION
    assert told["kap_vitals.device"] == "oximeter"
    assert told["kap_vitals.tz"] == "Europe/Berlin"
    assert "kap_vitals.mdc" not in told


@pytest.mark.parametrize("file", [b"", b"PAR1", b"no file" * 100])
def test_what_is_no_file_is_refused(file: bytes) -> None:
    with pytest.raises(CentralError, match="cannot be read"):
        decode(file)


def test_without_pyarrow_somebody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def none(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", none)
    with pytest.raises(Refused, match="pip install"):
        encode(STATION, "ab" * 32, CHANNEL, [])


# --- on their way ---------------------------------------------------------------------------------


def wave_rows(store: Path, uuid: str) -> list[WaveLine]:
    connection = build.raw(store)
    try:
        return [
            WaveLine(*row)
            for row in connection.execute(
                "SELECT seq, start_us, wave.rate_hz, scale, offset, quality, data FROM wave"
                " JOIN channel USING (channel_id) JOIN session USING (session_id)"
                " WHERE uuid = ? ORDER BY seq",
                (uuid,),
            )
        ]
    finally:
        connection.close()


def filed(centre: Centre) -> int | None:
    return centre.one("SELECT n FROM kap.watermark WHERE lane = 'file'")


def test_a_closed_session_leaves_its_waveforms_and_its_facts_and_an_open_one_nothing(
    dsn: str, database: Database, store: Path
) -> None:
    centre = Centre(database)

    async def main() -> None:
        async with sending(config(store, dsn)):
            await eventually(lambda: filed(centre))

    run(main(), 60)
    ((session, rows, file, digest, key),) = centre.ask(
        "SELECT f.session, f.rows, f.parquet, f.sha256, c.key FROM kap.file f"
        " JOIN kap.channel c USING (station, record, channel_id)"
    )
    assert (session, key) == ("session-b", "pleth")
    assert decode(file) == wave_rows(store, "session-b")
    assert (rows, digest) == (len(decode(file)), hashlib.sha256(file).digest())
    ((a,), (b,)) = centre.ask("SELECT facts FROM kap.session ORDER BY uuid")
    assert a is None
    assert b == json.loads(json.dumps(facts_json(facts_in(Reader(store), "session-b"))))
    assert b["version"] == 1
    assert b["spo2"] is not None
    record_n = centre.one("SELECT n FROM kap.audit WHERE kind = 'session_row' AND session ="
                          " 'session-b' ORDER BY n DESC LIMIT 1")  # fmt: skip
    assert filed(centre) == record_n


def test_what_is_added_and_signed_later_changes_the_facts_and_no_file(
    dsn: str, database: Database, store: Path
) -> None:
    centre = Centre(database)

    async def main() -> None:
        async with sending(config(store, dsn)):
            await eventually(lambda: filed(centre))
            before = centre.ask("SELECT at, sha256 FROM kap.file")
            writer = build.Writer(store, settings=build.FAST)
            writer.start()
            seq = writer.last_seq() + 1
            body = {"text": "later"}
            writer.put_audit(build.audit(seq, "addendum", session="session-b", body=body))
            await asyncio.to_thread(writer.close)
            await eventually(
                lambda: centre.one("SELECT facts ->> 'addenda' FROM kap.session"
                                   " WHERE uuid = 'session-b'") == "1"
            )  # fmt: skip
            assert centre.ask("SELECT at, sha256 FROM kap.file") == before

    run(main(), 60)


def test_files_wait_for_all_values_of_the_session(store: Path) -> None:
    found = tail.read(store, 0, 0)
    last = tail.closed(store, found.record, 0, found.end_n)
    assert last is not None

    async def owed(marks: Marks | None) -> bool:
        standing = Standing(STATION)
        standing.tail, standing.marks = found, marks
        return await Filing(STATION, store, standing).is_owed()

    async def main() -> None:
        assert not await owed(None)
        assert not await owed(Marks(audit=last.n, numeric=last.last_seq - 1))
        assert not await owed(Marks(audit=last.n - 1, numeric=last.last_seq))
        assert not await owed(Marks(audit=last.n, numeric=last.last_seq, file=last.n))
        assert await owed(Marks(audit=last.n, numeric=last.last_seq))

    run(main())


def test_the_next_closed_session_is_found_behind_many_other_rows(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = tail.read(store, 0, 0).record
    end = tail.read(store, 0, 0).end_n
    monkeypatch.setattr(tail, "_LOOKED_AT", 3)
    at, found = 0, None
    while found is None or not found.uuid:
        found = tail.closed(store, name, at, end)
        assert found is not None
        assert at < found.n <= at + 3
        at = found.n
    assert (found.uuid, [one.key for one in found.waves]) == ("session-b", ["pleth"])
    assert found.last_seq > 0
    assert tail.closed(store, name, end, end) is None


def test_facts_are_told_with_their_version() -> None:
    told = facts_json(Facts(spo2=91.0, owed=("a dose",)))
    assert (told["version"], told["spo2"], told["owed"]) == (1, 91.0, ("a dose",))
