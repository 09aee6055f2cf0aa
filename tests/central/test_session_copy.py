"""A session that is copied out of the centre reads as it does at its station."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from tests.bench.many_sessions import multiply
from tests.central.cluster import Database
from tests.central.sent import send
from tests.export import records
from tests.what_if.visit import Visit
from vitals.central import session_copy
from vitals.central.session_copies import FRESH_S, USED_S, Copies
from vitals.central.session_find import Found, SessionName, find
from vitals.errors import CentralError
from vitals.export.read import read_session
from vitals.export.session_data import SessionData
from vitals.replay import recorded
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

SECONDS = 600


@contextmanager
def looking(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of a role that may only read."""
    with psycopg.connect(database.viewer()) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of one closed session of ten minutes, with a pleth."""
    return records.write(tmp_path_factory.mktemp("station") / "station.db", SECONDS)


def read(store: Path, uuid: str = records.UUID) -> SessionData:
    reader = Reader(store)
    record = reader.session(uuid)
    assert record is not None
    return read_session(reader, record, names=True, exported_us=0)


def copied(database: Database, folder: Path, name: str = records.UUID) -> tuple[Path, Found]:
    with looking(database) as connection:
        found = find(connection, SessionName.of(name))
        assert found is not None
        return Copies(folder).path_of(connection, found), found


def as_facts(data: SessionData) -> dict[str, Any]:
    return {
        **{key: value for key, value in asdict(data).items() if key not in ("numerics", "waves")},
        "numerics": [
            (
                *(one.device, one.channel.key, one.at_us.tolist(), one.value.tobytes()),
                *(one.flags, one.quality.tolist(), one.device_at_us),
            )
            for one in data.numerics
        ],
        "waves": [
            (one.device, one.channel.key, block.start_us, block.rate_hz, block.values.tobytes())
            for one in data.waves
            for block in one.blocks
        ],
    }


def test_a_copy_reads_as_the_record_does(database: Database, store: Path, tmp_path: Path) -> None:
    send(database.station("st-1"), "st-1", store)
    path, found = copied(database, tmp_path / "copies")
    assert (found.station, found.site, found.clinic) == ("st-1", "North", "Main")
    assert as_facts(read(path)) == as_facts(read(store))
    assert session_copy.notes_of(path) == []
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_other_sessions_are_not_in_a_copy(database: Database, tmp_path: Path) -> None:
    store = records.write(tmp_path / "ward.db", 120, pleth=False)
    multiply(store, 3, lanes=2)
    send(database.station("st-1"), "st-1", store)
    for record in Reader(store).sessions():
        path, _ = copied(database, tmp_path / "copies", record.session.id)
        assert [one.session.id for one in Reader(path).sessions()] == [record.session.id]
        file = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        samples = file.execute("SELECT count(*) FROM numeric").get
        file.close()
        assert samples == Reader(store).counts(record.session.id)[0] > 0
        assert (
            as_facts(read(path, record.session.id))["numerics"]
            == (as_facts(read(store, record.session.id))["numerics"])
        )


def still_open(path: Path) -> Path:
    """The same session before it was closed."""
    return records.write(path, SECONDS, ended_us=None, phase="RECOVERY")


def close(store: Path) -> None:
    """Closes the session, as a station does."""
    writer = Writer(store, now_us=lambda: records.NOW_US)
    body = {"cause": "closed", "phase": "CLOSED"}
    seq = writer.last_seq() + 1
    at_us = records.at(SECONDS)
    row = AuditRow(seq, at_us, records.UUID, "room-1", "Anna", "nurse", "session_change", body)
    writer.put_audit(row, session=SessionRecord(records.session(SECONDS)))
    assert writer.close(60)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.s = 1_000_000.0

    def __call__(self) -> float:
        return self.s


def test_an_open_session_grows_in_its_copy(database: Database, tmp_path: Path) -> None:
    store, dsn = still_open(tmp_path / "station.db"), database.station("st-1")
    copies, clock = tmp_path / "copies", Clock()
    kept = Copies(copies, now_s=clock)
    steps = ((5, 1200), (12, 1201), (12, 1900), (2**62, 2**62))
    seen = []
    with looking(database) as connection:
        for to_n, to_seq in steps:
            send(dsn, "st-1", store, to_n=to_n, to_seq=to_seq, files=False, facts=False)
            found = found_in(connection)
            path = kept.path_of(connection, found)
            clock.s += FRESH_S
            seen.append((Reader(path).last_row(records.UUID), Reader(path).counts(records.UUID)[0]))
            assert "waveforms come when it is closed" in session_copy.notes_of(path)[0]
            assert read(path).unreadable[0].startswith("The session goes on")
            connection.rollback()
    assert seen == sorted(seen)
    assert len(set(seen)) == 4
    mine, theirs = as_facts(read(path)), as_facts(read(store))
    assert mine["numerics"] == theirs["numerics"]
    assert mine["entries"] == theirs["entries"]
    close(store)
    send(dsn, "st-1", store)
    path, _ = copied(database, copies)
    assert as_facts(read(path)) == as_facts(read(store))
    assert session_copy.notes_of(path) == []


def found_in(connection: psycopg.Connection[Any], name: str = records.UUID) -> Found:
    found = find(connection, SessionName.of(name))
    assert found is not None
    return found


def test_a_session_that_goes_on_is_not_copied_for_every_question(
    database: Database, tmp_path: Path
) -> None:
    store, dsn = still_open(tmp_path / "station.db"), database.station("st-1")
    clock = Clock()
    kept = Copies(tmp_path / "copies", now_s=clock)
    send(dsn, "st-1", store, to_seq=1200, files=False, facts=False)
    with looking(database) as connection:
        path = kept.path_of(connection, found_in(connection))
        was = path.stat().st_ino
        connection.rollback()
        send(dsn, "st-1", store, files=False, facts=False)
        clock.s += FRESH_S - 0.1
        assert kept.path_of(connection, found_in(connection)).stat().st_ino == was
        clock.s += 0.1
        assert kept.path_of(connection, found_in(connection)).stat().st_ino != was


def test_a_closed_session_is_copied_once_whatever_else_its_station_sends(
    database: Database, store: Path, tmp_path: Path
) -> None:
    dsn = database.station("st-1")
    send(dsn, "st-1", store)
    of_another = "UPDATE kap.watermark SET n = n + 100000 WHERE lane = 'numeric'"
    with psycopg.connect(database.admin, autocommit=True) as admin:
        admin.execute(of_another)
        path, found = copied(database, tmp_path / "copies")
        was = path.stat().st_ino
        admin.execute(of_another)
    again, same = copied(database, tmp_path / "copies")
    assert again == path
    assert path.stat().st_ino == was
    assert same.state == found.state


def test_what_is_missing_is_said_wherever_the_session_is_shown(
    database: Database, store: Path, tmp_path: Path
) -> None:
    dsn = database.station("st-1")
    send(dsn, "st-1", store, files=False)
    path, _ = copied(database, tmp_path / "copies")
    assert "waveforms of this session are not at the centre yet" in read(path).unreadable[0]
    assert not read(path).waves
    send(dsn, "st-1", store)
    path, _ = copied(database, tmp_path / "copies")
    assert not read(path).unreadable
    assert read(path).waves
    with psycopg.connect(database.admin) as admin:
        (gone,) = admin.execute(
            "WITH gone AS (DELETE FROM kap.block WHERE last_seq < 2000 RETURNING seq)"
            " SELECT sum(cardinality(seq)) FROM gone"
        ).fetchone() or (0,)
    path, _ = copied(database, tmp_path / "others")
    assert gone > 0
    (said,) = read(path).unreadable
    assert said.startswith(f"{gone} of ")


def test_a_copy_can_be_replayed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(20)
        visit.vitals(40, spo2=90)
        visit.restart()
        visit.vitals(40, spo2=85)

    visit = Visit(tmp_path, monkeypatch)
    visit.record(course)
    uuid = visit.record(course)
    send(database.station("st-1"), "st-1", visit.path)
    path, _ = copied(database, tmp_path / "copies", uuid)
    theirs = recorded(visit.reader, uuid).transitions()
    assert len(theirs) > 2
    assert recorded(Reader(path), uuid).transitions() == theirs


def test_a_session_that_went_on_in_another_record_is_two(
    database: Database, tmp_path: Path
) -> None:
    dsn = database.station("st-1")
    old, new = still_open(tmp_path / "old.db"), tmp_path / "new.db"
    records.write(new, 60, subject_ref="KV-NEW")
    parts = {send(dsn, "st-1", old): "KV-0417", send(dsn, "st-1", new): "KV-NEW"}
    assert len(parts) == 2
    with looking(database) as connection:
        for record, subject in parts.items():
            found = found_in(connection, f"st-1~{records.UUID}~{record[:12]}")
            assert (found.record, found.subject_ref) == (record, subject)
            path = Copies(tmp_path / "copies").path_of(connection, found)
            assert Reader(path).sessions()[0].session.subject_ref == subject
    for record in parts:
        with psycopg.connect(database.admin) as admin:
            admin.execute("UPDATE kap.audit SET at_us = n")
            later = "UPDATE kap.audit SET at_us = at_us + 1 WHERE record = %s"
            admin.execute(later, (record,))
        with looking(database) as connection:
            assert found_in(connection).record == record


@pytest.mark.parametrize(
    "name", ["", "~", "x", "st-1~x", "st-2~{uuid}", "st-1~{uuid}~ffffffffffff", "~{uuid}~f", "\0"]
)
def test_there_is_no_session_of_another_name(sent_once: Database, name: str) -> None:
    with looking(sent_once) as connection:
        assert find(connection, SessionName.of(name.format(uuid=records.UUID))) is None


@pytest.fixture(scope="module")
def sent_once(module_database: Database, store: Path) -> Database:
    send(module_database.station("st-1"), "st-1", store)
    return module_database


def test_its_name_finds_a_session_again(sent_once: Database) -> None:
    with looking(sent_once) as connection:
        found = found_in(connection)
        assert found.name == f"st-1~{records.UUID}~{found.record[:12]}"
        for name in (found.name, f"st-1~{records.UUID}"):
            assert found_in(connection, name) == found
        assert find(connection, SessionName.of(found.name), {"st-1:room-1"}) == found
        for others in (set(), {"room-1"}, {"st-1:room-2"}, {"st-2:room-1"}):
            assert find(connection, SessionName.of(found.name), others) is None


@pytest.mark.parametrize("damage", [b"", b"no database", None])
def test_a_copy_that_was_damaged_or_deleted_is_made_anew(
    sent_once: Database, store: Path, tmp_path: Path, damage: bytes | None
) -> None:
    path, _ = copied(sent_once, tmp_path / "copies")
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    path, _ = copied(sent_once, tmp_path / "copies")
    assert as_facts(read(path)) == as_facts(read(store))
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name]


def test_what_was_wanted_last_stays_and_the_folder_stays_small(
    database: Database, tmp_path: Path
) -> None:
    store = records.write(tmp_path / "ward.db", 60, pleth=False)
    multiply(store, 4, lanes=2)
    send(database.station("st-1"), "st-1", store)
    uuids = [record.session.id for record in Reader(store).sessions()]
    clock = Clock()
    clock.s = 4_000_000_000.0
    half = tmp_path / "copies" / "torn.part"
    half.parent.mkdir()
    half.touch()
    with looking(database) as connection:
        kept = Copies(tmp_path / "copies", 1, wall_s=clock)
        paths = []
        for uuid in uuids:
            paths.append(kept.path_of(connection, found_in(connection, uuid)))
            clock.s += USED_S / 3
        assert [path.exists() for path in paths] == [False, False, True, True, True]
        kept.path_of(connection, found_in(connection, uuids[2]))
        clock.s += USED_S * 0.9
        kept.tidy()
        assert [path.exists() for path in paths] == [False, False, True, False, False]
    assert not half.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(
    sent_once: Database, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CentralError, match=r"a copy of the session cannot be written there"):
        copied(sent_once, tmp_path / "file")


def test_a_copy_is_never_half_written(
    sent_once: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session_copy, "write", fails)
    with pytest.raises(CentralError, match="No space left"):
        copied(sent_once, tmp_path / "copies")
    assert list((tmp_path / "copies").iterdir()) == []
