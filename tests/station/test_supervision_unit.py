"""The systemd unit promises what the supervisor keeps."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from vitals import supervised, supervisor

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "kap-vitals.service"
MOST_EXPOSED = 2.0


def settings() -> dict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    for line in UNIT.read_text().splitlines():
        if match := re.fullmatch(r"([A-Za-z]+)=(.*)", line):
            found[match[1]].append(match[2])
    return found


def one(name: str) -> str:
    (value,) = settings()[name]
    return value


def test_it_waits_for_longer_than_the_program_takes() -> None:
    assert int(one("TimeoutStartSec")) > supervised.GRACE_S + 10
    assert int(one("TimeoutStopSec")) > 3 * supervised.STOP_S + 5
    assert int(one("WatchdogSec")) >= 2 * supervisor.STATION_KILL_S


def test_it_never_gives_up_and_stops_the_supervisor_alone() -> None:
    assert (one("Type"), one("NotifyAccess"), one("Restart")) == ("notify", "main", "always")
    assert int(one("RestartSec")) <= 2
    assert one("StartLimitIntervalSec") == "0"
    assert one("KillMode") == "mixed"


def test_it_keeps_patients_data_to_itself() -> None:
    assert (one("LimitCORE"), one("UMask"), one("StateDirectoryMode")) == ("0", "0077", "0700")


def test_the_boot_id_and_the_serial_ports_can_be_read() -> None:
    found = settings()
    assert "ProcSubset" not in found, "the clock asks /proc/sys which boot this is"
    assert "PrivateDevices" not in found
    assert {"char-ttyUSB rw", "char-ttyACM rw", "char-ttyS rw"} <= set(found["DeviceAllow"])
    assert {"AF_UNIX", "AF_INET", "AF_INET6"} <= set(one("RestrictAddressFamilies").split())


def test_it_runs_the_program() -> None:
    assert one("ExecStart").split()[1:3] == ["run", "--config"]


def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # a computer without systemd has nobody to ask
        return
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/bin/true", UNIT.read_text()))
    checked = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")
    rated = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager",
         f"--threshold={round(MOST_EXPOSED * 10)}", str(copy)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-200:]
