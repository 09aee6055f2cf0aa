"""`vitals simulate-cohort`: its table, its record, its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitals import cli
from vitals.replay import recorded
from vitals.store.reader import Reader
from vitals.store.verify import verify


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cohort") / "cohort.db"
    cli.main(["simulate-cohort", "--sessions", "2", "--seed", "2", "--store", str(path)])
    return path


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["simulate-cohort", *args])
    assert stopped.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    return said.splitlines()[-1]


def test_the_sessions_are_a_normal_record(record: Path) -> None:
    assert verify(record).ok
    reader = Reader(record)
    found = reader.sessions()
    assert [(r.session.mode, r.state, r.session.route) for r in found] == [
        ("test", "closed", "iv")
    ] * 2
    assert len({r.session.id for r in found}) == 2
    first = found[0].session
    # the second visit was held: it is not among the sessions
    assert [r.session.subject_ref for r in found] == ["P-0001", "P-0003"]
    assert first.dose_us is not None
    assert first.ended_us is not None
    assert first.ended_us - first.dose_us > 7200 * 1_000_000
    assert {channel for _, channel in reader.channels(first.id)} == {
        "spo2", "pr", "pi", "nibp_sys", "nibp_dia", "nibp_map",
    }  # fmt: skip
    assert len(reader.nibp(first.id)) >= 13
    assert len(reader.numerics(first.id, "spo2").at_us) > 7200


def test_the_trail_holds_what_a_station_would_have_written(record: Path) -> None:
    reader = Reader(record)
    session = reader.sessions()[0].session
    trail = reader.audit(session.id)
    kinds = {row.kind for row in trail}
    assert {"session_change", "command", "due", "notice"} <= kinds
    times = [row.at_us for row in trail if row.kind in ("due", "command")]
    assert session.ended_us is not None
    assert all(session.started_us <= at_us <= session.ended_us for at_us in times)
    told = [row.body for row in reader.audit(None) if row.body.get("event") == "audience"]
    assert [body["armed"] for body in told] == [1, 1]
    seqs = [row.seq for row in trail if row.seq is not None]
    assert seqs == sorted(seqs)


def test_a_replay_gives_the_alarms_that_were_recorded(record: Path) -> None:
    reader = Reader(record)
    for found in reader.sessions():
        written = [
            (row.at_us, row.body["rule"], row.body["cause"], row.body["after"]["condition"])
            for row in reader.audit_by_kind(found.session.id, ["alarm"])
        ]
        replayed = [
            (change.at_us, change.after.rule, change.cause, change.after.condition)
            for change in recorded(reader, found.session.id).transitions()
        ]
        assert replayed == written != []


def test_a_cohort_gets_a_record_of_its_own(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record.read_bytes()
    said = refused(capsys, "--sessions", "1", "--store", str(record))
    assert "name a new file" in said
    assert record.read_bytes() == before


def test_what_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 'no route "in"' in refused(capsys, "--route", "in").replace("'", '"')
    assert "cannot be read" in refused(capsys, "--profile", str(tmp_path / "none.toml"))
    assert "no such folder" in refused(capsys, "--store", str(tmp_path / "no" / "c.db"))
    assert "--sessions" in refused(capsys, "--sessions", "0")


def test_the_table_goes_to_stdout_and_progress_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli.main(["simulate-cohort", "--sessions", "1", "--seed", "2", "--route", "sublingual"])
    said = capsys.readouterr()
    assert said.out.startswith("1 simulated sessions, route sublingual, seed 2, limits ")
    for words in ("RULE", "SOUNDED", "Peak of each session", "160/100", "UNEVENTFUL"):
        assert words in said.out
    assert "Sessions" not in said.out.splitlines()[0]
    assert "Sessions" in said.err
