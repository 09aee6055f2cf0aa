from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.store.build import FAST, T0, audit, fill, raw, session, until
from vitals.cli import cli
from vitals.errors import StoreError
from vitals.model import SessionChange
from vitals.record import Record
from vitals.store import anchor
from vitals.store.anchor import Anchor, Anchored, line, read
from vitals.store.backup import back_up, restore
from vitals.store.reader import Reader
from vitals.store.verify import verify
from vitals.store.writer import Writer

HEAD, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere.anchor"


def _anchored(path: Path, file: Path, rows: int = 3) -> None:
    """Adds rows to a record, and a line to the anchor after each."""
    for _ in range(rows):
        writer = Writer(path, now_us=lambda: T0, settings=FAST)
        writer.put_audit(audit(writer.last_seq() + 1))
        assert writer.close()
        with file.open("a") as out:
            out.write(line(T0, *Reader(path).end()))


def _running(file: Path, end: Callable[[], tuple[int, str]], **options: float) -> Anchor:
    found = Anchor(file, end, lambda: T0, **{"every_s": 0.01, "after_s": 0.0, **options})  # type: ignore[arg-type]
    found.start()
    return found


# --- writing ----------------------------------------------------------------------------------


def test_a_line_names_time_row_and_head(file: Path) -> None:
    file.write_text(line(T0, 12, HEAD))
    assert file.read_text() == f"2027-01-15T08:00:00Z 12 {HEAD}\n"
    assert read(file) == ([Anchored("2027-01-15T08:00:00Z", 12, HEAD)], 0)


def test_a_head_is_written_when_it_has_changed_and_only_then(file: Path) -> None:
    end, looks = [(0, "")], [0]

    def ask() -> tuple[int, str]:
        looks[0] += 1
        return end[0]

    one = _running(file, ask)
    for now in ((0, ""), (1, HEAD), (5, OTHER)):
        end[0] = now
        before = looks[0]
        until(lambda before=before: looks[0] > before + 2)  # type: ignore[misc]
    one.close()
    assert [(each.n, each.head) for each in read(file)[0]] == [(1, HEAD), (5, OTHER)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_last_head_is_written_at_the_end(file: Path) -> None:
    end = [(1, HEAD)]
    one = _running(file, lambda: end[0], every_s=3600)
    until(file.exists)
    end[0] = (2, OTHER)
    one.close()
    assert [each.n for each in read(file)[0]] == [1, 2]


def test_the_end_of_a_session_is_anchored_without_waiting_for_the_minute(file: Path) -> None:
    end = [(1, HEAD)]
    one = _running(file, lambda: end[0], every_s=3600)
    until(file.exists)
    end[0] = (2, OTHER)
    one.soon()
    until(lambda: len(read(file)[0]) == 2)
    one.close()


def test_a_torn_line_does_not_spoil_the_next(file: Path) -> None:
    file.write_text(line(T0, 1, HEAD) + line(T0, 2, OTHER)[:40])
    one = _running(file, lambda: (3, HEAD))
    one.close()
    assert ([each.n for each in read(file)[0]], read(file)[1]) == ([1, 3], 1)


def test_a_place_that_cannot_be_written_is_told_and_gets_the_head_when_it_is_back(
    file: Path,
) -> None:
    file.mkdir()
    one = _running(file, lambda: (1, HEAD))
    until(one.trouble)
    assert "the anchor of the record cannot be written (Is a directory); check it" in one.trouble()
    file.rmdir()
    until(lambda: not one.trouble())
    one.close()
    assert [each.n for each in read(file)[0]] == [1]


def test_a_file_whose_disk_is_away_is_told_and_not_begun_anew(file: Path) -> None:
    end = [(1, HEAD)]
    one = _running(file, lambda: end[0])
    until(file.exists)
    away = file.rename(file.with_name("on the other disk"))
    end[0] = (2, HEAD)
    until(one.trouble)
    assert "not there any more; mount its disk" in one.trouble()
    assert not file.exists()
    away.rename(file)
    until(lambda: not one.trouble())
    one.close()
    assert [each.n for each in read(file)[0]] == [1, 2]


def test_a_full_place_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _full)
    one = _running(file, lambda: (1, HEAD))
    until(one.trouble)
    assert "No space left on device" in one.trouble()
    one.close()


def _full(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_place_that_hangs_is_told_and_holds_nothing_up(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, now = threading.Event(), [0.0]
    monkeypatch.setattr(anchor, "CLOSE_S", 0.05)
    monkeypatch.setattr(os, "fsync", lambda handle: gate.wait(60) and None)
    one = Anchor(file, lambda: (1, HEAD), lambda: T0, after_s=0, monotonic=lambda: now[0])
    one.start()
    until(file.exists)
    assert one.trouble() == ""
    now[0] = 16.0
    assert "does not answer; check its disk" in one.trouble()
    one.close()  # does not wait for it
    gate.set()
    one._thread.join(20)


def test_a_record_that_cannot_be_read_now_is_not_the_anchors_trouble(file: Path) -> None:
    looks = [0]

    def ask() -> tuple[int, str]:
        looks[0] += 1
        raise StoreError("locked")

    one = _running(file, ask)
    until(lambda: looks[0] > 2)
    assert one.trouble() == ""
    one.close()
    assert not file.exists()


def test_a_fault_of_ours_is_told_and_does_not_end_the_thread(file: Path) -> None:
    faults: list[Exception] = [ValueError("of ours"), ZeroDivisionError()]

    def ask() -> tuple[int, str]:
        if faults:
            raise faults.pop()
        return 3, "ab" * 32

    one = _running(file, ask)
    until(lambda: "has a fault (" in one.trouble())
    until(lambda: file.exists() and one.trouble() == "")
    one.close()


def test_a_station_anchors_its_record_to_the_last_row(path: Path, file: Path) -> None:
    record = Record(path, "clinic-a", "", anchor=file)
    record.clock(1.0)
    record.start(lambda state: None)
    opened = session()
    record.session(next(record.seq), SessionChange(T0, opened, "opened", "Ann"), "")
    assert record.close()
    assert (read(file)[0][-1].n, read(file)[0][-1].head) == Reader(path).end()
    assert verify(path, anchor=file).ok


def test_a_station_tells_of_an_anchor_that_fails_and_goes_on(path: Path, file: Path) -> None:
    file.mkdir()
    told: list[str] = []
    record = Record(path, "clinic-a", "", settings=FAST, anchor=file)
    record.clock(1.0)
    record.start(lambda state: told.append(state.detail if state.recording else "NOT RECORDING"))

    def said() -> bool:
        record.station_event(next(record.seq), T0, {"event": "x"})
        return any("anchor" in each for each in told)

    until(said)
    assert "NOT RECORDING" not in told
    assert record.close()


# --- checking ---------------------------------------------------------------------------------


def test_a_record_that_agrees_with_its_anchor_is_whole(path: Path, file: Path) -> None:
    fill(path)
    _anchored(path, file)
    found = verify(path, anchor=file)
    assert (found.ok, found.anchored) == (True, 3)


def _cut(path: Path, rows: int) -> None:
    connection = raw(path)
    (sql,) = (
        connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'audit_no_delete'").get,
    )
    connection.execute("DROP TRIGGER audit_no_delete")
    connection.execute("DELETE FROM audit WHERE n > (SELECT max(n) FROM audit) - ?", (rows,))
    connection.execute(sql)
    connection.close()


def test_an_end_that_was_cut_off_is_found(path: Path, file: Path) -> None:
    fill(path)
    _anchored(path, file)
    last = Reader(path).end()[0]
    _cut(path, 2)
    assert verify(path).ok  # nothing in the record shows it
    found = verify(path, anchor=file)
    assert f"the anchor saw audit row {last - 1} at 2027-01-15T08:00:00Z, and the " in found.broken
    assert f"the record ends with row {last - 2}: its end was cut off, or" in found.broken


def test_a_chain_that_was_written_anew_is_found(path: Path, file: Path) -> None:
    fill(path)
    _anchored(path, file, 1)
    n = Reader(path).end()[0]
    _cut(path, 1)
    writer = Writer(path, now_us=lambda: T0, settings=FAST)
    writer.put_audit(audit(writer.last_seq() + 1, body={"text": "as if it had always been so"}))
    writer.put_audit(audit(writer.last_seq() + 2))
    assert writer.close()
    assert verify(path).ok
    found = verify(path, anchor=file)
    assert f"audit row {n} is not the one that the anchor saw at 2027" in found.broken


def test_an_older_copy_in_the_records_place_is_found(path: Path, file: Path) -> None:
    fill(path)
    before = path.read_bytes()
    _anchored(path, file)
    path.write_bytes(before)
    assert verify(path).ok
    assert "or an older copy took its place" in verify(path, anchor=file).broken


def test_a_restored_backup_is_found_and_explained(path: Path, file: Path, tmp_path: Path) -> None:
    fill(path)
    to = tmp_path / "backup.db"
    back_up(path, to)
    n = Reader(path).end()[0]
    _anchored(path, file)
    restore(to, path)
    found = verify(path, anchor=file)
    assert f"a backup was restored, as audit row {n + 1} says" in found.broken


def test_another_records_anchor_is_found(path: Path, file: Path) -> None:
    fill(path)
    file.write_text(line(T0, 3, HEAD))
    assert "audit row 3 is not the one that the anchor saw" in verify(path, anchor=file).broken


@pytest.mark.parametrize("text", ["", "\n", "hello\n", "2027-01-15T08:00:00Z 0 " + HEAD, "\0" * 99])
def test_a_file_that_is_no_anchor_is_refused(path: Path, file: Path, text: str) -> None:
    fill(path)
    file.write_text(text)
    with pytest.raises(StoreError, match="there is no line of an anchor in it"):
        verify(path, anchor=file)


def test_the_command_checks_with_the_anchor(path: Path, file: Path) -> None:
    fill(path)
    _anchored(path, file)
    argv = ["sessions", "verify", "--store", str(path), "--anchor", str(file)]
    done = CliRunner().invoke(cli, argv)
    assert (done.exit_code, "3 lines agree with it" in done.output) == (0, True)
    _cut(path, 1)
    done = CliRunner().invoke(cli, argv)
    assert done.exit_code == 1
