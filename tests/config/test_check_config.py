"""What `vitals check-config` shows: limits in every form, the escalation, what reaches nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vitals.cli import main
from vitals.in_force import escalation_rows, limit_rows
from vitals.model import Level, Priority, Rule

HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW
SBP = {"id": "sbp", "channel": "nibp_sys", "side": "high", "by_reading": True}
SPO2 = {"id": "spo2", "channel": "spo2", "side": "low"}
NO_DATA = {"id": "none", "channel": "spo2", "side": "technical"}
ENTERED = {"id": "moaas-low", "channel": "moaas-of-another-day", "side": "low", "by_reading": True}

ROWS = [
    (SPO2, Level(HIGH, 88, 10, strict=True), "< 88 %", "10 s", "inside", "always"),
    (SPO2, Level(HIGH, 88), "≤ 88 %", "at once", "inside", "always"),
    (SPO2, Level(HIGH, 88, clear=90, release_s=10), "≤ 88 %", "at once", "≥ 90, 10 s", "always"),
    (
        SPO2,
        Level(HIGH, 80, 5, samples=2),
        "≤ 80 %",
        "2 good samples, or 5 s",
        "inside",
        "always",
    ),
    (SPO2, Level(MEDIUM, 92, 15, sat_seconds=50), "≤ 92 %", "SatSeconds 50", "inside", "always"),
    (
        SPO2,
        Level(MEDIUM, None, 60, over_baseline=4, clear=None),
        "≤ baseline - 4 %",
        "60 s",
        "inside",
        "always",
    ),
    (
        SBP,
        Level(MEDIUM, 160, clear=155, over_baseline=40, readings=2),
        "≥ 160 mmHg, or ≥ baseline + 40 mmHg",
        "2nd reading sounds, the first is shown",
        "5 mmHg inside, next reading",
        "always",
    ),
    (
        SBP,
        Level(Priority.INFO, None, over_baseline_pct=20),
        "≥ baseline + 20 %",
        "each reading",
        "inside, next reading",
        "always",
    ),
    (
        SBP,
        Level(HIGH, 180, clear=175, readings=3, after_dose=True),
        "≥ 180 mmHg",
        "3rd reading sounds, the first is shown",
        "≤ 175, next reading",
        "after the dose",
    ),
    (
        SBP,
        Level(HIGH, 180, phases=("DESCENT", "RECOVERY"), minutes=(0, 40)),
        "≥ 180 mmHg",
        "each reading",
        "inside, next reading",
        "0 to 40 min after the dose, in DESCENT, RECOVERY",
    ),
    (NO_DATA, Level(LOW, None, 5), "", "5 s", "", "always"),
    (NO_DATA, Level(HIGH, None, 120, after_dose=True), "", "120 s", "", "after the dose"),
    (ENTERED, Level(HIGH, 1), "≤ 1", "each reading", "inside, next reading", "always"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2] or row[3])
def test_every_form_of_a_limit_is_shown(
    row: tuple[dict[str, object], Level, str, str, str, str],
) -> None:
    rule, level, *words = row
    shown = limit_rows([Rule(levels=(level,), **rule)])[1]  # type: ignore[arg-type]
    assert shown == (rule["id"], level.priority.value, *words)


def test_each_level_has_a_row_of_its_own() -> None:
    rule = Rule("a", "spo2", "low", (Level(MEDIUM, 92), Level(HIGH, 88)))
    assert [row[2] for row in limit_rows([rule])] == ["LIMIT", "≤ 92 %", "≤ 88 %"]


def shown(folder: Path, capsys: pytest.CaptureFixture[str], text: str) -> str:
    (folder / "clinic.toml").write_text(text + '[[room]]\nid = "room-1"\n')
    main(["check-config", str(folder / "clinic.toml")])
    out = capsys.readouterr()
    assert out.err == ""
    return out.out


def test_the_shipped_escalation_names_whom_it_does_not_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(tmp_path, capsys, "")
    assert "\nspo2-low" in out
    assert [line.split() for line in out.splitlines() if line.startswith(("1 ", "2 ", "3 "))] == [
        ["1", "30", "s", "all", "pages", "pages"],
        ["2", "60", "s", "second", "recipient", "nobody"],
        ["3", "120", "s", "prescriber", "nobody"],
    ]
    assert [line for line in out.splitlines() if line.startswith("warning")] == [
        "warning: step 2 (60 s, second recipient) reaches nobody: give it a command or a webhook",
        "warning: step 3 (120 s, prescriber) reaches nobody: give it a command or a webhook",
        "warning: no sound on the station PC: set station.alarm_command",
    ]
    assert out.endswith("clinic.toml: ok, 1 rooms, 0 devices, 3 warnings\n")


def test_an_escalation_that_reaches_somebody_is_no_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(
        tmp_path,
        capsys,
        f"""
        [station]
        alarm_command = ["{sys.executable}", "-c", "pass"]
        [[escalation]]
        after_s = 20
        to = "all pages"
        [[escalation]]
        after_s = 40
        to = "second nurse"
        command = ["{sys.executable}"]
        webhook = "https://hooks.example/s3cret"
        """,
    )
    assert "warning:" not in out
    assert f"command {sys.executable} + webhook https://hooks.example\n" in out
    assert "are given the room's label and the alarm's text" in out
    assert "s3cret" not in out
    assert out.endswith("ok, 1 rooms, 0 devices, 0 warnings\n")


def test_programs_that_are_not_there_are_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(
        tmp_path,
        capsys,
        """
        [station]
        alarm_command = ["./no-sound.sh"]
        [[escalation]]
        after_s = 20
        to = "second nurse"
        command = ["no-such-pager"]
        """,
    )
    assert (
        "warning: step 1 (20 s, second nurse): there is no program no-such-pager; "
        "install it, or correct the command\n"
    ) in out
    assert f"no sound on the station PC: there is no program {tmp_path}/no-sound.sh; " in out
    assert out.endswith("2 warnings\n")


def test_no_escalation_at_all_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(tmp_path, capsys, "escalation = []\n")
    assert "warning: there is no step of escalation: a high alarm reaches the pages only" in out
    assert escalation_rows([]) == [("STEP", "AFTER", "TO", "HOW")]
