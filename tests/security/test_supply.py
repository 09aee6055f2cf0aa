"""What the program is made of, told to others: the SBOM and the audit of `.ci`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
REGISTRIES = re.compile(r"https?://|/simple\b|index-url", re.IGNORECASE)


def run(script: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / script, *args],
        capture_output=True, text=True, check=False, timeout=120, env=env or None, cwd=ROOT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    done = run("sbom", str(path))
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


def test_the_sbom_names_everything_that_is_needed_with_its_version(sbom: Any) -> None:
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    found = {each["name"]: each["version"] for each in sbom["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in project["dependencies"]:
        name = re.sub(r"[-_.]+", "-", re.split(r"[\[<>=; ]", line)[0]).lower()
        assert found[name] == metadata.version(name)
    assert {"starlette", "pydantic-core", "argon2-cffi-bindings"} <= set(found)  # needs of needs
    assert not {"pytest", "ruff", "hypothesis"} & set(found)
    assert all(each.get("licenses") for each in sbom["components"] if each["name"] == "dash")


def test_every_reference_of_the_sbom_is_in_it(sbom: Any) -> None:
    refs = [each["bom-ref"] for each in sbom["components"]]
    refs.append(sbom["metadata"]["component"]["bom-ref"])
    assert len(refs) == len(set(refs))
    for each in sbom["dependencies"]:
        assert each["ref"] in refs
        assert set(each["dependsOn"]) <= set(refs)


def test_the_sbom_names_no_registry(sbom: Any) -> None:
    assert not REGISTRIES.search(json.dumps(sbom))


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 of 1 versions audited, 0 vulnerable"),
        ([{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}], 1,
         "a 1: CVE-1; mended in 2"),
        ([{"name": "a", "skip_reason": "not found"}], 0, "NOT AUDITED"),
        ([{"name": "a", "skip_reason": "x"}, {"name": "b", "version": "1", "vulns": []}], 0,
         "unknown to the service: a"),
        (None, 0, "NOT AUDITED"),
    ],
)  # fmt: skip
def test_the_audit_says_what_it_found_and_when_it_found_nothing_out(
    tmp_path: Path, told: Any, code: int, words: str
) -> None:
    """A tool that answers as pip-audit does; None: no service was reached."""
    tool = tmp_path / "tool.py"
    answer = json.dumps(json.dumps({"dependencies": told})) if told else '"no route"'
    tool.write_text(f"import sys\nsys.stdout.write({answer})\n")
    done = run("audit", str(tmp_path / "audit.json"), PIP_AUDIT=f"{sys.executable} {tool}")
    assert done.returncode == code, done.stderr
    assert words in done.stdout
    assert not REGISTRIES.search(done.stdout + done.stderr)
