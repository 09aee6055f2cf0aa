"""`vitals what-if`: its tables, its JSON, its refusals."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.store.build import session as old_session
from tests.what_if.visit import Visit, rules, spo2
from vitals.cli import main
from vitals.model import US
from vitals.replay import recorded
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    code = 0
    try:
        main(["what-if", *map(str, args)])
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Rules without the medium level of low SpO2."""
    rules(tmp_path, spo2())
    return tmp_path / "other.toml"


def dip(visit: Visit) -> None:
    visit.vitals(3720)
    visit.vitals(40, spo2=90)
    visit.act("mark", text="oxygen 2 l\n\x1b[31m")
    visit.vitals(20)


def calm(visit: Visit) -> None:
    visit.vitals(20)


def record_old(path: Path) -> str:
    """A session of a version that did not record its room."""
    opened = {"cause": "opened", "phase": "CHECK_IN"}
    writer = Writer(path, now_us=lambda: 0)
    writer.start()
    seq = writer.last_seq() + 1
    ended = old_session("old-session", ended_us=old_session().started_us + 60 * US)
    row = AuditRow(seq, ended.started_us, ended.id, "room-1", "A", "", "session_change", opened)
    writer.put_audit(row, session=SessionRecord(ended))
    assert writer.close(30)
    return ended.id


def test_a_table_has_both_lines_of_each_rule_and_lists_what_is_missed(
    visit: Visit, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = visit.record(dip)
    code, out, err = run(capsys, other, session[:6], "--store", visit.path)
    assert (code, err.split()) == (0, ["Sessions"])
    lines = [line.split() for line in out.splitlines()]
    assert out.startswith("1 session under other on default-3; 1 simulated (demo or test)\n")
    assert "Rules that differ: spo2-low" in out
    at = lines.index(
        ["spo2-low", "were", "1", "1", "1.00", "0:00:35", "0:00:35", "0:00:35", "0:00:35"]
    )
    assert lines[at + 1] == ["would", "be", "0", "0", "0.00", "0:00:00", "--", "0:00:00", "--"]
    assert ["all", "were"] in [line[:2] for line in lines]
    assert "Would be missed: 1\n" in out
    assert [session[:8], "T", "+", "1:02", "mark", "oxygen", "2", "l", "[31m"] in lines
    assert "\x1b" not in out
    assert "is not predicted" in out


def test_json_says_the_same(visit: Visit, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = visit.record(dip)
    code, out, _ = run(capsys, other, "--all", "--json", "--store", visit.path)
    found = json.loads(out)
    assert code == 0
    assert (found["profile"], found["changed"]) == ("other on default-3", ["spo2-low"])
    assert found["sessions"] == [
        {"id": session, "mode": "test", "profile": "default-3", "refused_acts": 0}
    ]
    low = next(rule for rule in found["rules"] if rule["rule"] == "spo2-low")
    assert low["were"] == {
        "shown": 1,
        "sounding": 1,
        "unanswered": 0,
        "active_s": 35.0,
        "active_median_s": 35.0,
        "sounding_s": 35.0,
        "sounding_median_s": 35.0,
        "sounding_a_session": 1.0,
    }
    assert (low["would_be"]["shown"], low["would_be"]["active_median_s"]) == (0, None)
    (missed,) = found["events"].pop("missed")
    assert found["events"] == {"marked": 1, "warned": 1, "would_be_warned": 0}
    assert (missed["session"], missed["kind"], missed["time"]) == (session, "mark", "T + 1:02")
    assert any("not predicted" in note for note in found["notes"])


def test_a_session_of_an_older_version_is_skipped_in_one_sentence(
    visit: Visit, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visit.record(calm)
    old = record_old(visit.path)
    code, out, _ = run(capsys, other, "--all", "--store", visit.path)
    assert code == 0
    assert (
        f"Skipped: session {old} was recorded by an older version and cannot be replayed.\n" in out
    )
    assert "1 session under other on default-3; 1 simulated (demo or test); 1 skipped\n" in out
    assert "the rest may be quieter than all" in out
    code, out, err = run(capsys, other, old, "--store", visit.path)
    assert code == 2
    assert err.splitlines()[-1] == "vitals: nothing was compared: 1 session was skipped"
    code, out, _ = run(capsys, other, old, "--json", "--store", visit.path)
    assert (code, [one["id"] for one in json.loads(out)["skipped"]]) == (2, [old])


def test_the_last_sessions_are_closed_ones(
    visit: Visit, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = [visit.record(calm), visit.record(calm), visit.record(Visit.leave_open)]
    _, out, _ = run(capsys, other, "--last", "1", "--json", "--store", visit.path)
    assert [one["id"] for one in json.loads(out)["sessions"]] == [sessions[1]]
    _, out, _ = run(capsys, other, "--all", "--store", visit.path)
    assert f"Skipped: session {sessions[2]} is still open" in out
    _, out, _ = run(capsys, other, sessions[0], sessions[0][:8], "--json", "--store", visit.path)
    assert [one["id"] for one in json.loads(out)["sessions"]] == [sessions[0]]


def test_the_record_is_the_configs(
    visit: Visit, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visit.record(calm)
    config = tmp_path / "clinic.toml"
    config.write_text('[station]\nstore = "vitals.db"\n[[room]]\nid = "room-1"\n')
    assert run(capsys, other, "--all", "--config", config)[0] == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "other.toml: there is no such file; name an alarm profile"),
        (spo2(high=70), "has its limit at 70; it must be from 85 to 92 %"),
        ("[[rule]]\nid = 3\n", "id must be a text, not 3"),
    ],
)
def test_rules_that_cannot_be_are_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, sentence: str
) -> None:
    path = tmp_path / "other.toml"
    if text is not None:
        path.write_text(f'version = "other"\n{text}')
    code, out, err = run(capsys, path, "--all", "--store", tmp_path / "vitals.db")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert sentence in err


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ((), "name sessions, or give --all, or --last N"),
        (("--all", "--last", "3"), "name sessions, or give --all, or --last N"),
        (("abc", "--all"), "name sessions, or give --all, or --last N"),
        (("zzz",), "no session begins with 'zzz'"),
        (("--all",), "there is no session to compare"),
    ],
)
def test_which_sessions_must_be_clear(
    tmp_path: Path,
    other: Path,
    capsys: pytest.CaptureFixture[str],
    args: tuple[str, ...],
    sentence: str,
) -> None:
    writer = Writer(tmp_path / "vitals.db", now_us=lambda: 0)
    writer.start()
    assert writer.close(30)
    code, out, err = run(capsys, other, *args, "--store", tmp_path / "vitals.db")
    assert (code, out) == (2, "")
    assert sentence in err.splitlines()[-1]


def test_help_loads_neither_the_database_nor_numpy() -> None:
    script = (
        "import sys; from vitals.cli import cli; "
        "cli.main(['what-if', '--help'], standalone_mode=False); "
        "print([name for name in ('apsw', 'numpy', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_two_hours_of_three_values_a_second_replay_in_a_third_of_a_second(
    visit: Visit, tmp_path: Path
) -> None:
    def two_hours(visit: Visit) -> None:
        for second in range(7200):
            visit.vitals(1, spo2=97 if second % 900 else 88)
            visit.value("pi", 3.5)

    session = recorded(visit.reader, visit.record(two_hours))
    other = rules(tmp_path, spo2(high=90))

    def cpu_s() -> float:
        began = time.process_time()
        session.transitions(other)
        return time.process_time() - began

    assert min(cpu_s() for _ in range(3)) < 0.3
