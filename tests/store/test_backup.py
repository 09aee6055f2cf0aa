from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from tests.store.build import FAST, KEY, T0, audit, fill, opened, raw, spo2, until
from vitals.cli import cli
from vitals.errors import StoreError
from vitals.nightly import OLD_US, Outcome, due, last, run_once, status_file, trouble
from vitals.store import backup, keys
from vitals.store.backup import back_up, kept, name_at, prune, restore
from vitals.store.connection import open_for_reading, open_for_writing
from vitals.store.reader import Reader
from vitals.store.verify import verify
from vitals.store.writer import Writer


@pytest.fixture(autouse=True)
def _these_tests_stay_as_quick_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command makes its process stand back, and that process is the one of the tests."""
    monkeypatch.setattr(os, "nice", lambda _: 0, raising=False)


_TABLES = ("session", "channel", "numeric", "wave", "audit", "station")


def _dump(path: Path, key: bytes | None = None) -> list[tuple[object, ...]]:
    connection = open_for_reading(path, key=key)
    try:
        return [
            row
            for table in _TABLES
            for row in connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
        ]
    finally:
        connection.close()


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "one.db"


@pytest.fixture
def source(path: Path, tmp_path: Path) -> str:
    """A key, named beside the record."""
    file = tmp_path / "clinic.key"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    keys.remember(path, f"file:{file}")
    return f"file:{file}"


# --- backup -----------------------------------------------------------------------------------


def test_a_backup_has_everything_and_is_one_private_file(path: Path, to: Path) -> None:
    fill(path)
    made = back_up(path, to)
    assert _dump(to) == _dump(path)
    assert made.head == verify(path).head
    assert (made.audit_rows, made.samples) == (verify(to).audit_rows, verify(to).sealed)
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert _names(to.parent) == {"one.db"}


def test_a_backup_tells_one_moment_of_a_record_that_is_being_written(
    path: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "STEP_PAGES", 1)
    fill(path)
    writer = Writer(path, now_us=lambda: T0, settings=FAST)
    writer.start()
    before, seq = _dump(path), writer.last_seq()
    steps = 0

    def meanwhile(seconds: float) -> None:
        nonlocal steps
        steps += 1
        assert steps < 2000, "it begins again with each commit"
        writer.put_audit(audit(seq + steps))
        until(lambda: writer.health().queued == 0)

    back_up(path, to, pause=meanwhile)
    assert steps > 5
    assert _dump(to) == before
    assert writer.close()
    assert len(_dump(path)) == len(before) + steps


def test_a_backup_of_an_encrypted_record_is_encrypted_and_names_its_key(
    path: Path, to: Path, source: str
) -> None:
    fill(path, key=KEY)
    back_up(path, to)
    assert not to.read_bytes().startswith(b"SQLite")
    assert b"P-017" not in to.read_bytes()
    assert keys.source_of(to) == source
    assert _dump(to) == _dump(path)


def test_a_backup_never_takes_the_place_of_a_file(path: Path, to: Path) -> None:
    fill(path)
    to.write_text("mine")
    with pytest.raises(StoreError, match="there is a file already; name another"):
        back_up(path, to)
    assert to.read_text() == "mine"


def test_a_backup_into_a_folder_that_is_not_there_is_refused(path: Path, tmp_path: Path) -> None:
    fill(path)
    with pytest.raises(StoreError, match=r"there is no folder .*; create it, or mount its disk"):
        back_up(path, tmp_path / "away" / "one.db")


def test_a_record_that_is_broken_inside_gives_no_backup(path: Path, to: Path) -> None:
    fill(path)
    connection = raw(path)
    connection.execute("DROP TRIGGER numeric_no_update")
    connection.execute("UPDATE numeric SET value = 1 WHERE seq = 11")
    connection.close()
    with pytest.raises(StoreError, match="no copy was made of it, because in the copy the trigger"):
        back_up(path, to)
    assert _names(to.parent) == set()


def test_a_copy_that_lost_something_is_not_kept(
    path: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a disk would that takes everything and keeps only some of it."""
    fill(path)
    other = path.with_name("shorter.db")
    opened(other).close()
    copy = backup._copy

    def another(_: apsw.Connection, part: Path, *more: object) -> None:
        connection = open_for_reading(other)
        copy(connection, part, None, lambda seconds: None)
        connection.close()

    monkeypatch.setattr(backup, "_copy", another)
    with pytest.raises(StoreError, match="the copy of it is not the same; check the disk"):
        back_up(path, to)
    assert _names(to.parent) == set()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (apsw.FullError("full"), "there is no room for the copy; free space in"),
        (OSError(28, "No space left on device"), "there is no room for the copy"),
        (apsw.IOError("disk I/O error"), "the copy cannot be written"),
        (OSError(5, "Input/output error"), r"cannot be written \(Input/output error\)"),
    ],
)
def test_a_disk_that_fails_leaves_no_half_backup(
    path: Path, to: Path, error: Exception, words: str
) -> None:
    fill(path)

    def fails(seconds: float) -> None:
        raise error

    with pytest.raises(StoreError, match=words) as caught:
        back_up(path, to, pause=fails)
    assert str(to) in str(caught.value)
    assert ".part" not in str(caught.value)
    assert _names(to.parent) == set()


def test_the_command_names_the_backup_by_its_time(path: Path, to: Path) -> None:
    fill(path)
    done = CliRunner().invoke(cli, ["backup", "--store", str(path), "--to", str(to.parent)])
    assert done.exit_code == 0, done.output
    (made,) = kept(to.parent, path)
    assert str(made) in done.output
    assert verify(path).head in done.output


def test_only_the_oldest_backups_of_this_record_are_deleted(path: Path, to: Path) -> None:
    fill(path)
    folder, start = to.parent, datetime(2026, 3, 28, 2, 0, tzinfo=UTC)
    made = [folder / name_at(path, start + timedelta(days=n)) for n in range(4)]
    mine = [folder / name for name in ("vitals-old.db", "vitals-20260328T020000Z.db.txt", "x.db")]
    for file in (*made, *mine):
        file.write_text("")
    assert prune(folder, path, 2) == made[:2]
    assert _names(folder) == {file.name for file in (*made[2:], *mine)}
    assert prune(folder, path, 2) == []


# --- restore ----------------------------------------------------------------------------------


def test_a_restored_record_is_the_backup_and_says_so(path: Path, to: Path) -> None:
    fill(path)
    back_up(path, to)
    before = _dump(to)
    done = restore(to, path, by="Ann", now_us=2_000_000_000_000_000)
    assert done.copy.head == verify(to).head
    assert verify(path).ok
    row = Reader(path).audit(None)[-1]
    assert (row.kind, row.actor, row.body["event"]) == ("station_event", "Ann", "restored")
    assert row.body["head"] == verify(to).head
    assert _dump(to) == before
    connection = open_for_reading(path)
    assert connection.execute("SELECT count(*) FROM audit").get == verify(to).audit_rows + 1
    connection.close()


def test_a_record_that_was_there_is_set_aside_whole(path: Path, to: Path) -> None:
    fill(path)
    back_up(path, to)
    writer = Writer(path, now_us=lambda: T0)
    writer.put_audit(audit(writer.last_seq() + 1, body={"text": "after the backup"}))
    assert writer.close()
    before = _dump(path)
    done = restore(to, path)
    assert done.aside is not None
    assert _dump(done.aside) == before
    assert ".before-restore." in done.aside.name


def test_a_station_goes_on_behind_all_numbers_of_the_record_before(path: Path, to: Path) -> None:
    fill(path)
    back_up(path, to)
    restore(to, path, now_us=2_000_000_000_000_000)
    writer = Writer(path, now_us=lambda: T0)
    assert writer.last_seq() == 2_000_000_000_000_000
    assert writer.close()


def test_nothing_is_restored_while_a_station_writes(path: Path, to: Path) -> None:
    fill(path)
    back_up(path, to)
    writer = Writer(path, now_us=lambda: T0)
    with pytest.raises(StoreError, match="writes this record; stop it"):
        restore(to, path)
    assert writer.close()
    assert not list(path.parent.glob("*.before-restore.*"))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = content.find(b'"text":"note ')
    content[at + 9] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        lambda path: path.write_bytes(path.read_bytes()[:9000]),
        lambda path: path.write_bytes(os.urandom(20_000)),
        lambda path: path.write_bytes(b""),
    ],
    ids=["changed", "cut short", "noise", "empty"],
)
def test_a_damaged_backup_is_refused_and_the_record_left(
    path: Path, to: Path, damage: Callable[[Path], object]
) -> None:
    fill(path)
    back_up(path, to)
    before = _dump(path)
    damage(to)
    with pytest.raises(StoreError, match=r"one\.db"):
        restore(to, path)
    assert _dump(path) == before
    left = {name for name in _names(path.parent) if ".part" in name or "before" in name}
    assert left == set()


def test_an_encrypted_backup_is_restored_under_its_key(
    path: Path, to: Path, source: str, tmp_path: Path
) -> None:
    fill(path, key=KEY)
    back_up(path, to)
    elsewhere = tmp_path / "elsewhere" / "vitals.db"
    elsewhere.parent.mkdir()
    keys.beside(to).unlink()
    with pytest.raises(StoreError, match="is encrypted; give its key"):
        restore(to, elsewhere)
    restore(to, elsewhere, source=source)
    assert keys.source_of(elsewhere) == source
    assert verify(elsewhere).ok
    assert not elsewhere.read_bytes().startswith(b"SQLite")


def test_a_plain_backup_takes_the_place_of_an_encrypted_record(
    path: Path, to: Path, tmp_path: Path
) -> None:
    fill(path)
    back_up(path, to)
    path.unlink()
    file = tmp_path / "clinic.key"
    keys.make(file)
    keys.remember(path, f"file:{file}")
    open_for_writing(path).connection.close()
    done = restore(to, path)
    assert verify(path).ok
    assert keys.source_of(path) == ""
    assert done.aside is not None
    assert verify(done.aside).ok  # its key is still named beside it


@pytest.mark.parametrize(
    "released", sorted((Path(__file__).parent / "released").glob("*.sql")), ids=lambda p: p.stem
)
def test_a_backup_of_an_older_version_can_be_restored(path: Path, to: Path, released: Path) -> None:
    connection = apsw.Connection(str(to))
    connection.execute(released.read_text(encoding="utf-8"))
    connection.close()
    before = to.read_bytes()
    restore(to, path)
    assert verify(path).ok
    assert Reader(path).nibp("session-a")[0].sys == 128.0
    assert to.read_bytes() == before
    assert not [name for name in _names(path.parent) if ".part" in name or ".version-" in name]


def test_a_file_of_another_program_is_not_restored(path: Path, to: Path) -> None:
    connection = apsw.Connection(str(to))
    connection.execute("CREATE TABLE customers(name)")
    connection.close()
    with pytest.raises(StoreError, match=r"one\.db"):
        restore(to, path)
    assert _names(path.parent) <= {"vitals.db.lock", "backups"}


def test_the_record_is_no_backup_of_itself(path: Path) -> None:
    fill(path)
    with pytest.raises(StoreError, match="this is the record itself"):
        restore(path, path)


def test_the_restore_command_says_where_the_record_before_is(path: Path, to: Path) -> None:
    fill(path)
    back_up(path, to)
    done = CliRunner().invoke(cli, ["restore", str(to), "--to", str(path)])
    assert done.exit_code == 0, done.output
    (aside,) = path.parent.glob("*.before-restore.*Z")
    assert str(aside) in done.output


# --- every night ------------------------------------------------------------------------------

_NIGHT = datetime(2026, 3, 28, 3, 0, tzinfo=UTC)
_EARLIER = _NIGHT - timedelta(days=30)


@pytest.mark.parametrize(
    ("after", "tried", "is_due"),
    [
        (timedelta(0), -24, True),
        (timedelta(seconds=-1), -24, False),
        (timedelta(hours=20), -24, True),  # the computer was off
        (timedelta(hours=20), 0, False),
        (timedelta(hours=20), 0.01, False),
        (timedelta(hours=24), 0.01, True),
    ],
)
def test_a_backup_is_due_once_a_night(after: timedelta, tried: float, is_due: bool) -> None:
    at = _NIGHT + timedelta(hours=tried)
    assert due(_NIGHT + after, "03:00", at, _EARLIER) is is_due


def test_a_first_backup_does_not_wait_for_a_night_on_which_the_computer_is_on() -> None:
    began = _NIGHT + timedelta(hours=5)
    assert not due(began + timedelta(minutes=59), "03:00", None, began)
    assert due(began + timedelta(hours=1), "03:00", None, began)


def test_a_good_night_is_written_down_and_the_oldest_backup_goes(path: Path, to: Path) -> None:
    fill(path)
    for night in range(4):
        found = run_once(path, to.parent, 3, _NIGHT + timedelta(days=night))
        assert found.ok, found.said
        assert last(path) == found
    assert [file.name for file in kept(to.parent, path)] == [
        f"vitals-202603{day}T030000Z.db" for day in (29, 30, 31)
    ]
    assert trouble(path, 0, found.at_us + OLD_US - 1) == ""


def test_a_night_that_failed_is_told_at_once_and_deletes_nothing(path: Path, to: Path) -> None:
    fill(path)
    good = run_once(path, to.parent, 1, _NIGHT)
    before = _names(to.parent)
    path.rename(path.with_name("away.db"))
    found = run_once(path, to.parent, 1, _NIGHT + timedelta(days=1))
    assert not found.ok
    assert found.good_us == good.at_us
    assert _names(to.parent) == before
    words = trouble(path, 0, found.at_us)
    assert words.startswith("The last backup of the record failed: ")
    assert "there is no such record" in words


def test_a_folder_whose_disk_is_away_gets_no_backup_until_a_person_begins_anew(
    path: Path, to: Path
) -> None:
    fill(path)
    good = run_once(path, to.parent, 3, _NIGHT)
    mounted = to.parent.rename(to.parent.with_name("mounted"))
    to.parent.mkdir()  # as its mount point is without the disk
    found = run_once(path, to.parent, 3, _NIGHT + timedelta(days=1))
    assert not found.ok
    assert found.good_us == good.at_us
    assert "its disk may be away" in trouble(path, 0, found.at_us)
    assert not _names(to.parent)
    to.parent.rmdir()
    mounted.rename(to.parent)
    assert run_once(path, to.parent, 3, _NIGHT + timedelta(days=2)).ok, "the disk is back"
    for file in to.parent.iterdir():
        file.unlink()
    assert not run_once(path, to.parent, 3, _NIGHT + timedelta(days=3)).ok
    back_up(path, to.parent / name_at(path, _NIGHT + timedelta(days=3)))
    assert run_once(path, to.parent, 3, _NIGHT + timedelta(days=4)).ok, "another disk"


def test_what_a_killed_backup_left_is_taken_away(path: Path, to: Path) -> None:
    fill(path)
    part = to.parent / f".{name_at(path, _NIGHT)}.part"
    mine = to.parent / ".mine.part"
    for file in (part, mine):
        file.write_text("half")
    run_once(path, to.parent, 1, _NIGHT + timedelta(days=1))
    assert not part.exists()
    assert mine.exists()


def test_a_backup_that_is_too_old_or_never_made_is_told(path: Path) -> None:
    began = 1_800_000_000_000_000
    assert trouble(path, began, began + OLD_US - 1) == ""
    assert "There is no backup of the record yet" in trouble(path, began, began + OLD_US)
    status_file(path).write_text(
        f'{{"ok": true, "at_us": {began}, "said": "", "good_us": {began}}}'
    )
    assert last(path) == Outcome(True, began, "", began)
    assert trouble(path, 0, began + OLD_US - 1) == ""
    assert "more than 36 h ago" in trouble(path, 0, began + OLD_US)


NO_DATES = [f'{{"ok":1,"at_us":{at},"said":"","good_us":1}}' for at in ("1e400", -5, 10**30)]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"ok": 1}', '{"ok":1,"at_us":"x"}', "\0", *NO_DATES]
)
def test_a_note_of_the_last_backup_that_cannot_be_read_counts_as_none(
    path: Path, text: str
) -> None:
    status_file(path).write_text(text)
    assert last(path) is None


def test_people_are_warned_while_recording_goes_on(path: Path) -> None:
    told: list[tuple[bool, str]] = []
    writer = Writer(
        path,
        now_us=lambda: T0,
        settings=FAST,
        on_state=lambda recording, detail: told.append((recording, detail)),
        free_bytes=lambda folder: 10**12,
        warn_also=lambda: "The last backup failed",
    )
    writer.start()
    writer.put_audit(audit(1, session=None))
    writer.put_numeric("session-a", 2, spo2(0))
    until(lambda: told)
    assert told[-1] == (True, "The last backup failed")
    assert writer.close()
