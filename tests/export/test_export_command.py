"""`vitals sessions export` as a person uses it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.export import records
from tests.export.records import HOSTILE, UUID, at
from tests.store.build import raw, until
from vitals.cli import main
from vitals.export import FORMATS
from vitals.export.command import write
from vitals.store.rows import SessionRecord
from vitals.store.writer import Writer


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    code = 0
    try:
        main(["sessions", "export", *map(str, args)])
    except SystemExit as stop:
        code = int(str(stop.code))
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_format_is_written_and_says_the_coverage(
    recorded: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code, said, err = run(capsys, UUID[:5], "--format", form, "--out", out, "--store", recorded)
    assert (code, err) == (0, "")
    assert said.startswith(f"{out}: session {UUID}, SpO2 coverage 96.4 %, longest gap 10 s")
    assert "NIBP 1/2 planned readings; off the monitor 30 s" in said
    assert "not a patient" not in said
    assert out.is_dir() == FORMATS[form].several


def test_names_are_there_only_when_asked_for(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, options in (("hidden", ()), ("named", ("--names",))):
        where = ("--format", "csv", "--out", tmp_path / name, "--store", recorded)
        assert run(capsys, UUID, *where, *options)[0] == 0
    hidden, named = ((tmp_path / n / "events.csv").read_text() for n in ("hidden", "named"))
    assert "Anna" not in hidden
    assert ",Anna Berger,nurse," in named


def test_the_record_is_the_one_that_the_config_names(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "clinic.toml"
    config.write_text(f'[station]\nstore = "{recorded}"\n[[room]]\nid = "room-1"\n')
    where = ("--format", "hl7", "--out", tmp_path / "out.hl7")
    assert run(capsys, UUID, *where, "--config", config)[0] == 0
    code, _, err = run(capsys, UUID, *where, "--config", config, "--store", recorded)
    assert code == 2
    assert "give one of them" in err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"session": "nobody"}, "no session begins with 'nobody'"),
        ({"--format": "xml"}, "'xml' is not one of"),
        ({"--store": "missing.db"}, "missing.db: there is no such record; check the path"),
        ({"--out": "no/where"}, "there is no folder no; create it"),
    ],
)
def test_bad_input_is_one_sentence(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = {"session": UUID, "--format": "csv", "--out": "out", "--store": str(recorded)} | change
    session = given.pop("session")
    code, _, err = run(capsys, session, *(word for pair in given.items() for word in pair))
    assert code == 2
    assert sentence in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_session_that_still_runs_is_exported_up_to_now(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vitals.db"
    writer = Writer(path, now_us=lambda: records.START_US)
    writer.start()
    first = next(iter(records.audit_rows(600)))
    session = records.session(0, ended_us=None, phase="ONSET_PEAK")
    writer.put_audit(first, session=SessionRecord(session, "+0100", "", ""))
    for seq, numeric in enumerate(records.numerics(20), 2):
        writer.put_numeric(UUID, seq, numeric)
    until(lambda: writer.health().queued == 0)
    where = ("--format", form, "--out", tmp_path / "out", "--store", path)
    code, said, err = run(capsys, UUID, *where)
    assert (code, err) == (0, "")
    assert "The session is open: it is exported up to 2027-01-15T09:00:18.2" in said
    writer.put_numeric(UUID, 1000, next(records.of_second(20)))
    assert writer.close()


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_session_whose_station_was_killed_is_exported(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end is missing, and what was committed last is in the log beside the file only."""
    script = (
        "import os, sys; from pathlib import Path; from tests.export import records as r\n"
        "from tests.store.build import until\n"
        "from vitals.store.writer import Writer; from vitals.store.rows import SessionRecord\n"
        "w = Writer(Path(sys.argv[1]), now_us=lambda: r.START_US); w.start()\n"
        "s = r.session(0, ended_us=None, phase='ONSET_PEAK')\n"
        "w.put_audit(next(iter(r.audit_rows(600))), session=SessionRecord(s, '+0100', '', ''))\n"
        "[w.put_numeric(r.UUID, n, v) for n, v in enumerate(r.numerics(30), 2)]\n"
        "until(lambda: w.health().queued == 0); os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "vitals.db"
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script, str(path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Path(f"{path}-wal").stat().st_size > 0
    out = tmp_path / "out"
    code, said, err = run(capsys, UUID, "--format", form, "--out", out, "--store", path)
    assert (code, err) == (0, "")
    assert "PR coverage 100.0 %" in said
    if form == "csv":
        assert len((out / "numerics.csv").read_text().splitlines()) == 1 + 29


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_session_without_any_data_is_exported(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vitals.db"
    writer = Writer(path, now_us=lambda: 0)
    writer.start()
    first = next(iter(records.audit_rows(600)))
    session = records.session(0, ended_us=records.START_US, dose_us=None, resumed=0)
    writer.put_audit(first, session=SessionRecord(session, "", "", ""))
    assert writer.close()
    out = tmp_path / "out"
    code, said, err = run(capsys, UUID, "--format", form, "--out", out, "--store", path)
    assert (code, err, said) == (0, "", f"{out}: session {UUID}, nothing was measured\n")
    assert out.exists()


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_hostile_pseudonym_of_an_old_record_is_exported(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = records.write(tmp_path / "vitals.db", 30, subject_ref=HOSTILE, pleth=False)
    out = tmp_path / "out"
    code, _, err = run(capsys, UUID, "--format", form, "--out", out, "--store", path)
    assert (code, err) == (0, "")
    assert out.exists()


@pytest.mark.parametrize("mode", ["demo", "test"])
def test_what_is_simulated_is_said_to_be(
    tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = records.write(tmp_path / "vitals.db", 20, mode=mode, pleth=False)
    where = ("--format", "csv", "--out", tmp_path / "out", "--store", path)
    assert f"{mode.upper()}: this is not a patient's session." in run(capsys, UUID, *where)[1]
    assert f"mode,{mode}\r\n".encode() in (tmp_path / "out" / "session.csv").read_bytes()


def test_ctrl_c_ends_it_with_nothing_left(tmp_path: Path) -> None:
    """The real signal to the real program, in the middle of a long file."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = records.write(tmp_path / "vitals.db", 1200)
    script = (
        "import sys, os, signal; from vitals.cli import main; from vitals.export import command\n"
        "def shows(self, text):\n"
        "    if 'waveform' in text: os.kill(os.getpid(), signal.SIGINT)\n"
        "command._Progress._show = shows; main(sys.argv[1:])\n"
    )
    arguments = ["sessions", "export", UUID, "--format", "csv", "--store", str(path)]
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--out", str(folder / "out")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert list(folder.iterdir()) == []


def test_progress_is_told_on_a_terminal_only(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from vitals.export import command

    monkeypatch.setattr(command, "_OFTEN_S", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    where = ("--format", "csv", "--out", tmp_path / "out", "--store", recorded)
    _, _, err = run(capsys, UUID, *where)
    assert "\rwriting numerics.csv" in err
    assert re.search(r"waveform-pleth-oxi.csv [1-9]\d %", err)
    assert err.endswith("\r")
    assert "\n" not in err


def test_help_needs_no_library() -> None:
    script = (
        "import sys; from vitals.cli import cli; "
        "cli.main(['sessions', 'export', '--help'], standalone_mode=False); "
        "print([n for n in ('apsw', 'numpy', 'edfio', 'pyarrow', 'fpdf') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.long
def test_a_million_samples_in_no_order_come_out_in_order(tmp_path: Path) -> None:
    path = records.write(tmp_path / "vitals.db", 30, pleth=False)
    connection = raw(path)
    channel = connection.execute("SELECT channel_id FROM channel WHERE key = 'spo2'").get
    order = np.random.default_rng(7).permutation(1_000_000).tolist()
    connection.execute("DROP TRIGGER numeric_once; DROP INDEX numeric_by_time")  # for speed only
    with connection:
        connection.executemany(
            "INSERT INTO numeric VALUES (?, ?, ?, ?, 0, '', NULL)",
            ((100_000 + n, channel, at(60 + k), 90.0 + k % 10) for n, k in enumerate(order)),
        )
    connection.execute("CREATE INDEX numeric_by_time ON numeric(channel_id, at_us)")
    connection.close()
    data = records.read(path)
    for form in ("csv", "edf", "fhir"):
        write(data, form, tmp_path / form, lambda _: None)
    with (tmp_path / "csv" / "numerics.csv").open() as file:
        head = next(file).rstrip("\n").split(",")
        rows = [line.split(",") for line in file]
    value, time = head.index("spo2 [%]"), head.index("at_us")
    late = [(int(row[time]), row[value]) for row in rows if int(row[time]) >= at(60)]
    assert len(late) == 1_000_000
    assert late == [(at(60 + k), str(90 + k % 10)) for k in range(1_000_000)]
    bundle = json.loads((tmp_path / "fhir").read_text())
    data = [e["resource"].get("valueSampledData", {}).get("data", "") for e in bundle["entry"]]
    assert sum(len(text.split()) for text in data if set(text.split()) >= {"90", "99"}) == 1_000_000
    import edfio

    edf = edfio.read_edf(tmp_path / "edf")
    (spo2,) = [s for s in edf.signals if s.label == "SpO2"]
    assert np.count_nonzero(spo2.digital != spo2.digital_min) == 1_000_029
