"""`vitals import` as a person types it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.recordings.files import DEMO_1, DEMO_2
from vitals.alarms import profile
from vitals.cli import main
from vitals.import_command import import_, moment
from vitals.recordings import read
from vitals.recordings.csv_times import us_of
from vitals.store.reader import Reader

DOSE = us_of(datetime(2019, 7, 11, 9, 48, tzinfo=UTC))


def run(*args: object) -> Result:
    return CliRunner().invoke(import_, [str(arg) for arg in args], standalone_mode=False)


def test_it_says_what_it_took_what_it_left_and_where_to_look(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    done = run(DEMO_2, "--store", store)
    assert done.exception is None
    assert "Intellivue: hr pr spo2 nibp_sys nibp_dia nibp_map pi rr ecg pleth" in done.output
    assert "Intellivue/ABP_SYS: not known" in done.output
    assert "so it is questionable" in done.output
    assert "TEST session" in done.output
    (record,) = Reader(store).sessions()
    assert f"vitals sessions show {record.session.id[:8]} --store {store}" in done.output
    assert (record.session.subject_ref, record.session.route) == ("REC-bc808b84", "iv")


def test_options_say_who_and_when(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    done = run(
        DEMO_2, "--store", store, "--subject", "KV-1", "--route", "im", "--dose-at", "11:48",
        "--real", "--json",
    )  # fmt: skip
    said = json.loads(done.stdout)
    (record,) = Reader(store).sessions()
    session = record.session
    assert said["session"] == session.id
    assert (session.subject_ref, session.route, session.mode) == ("KV-1", "im", "real")
    assert session.dose_us == DOSE


@pytest.mark.parametrize(
    "text", ["11:48", "11:48:00", "2019-07-11T11:48:00", "2019-07-11T09:48:00Z"]
)
def test_a_time_is_on_the_recordings_own_clock(text: str) -> None:
    assert moment(text, read(DEMO_2), "--dose-at") == DOSE


def test_a_time_can_be_counted_from_the_beginning() -> None:
    found = read(DEMO_2)
    assert moment("+1:30", found, "--from") == found.from_us + 90_000_000
    assert moment("+0:01:30", found, "--from") == found.from_us + 90_000_000


def test_a_part_of_it_can_be_imported(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    found = read(DEMO_2)
    assert run(DEMO_2, "--store", store, "--from", "+1:00", "--to", "+2:00").exception is None
    (record,) = Reader(store).sessions()
    at_us = Reader(store).numerics(record.session.id, "hr").at_us
    assert at_us[0] >= found.from_us + 60_000_000
    assert at_us[-1] < found.from_us + 120_000_000
    assert at_us.size > 50


def test_limits_and_record_are_the_configs(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text(
        profile.DEFAULT.read_text().replace("default-3", "clinic-9")
    )
    config = tmp_path / "clinic.toml"
    config.write_text(
        '[station]\nstore = "its.db"\nprofile = "limits.toml"\n[[room]]\nid = "r"\n'
        '[[room.device]]\nid = "d"\ndriver = "nonin-df2"\nurl = "serial:///dev/null"\n'
    )
    assert run(DEMO_1, "--config", config).exception is None
    (record,) = Reader(tmp_path / "its.db").sessions()
    assert "clinic-9" in record.profile_text


def test_a_csv_without_a_mapping_gets_a_proposal_and_is_not_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, store = tmp_path / "data.csv", tmp_path / "vitals.db"
    file.write_text("time,HR\n" + "".join(f"2026-03-01T08:00:{n:02}Z,70\n" for n in range(30)))
    with pytest.raises(SystemExit) as ended:
        main(["import", str(file), "--store", str(store)])
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert "--map" in said.err
    assert not store.exists()
    (tmp_path / "map.toml").write_text(said.out)
    done = run(file, "--map", tmp_path / "map.toml", "--store", store)
    assert done.exception is None
    (record,) = Reader(store).sessions()
    assert Reader(store).numerics(record.session.id, "hr").value.tolist() == [70.0] * 30


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("gone.vital",), "it cannot be read (No such file or directory); check the path"),
        ((DEMO_1, "--dose-at", "noon"), "write 2026-03-01T09:20:00+01:00, 09:20"),
        ((DEMO_1, "--room", "a b"), "a room's id is of letters"),
        ((DEMO_1, "--from", "+9:00"), "there is nothing in it between --from and --to"),
        ((DEMO_1, "--route", "nose"), "route must be one of"),
        ((DEMO_1, "--map", "gone.toml"), "cannot be read"),
        ((DEMO_1, "--store", "/nowhere/vitals.db"), "there is no folder /nowhere; make it"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: tuple[object, ...],
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["import", *(str(arg) for arg in args)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert why in " ".join(said.split())
    assert "Traceback" not in said
    assert not (tmp_path / "vitals.db").exists()


def test_a_demo_is_never_a_real_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.export import records
    from vitals.export.command import write

    data = records.read(records.write(tmp_path / "demo.db", 60, pleth=False, mode="demo"))
    write(data, "csv", tmp_path / "demo.zip", lambda _: None)
    with pytest.raises(SystemExit):
        main(["import", str(tmp_path / "demo.zip"), "--real", "--store", str(tmp_path / "a.db")])
    assert "it says that it is DEMO, so leave --real away" in capsys.readouterr().err
