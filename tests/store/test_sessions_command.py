from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.build import T0, fill, raw
from vitals.cli import main
from vitals.clock import US


def _run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    code = 0
    try:
        main(["sessions", *map(str, args)])
    except SystemExit as stop:
        code = int(str(stop.code))
    out = capsys.readouterr()
    return code, out.out, out.err


def test_list_shows_one_line_for_each_session(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    code, out, _ = _run(capsys, "list", "--store", path)
    head, first, second = out.splitlines()
    assert code == 0
    assert head.split() == [
        "SESSION",
        "ROOM",
        "SUBJECT",
        "MODE",
        "STARTED",
        "LENGTH",
        "PHASE",
        "STATE",
    ]
    assert first.split()[:4] == ["session-", "room-1", "P-017", "real"]
    assert "2027-01-15 09:00:00 CET" in first  # the session's own zone
    assert "2027-01-15 08:00:00 UTC" in second
    assert first.split()[-3:] == ["-", "CHECK_IN", "open"]
    assert second.split()[-3:] == ["0:01", "CHECK_IN", "closed"]


def test_list_as_json_has_the_facts(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(path)
    code, out, _ = _run(capsys, "list", "--json", "--store", path)
    first, second = json.loads(out)
    assert code == 0
    assert (first["id"], first["state"], first["tz"]) == ("session-a", "open", "Europe/Berlin")
    assert (second["id"], second["ended_us"]) == ("session-b", T0 + 60 * US)


def test_show_has_facts_blood_pressures_and_alarms(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    code, out, _ = _run(capsys, "show", "session-a", "--store", path)
    assert code == 0
    for line in (
        "Session:  session-a",
        "State:    open, CHECK_IN",
        "Channels: nibp_dia, nibp_map, nibp_sys, pleth, spo2",
        "Gaps:     none",
    ):
        assert line in out.splitlines()
    assert "2027-01-15 09:00:05 CET  128  82   97   cuff    good" in out
    assert out.count("  alarm  Ann  note ") == 5

    code, out, _ = _run(capsys, "show", "session-b", "--json", "--store", path)
    shown = json.loads(out)
    assert (shown["id"], shown["nibp"], shown["alarms"]) == ("session-b", [], [])
    assert {"device": "oximeter", "channel": "spo2"} in shown["channels"]


@pytest.mark.parametrize(
    ("session", "reason"),
    [("session-", "2 sessions begin with 'session-'"), ("x", "no session begins with 'x'")],
)
def test_show_wants_one_session(
    path: Path, capsys: pytest.CaptureFixture[str], session: str, reason: str
) -> None:
    fill(path)
    code, _, err = _run(capsys, "show", session, "--store", path)
    assert code == 2
    assert reason in err


def test_verify_says_that_nothing_was_changed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    code, out, err = _run(capsys, "verify", "--store", path)
    assert (code, err) == (0, "")
    assert "nothing was changed: 19 audit rows, 163 sealed samples; 0 samples" in out
    head = out.split()[-1]
    assert _run(capsys, "verify", "--store", path, "--head", head)[0] == 0
    assert _run(capsys, "verify", "--store", path, "--head", "ab" * 32)[0] == 1
    code, out, _ = _run(capsys, "verify", "--json", "--store", path)
    assert json.loads(out) == {
        "ok": True,
        "broken": "",
        "head": head,
        "audit_rows": 19,
        "sealed": 163,
        "unsealed": 0,
        "anchored": 0,
        "forgotten": [],
    }


def test_verify_names_what_is_broken_and_exits_with_1(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    connection = raw(path)
    connection.execute("DROP TRIGGER audit_no_delete")
    connection.close()
    code, out, err = _run(capsys, "verify", "--store", path)
    assert (code, out) == (1, "")
    assert (
        err
        == f"{path}: the trigger audit_no_delete of the database is not as this program made it\n"
    )
    code, out, _ = _run(capsys, "verify", "--json", "--store", path)
    assert (code, json.loads(out)["ok"]) == (1, False)


@pytest.mark.parametrize("command", [("list",), ("show", "x"), ("verify",)])
def test_a_missing_record_is_bad_input(
    path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    code, _, err = _run(capsys, *command, "--store", path)
    assert (code, err) == (2, f"vitals: {path}: there is no such record; check the path\n")


def test_the_record_is_the_configs_or_vitals_db(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "clinic.db")
    config = tmp_path / "clinic.toml"
    config.write_text('[station]\nstore = "clinic.db"\n[[room]]\nid = "room-1"\n')
    assert len(_run(capsys, "list", "--config", config)[1].splitlines()) == 3
    code, _, err = _run(capsys, "list", "--config", config, "--store", tmp_path / "clinic.db")
    assert code == 2
    assert "give one of them" in err
    monkeypatch.chdir(tmp_path)
    assert "vitals.db: there is no such record" in _run(capsys, "list")[2]
    fill(tmp_path / "vitals.db")
    assert len(_run(capsys, "list")[1].splitlines()) == 3


def test_help_loads_neither_the_database_nor_numpy() -> None:
    script = (
        "import sys; from vitals.cli import cli; "
        "cli.main(['sessions', 'show', '--help'], standalone_mode=False); "
        "print([name for name in ('apsw', 'numpy', 'pydantic') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
