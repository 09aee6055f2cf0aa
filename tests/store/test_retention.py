from __future__ import annotations

import json
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner

from tests.store.build import FAST, KEY, T0, audit, fill, opened, raw, session, spo2, until
from vitals.cli import cli
from vitals.config import RetentionConfig
from vitals.errors import StoreError
from vitals.export.coverage import Coverage
from vitals.export.read import read_session
from vitals.nightly import expire
from vitals.replay import recorded
from vitals.store import intact, keys
from vitals.store.intact import Place
from vitals.store.reader import Reader
from vitals.store.retention import DAY_US, Forgotten, age_us, forget, older
from vitals.store.rows import FORGOTTEN
from vitals.store.verify import verify
from vitals.store.writer import Writer

AT = T0 + 400 * DAY_US
_CHANGE = (
    "UPDATE numeric SET value = 99 WHERE seq = (SELECT max(seq) FROM numeric JOIN channel"
    " USING (channel_id) JOIN session USING (session_id) WHERE uuid = 'session-b')"
)


def _forget(path: Path, *uuids: str, **options: object) -> list[Forgotten]:
    given: dict[str, object] = {"reason": "asked to", "by": "Ann", "now_us": AT}
    return list(forget(path, uuids or ("session-b",), **(given | options)))  # type: ignore[arg-type]


def _coverage(path: Path) -> Coverage:
    reader = Reader(path)
    record = reader.session("session-b")
    assert record is not None
    return read_session(reader, record, names=False, exported_us=AT).coverage


def _is_intact(path: Path, uuid: str = "session-b") -> str:
    found = intact.check(path, uuid, Reader(path).last_row(uuid), Place())
    assert found is not None
    assert found.next is None
    return found.broken


# --- what is forgotten ------------------------------------------------------------------------


def test_samples_go_and_the_audit_trail_stays(path: Path) -> None:
    fill(path)
    before = Reader(path).audit("session-b")
    numerics, waves = Reader(path).counts("session-b")
    others = Reader(path).counts("session-a")
    assert _forget(path) == [Forgotten("session-b", numerics, waves)]
    assert Reader(path).counts("session-b") == (0, 0)
    assert Reader(path).counts("session-a") == others
    *kept, row = Reader(path).audit("session-b")
    assert kept == before
    assert (row.kind, row.actor, row.at_us, row.seq) == (FORGOTTEN, "Ann", AT, None)
    assert row.body["numerics"] == numerics > 0
    assert row.body["reason"] == "asked to"
    assert row.body["was_whole"] is True


def test_what_was_deleted_is_not_said_to_have_never_been_measured(path: Path) -> None:
    fill(path)
    covered = _coverage(path)
    assert covered.channels
    _forget(path, what="waves")
    without = _coverage(path)
    assert not without.deleted
    kept = tuple(one for one in covered.channels if one.channel not in ("pleth", "ecg"))
    assert without.channels == kept
    _forget(path)
    found = _coverage(path)
    assert found.deleted
    assert found.channels == ()
    assert found.sentence().startswith("the values were deleted when their time was over")


def test_a_forgotten_session_verifies_and_says_by_whom(path: Path) -> None:
    fill(path)
    _forget(path)
    found = verify(path)
    assert found.ok, found.broken
    (sentence,) = found.forgotten
    assert sentence == (
        "session session-b: vital signs and waveforms were forgotten at 2028-02-19 08:00 UTC by Ann"
    )
    assert _is_intact(path) == ""
    assert _is_intact(path, "session-a") == ""


def test_only_the_waveforms_can_go(path: Path) -> None:
    fill(path)
    numerics, waves = Reader(path).counts("session-b")
    assert _forget(path, what="waves") == [Forgotten("session-b", 0, waves)]
    assert Reader(path).counts("session-b") == (numerics, 0)
    found = verify(path)
    assert found.ok, found.broken
    assert "waveforms were forgotten" in found.forgotten[0]
    assert _is_intact(path) == ""


def test_the_vital_signs_can_go_after_the_waveforms(path: Path) -> None:
    fill(path)
    _forget(path, what="waves")
    _forget(path)
    assert Reader(path).counts("session-b") == (0, 0)
    assert verify(path).ok
    assert len(verify(path).forgotten) == 2
    assert _is_intact(path) == ""


def test_what_is_forgotten_already_adds_no_row(path: Path) -> None:
    fill(path)
    _forget(path)
    head = Reader(path).head()
    assert _forget(path) == []
    assert _forget(path, what="waves") == []
    assert Reader(path).head() == head


def test_nothing_of_the_samples_is_left_in_the_file(path: Path) -> None:
    fill(path)
    connection = raw(path)
    blobs = [
        bytes(data)
        for (data,) in connection.execute(
            "SELECT data FROM wave JOIN channel USING (channel_id) JOIN session USING (session_id)"
            " WHERE uuid = 'session-b' AND n > 60"
        ).fetchall()
    ]
    connection.close()
    content = path.read_bytes()
    assert [blob for blob in blobs if blob in content]
    _forget(path, "session-b")
    raw(path).close()  # folds the log into the file
    others = {bytes(one) for one in _waves(path)}
    content = path.read_bytes()
    assert not [blob for blob in blobs if blob in content and blob not in others]


def _waves(path: Path) -> list[bytes]:
    connection = raw(path)
    found = [data for (data,) in connection.execute("SELECT data FROM wave").fetchall()]
    connection.close()
    return found


def test_an_encrypted_record_forgets(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "clinic.key"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    keys.remember(path, f"file:{file}")
    fill(path, key=KEY)
    assert _forget(path)
    assert verify(path).ok


# --- what is not ------------------------------------------------------------------------------


def test_an_open_session_is_never_forgotten(path: Path) -> None:
    fill(path)
    with pytest.raises(StoreError, match="session-a is open; close it before it is forgotten"):
        _forget(path, "session-a")
    assert Reader(path).counts("session-a") != (0, 0)
    assert "session-a" not in older(path, 2**60, "all")


def test_a_session_that_is_not_there_is_named(path: Path) -> None:
    fill(path)
    with pytest.raises(StoreError, match="there is no session 'nobody'"):
        _forget(path, "nobody")


@pytest.mark.parametrize("table", ["numeric", "wave"])
def test_nobody_else_deletes_a_sample(path: Path, table: str) -> None:
    fill(path)
    connection = raw(path)
    with pytest.raises(apsw.ConstraintError, match="cannot be deleted"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.close()
    _forget(path, what="waves")
    connection = raw(path)
    with pytest.raises(apsw.ConstraintError, match="cannot be deleted"):
        connection.execute("DELETE FROM numeric")  # of this session only the waveforms may go
    connection.close()


def test_a_row_of_the_station_that_is_called_so_opens_no_door(path: Path) -> None:
    fill(path)
    writer = Writer(path, now_us=lambda: T0, settings=FAST)
    seq = writer.last_seq() + 1
    writer.put_audit(audit(seq, FORGOTTEN, session="session-b", body={"what": "all"}))
    assert writer.close()
    connection = raw(path)
    for table in ("numeric", "wave"):
        with pytest.raises(apsw.ConstraintError, match="cannot be deleted"):
            connection.execute(
                f"DELETE FROM {table} WHERE channel_id IN (SELECT channel_id FROM channel"  # noqa: S608
                " JOIN session USING (session_id) WHERE uuid = 'session-b')"
            )
    connection.close()
    assert verify(path).ok


def _lift(path: Path, sql: str) -> None:
    """As somebody who owns the file would: without the triggers, and with them back after it."""
    connection = raw(path)
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(sql)
    for _, text in triggers:
        connection.execute(text)
    connection.close()


@pytest.mark.parametrize("seq", [12, 10**6], ids=["between", "behind"])
def test_a_sample_that_appears_in_a_forgotten_session_is_found(path: Path, seq: int) -> None:
    fill(path)
    _forget(path)
    channel = (
        "SELECT min(channel_id) FROM channel JOIN session USING (session_id)"
        " WHERE uuid = 'session-b' AND kind = 'numeric'"
    )
    _lift(path, f"INSERT INTO numeric VALUES ({seq}, ({channel}), 1, 97.0, 0, '', NULL)")  # noqa: S608
    assert "session-b" in verify(path).broken
    assert _is_intact(path) != ""


def test_a_vital_sign_that_changes_after_the_waveforms_are_gone_is_found(path: Path) -> None:
    fill(path)
    _forget(path, what="waves")
    _lift(path, _CHANGE)
    assert "session-b: samples" in verify(path).broken
    assert "changed after they were sealed" in _is_intact(path)


def test_a_change_is_not_covered_by_forgetting_the_waveforms(path: Path) -> None:
    fill(path)
    _lift(path, _CHANGE)
    with pytest.raises(StoreError, match="was changed after it was sealed, so its waveforms are"):
        _forget(path, what="waves")
    assert "session-b: samples" in verify(path).broken


def test_that_a_session_was_changed_before_it_went_is_kept(path: Path) -> None:
    fill(path)
    _lift(path, _CHANGE)
    _forget(path)
    assert Reader(path).audit("session-b")[-1].body["was_whole"] is False


def test_a_deletion_that_fails_leaves_everything(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path)
    before = (Reader(path).counts("session-b"), Reader(path).head())
    monkeypatch.setattr("vitals.store.retention._DELETE", "DELETE FROM {} WHERE nowhere = ?")
    with pytest.raises(StoreError):
        _forget(path)
    assert (Reader(path).counts("session-b"), Reader(path).head()) == before


# --- beside the station -----------------------------------------------------------------------


def test_the_station_goes_on_writing_meanwhile(path: Path) -> None:
    fill(path)
    writer = Writer(path, now_us=lambda: T0, settings=FAST)
    writer.start()
    seq = writer.last_seq()
    for number in range(1, 60):
        writer.put_numeric("session-a", seq + 2 * number, spo2(100 + number))
        writer.put_audit(audit(seq + 2 * number + 1))
        if number == 20:
            _forget(path, what="waves")
        if number == 40:
            _forget(path)
    until(lambda: writer.health().queued == 0)
    assert writer.health().refused == 0
    assert writer.close()
    found = verify(path)
    assert found.ok, found.broken
    assert Reader(path).counts("session-b") == (0, 0)


# --- how old ----------------------------------------------------------------------------------


def test_ages_are_days_or_years() -> None:
    assert age_us("90d") == 90 * DAY_US
    assert age_us("10y") == 3652.5 * DAY_US


@pytest.mark.parametrize("text", ["", "10", "y", "0d", "-1d", "1.5y", "10 y", "10m", "999999d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="is no age; write days or years"):
        age_us(text)


def test_old_sessions_are_those_that_ended_before(path: Path) -> None:
    fill(path)
    ended = T0 + 60_000_000
    assert older(path, ended, "all") == []
    assert older(path, ended + 1, "all") == ["session-b"]
    _forget(path, what="waves")
    assert older(path, ended + 1, "waves") == []
    assert older(path, ended + 1, "all") == ["session-b"]
    _forget(path)
    assert older(path, ended + 1, "all") == []


def test_a_session_without_samples_is_never_listed(path: Path) -> None:
    writer = opened(path)
    writer.put_audit(audit(2, "session_change"), session=session(ended_us=T0 + 1))
    assert writer.close()
    assert older(path, 2**60, "all") == []


# --- afterwards -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "words"), [("all", "vital signs and waveforms"), ("waves", "The waveforms")]
)
def test_what_is_missing_is_said_to_have_been_there(path: Path, what: str, words: str) -> None:
    fill(path)
    _forget(path, what=what)
    reader = Reader(path)
    record = reader.session("session-b")
    assert record is not None
    data = read_session(reader, record, names=False, exported_us=AT)
    (sentence,) = data.unreadable
    assert words in sentence
    assert "deleted on 2028-02-19: what was measured is no longer kept" in sentence
    assert "deleted: asked to" in data.entries[-1].text


def test_a_forgotten_session_is_not_replayed(path: Path) -> None:
    fill(path)
    _forget(path)
    with pytest.raises(StoreError, match="session-b was forgotten and cannot be replayed"):
        recorded(Reader(path), "session-b")


# --- every night ------------------------------------------------------------------------------


def test_waveforms_go_first_and_vital_signs_later(path: Path) -> None:
    fill(path)
    ended, kept = T0 + 60_000_000, RetentionConfig(numerics_days=400, waves_days=90)
    assert expire(path, kept, ended + 90 * DAY_US) == []
    (done,) = expire(path, kept, ended + 90 * DAY_US + 1)
    assert (done.numerics, done.waves > 0) == (0, True)
    assert expire(path, kept, ended + 399 * DAY_US) == []
    (done,) = expire(path, kept, ended + 400 * DAY_US + 1)
    assert (done.numerics > 0, done.waves) == (True, 0)
    row = Reader(path).audit("session-b")[-1]
    assert (row.actor, row.role, row.body["reason"]) == (
        "retention",
        "system",
        "retention.numerics_days = 400",
    )
    assert verify(path).ok


def test_without_a_time_nothing_is_ever_forgotten(path: Path) -> None:
    fill(path)
    assert expire(path, RetentionConfig(), 2**60) == []


# --- the command ------------------------------------------------------------------------------


def test_the_command_asks_and_then_forgets(path: Path) -> None:
    fill(path)
    argv = ["sessions", "forget", "session-b", "--reason", "GDPR 17", "--store", str(path)]
    done = CliRunner().invoke(cli, argv, input="n\n")
    assert done.exit_code == 1
    assert Reader(path).counts("session-b") != (0, 0)
    done = CliRunner().invoke(cli, argv, input="y\n")
    assert done.exit_code == 0, done.output
    assert "Backups keep them" in done.output
    done = CliRunner().invoke(cli, ["sessions", "verify", "--store", str(path)])
    assert "Session session-b: vital signs and waveforms were forgotten at" in done.output
    done = CliRunner().invoke(cli, ["sessions", "verify", "--json", "--store", str(path)])
    assert len(json.loads(done.output)["forgotten"]) == 1


def test_the_command_forgets_what_is_older(path: Path) -> None:
    fill(path)
    argv = ["sessions", "forget", "--older-than", "1d", "--reason", "r", "--store", str(path)]
    done = CliRunner().invoke(cli, [*argv, "--yes"])
    # the sessions of this record end in 2027
    assert "There is nothing to forget" in done.output
    done = CliRunner().invoke(cli, [*argv, "session-b"])
    assert done.exit_code == 2
