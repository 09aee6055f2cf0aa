"""What each process loads, and how fast the command line answers."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"numpy", "dash", "plotly", "apsw", "pydantic", "serial", "bleak", "websockets", "fastapi"}
PAGES = {"dash", "plotly", "fastapi", "uvicorn", "fpdf", "reportlab", "dashboard"}


def loaded_by(code: str) -> set[str]:
    """Top-level modules in memory after running a piece of code in a new interpreter."""
    program = f"{code}\nimport sys; print(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_help_loads_nothing_heavy() -> None:
    code = "from vitals.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert not HEAVY & loaded_by(code)


def test_help_answers_within_half_a_second() -> None:
    command = [sys.executable, "-m", "vitals.cli", "--help"]
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_the_station_loads_no_page_and_no_export_library() -> None:
    code = "import devices.station_process, devices.registry as r; [r.get(n) for n in r.names()]"
    assert not PAGES & loaded_by(code)


def test_every_command_of_the_table_exists() -> None:
    from click.testing import CliRunner

    from vitals.cli import COMMANDS, cli

    for name in COMMANDS:
        result = CliRunner().invoke(cli, [name, "--help"])
        assert result.exit_code == 0, name


def test_the_package_list_is_complete() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for top in ("vitals", "devices", "dashboard", "simulators")
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert listed == found


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_locked_versions_name_no_address(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    locked = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for requirement in wanted:
        name = requirement.split("[")[0].split(">")[0].split("=")[0].strip().lower()
        assert name in locked, requirement
