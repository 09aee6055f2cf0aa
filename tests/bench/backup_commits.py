"""How long commits take while the record is backed up: `python -m tests.bench.backup_commits`.

A station's load of 16 rooms (three vital signs, four pleth packets a second each, one audit row) is
written to a record of some size while `vitals backup` copies it, again and again, as a process of
its own. Bar: no commit waits more than 50 ms because of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.store.build import KEY, T0, audit, session
from vitals.clock import US
from vitals.model import Numeric, Waveform
from vitals.store import keys
from vitals.store.writer import Writer

ROOMS = 16
_PLETH = np.arange(62, dtype=np.float32)


class _Load:
    def __init__(self, path: Path, key: bytes | None) -> None:
        self.writer = Writer(path, key=key, now_us=lambda: T0)
        self.writer.start()
        self._seq, self._second = self.writer.last_seq(), 0
        for room in range(ROOMS):
            self._seq += 1
            opened = session(f"session-{room}", room=f"room-{room}")
            self.writer.put_audit(audit(self._seq, session=opened.id), session=opened)

    def second(self) -> None:
        """One second of all rooms."""
        at_us = T0 + self._second * US
        self._second += 1
        for room in range(ROOMS):
            for channel in ("spo2", "pr", "pi"):
                self._seq += 1
                value = Numeric(f"d{room}", channel, at_us, 97.0)
                self.writer.put_numeric(f"session-{room}", self._seq, value)
            for quarter in range(4):
                self._seq += 1
                wave = Waveform(f"d{room}", "pleth", at_us + quarter * US // 4, 250.0, _PLETH)
                self.writer.put_wave(f"session-{room}", self._seq, wave)
        self._seq += 1
        self.writer.put_audit(audit(self._seq, session="session-0"))

    def commits(self, seconds: float, running: subprocess.Popen[bytes] | None) -> list[float]:
        """How long each commit took, ms, one a second."""
        took, end = [], time.monotonic() + seconds
        while time.monotonic() < end or (running is not None and running.poll() is None):
            before = self.writer.health().commits
            self.second()
            while self.writer.health().commits == before:
                time.sleep(0.001)
            took.append(self.writer.health().commit_s * 1000)
            time.sleep(0.1)
        return took


def _line(name: str, took: list[float]) -> str:
    p50, p99 = np.percentile(took, (50, 99))
    return (
        f"{name:22} {len(took):5} commits  p50 {p50:6.1f}  p99 {p99:6.1f}  max {max(took):6.1f} ms"
    )


def main() -> None:
    """Prints a line without and one with the backup."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=20, help="of all rooms in the record")
    options.add_argument("--encrypted", action="store_true")
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--folder", help="where; by default a temporary folder")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder, path = Path(name), Path(name) / "vitals.db"
        key = KEY if given.encrypted else None
        if key is not None:
            (folder / "key").write_text(key.hex())
            (folder / "key").chmod(0o600)
            keys.remember(path, f"file:{folder / 'key'}")
        load = _Load(path, key)
        for _ in range(int(given.minutes * 60)):
            load.second()
            while load.writer.health().queued > 5000:
                time.sleep(0.01)
        while load.writer.health().queued:
            time.sleep(0.01)
        sys.stdout.write(f"{path.stat().st_size / 1e6:.0f} MB\n")
        sys.stdout.write(_line("without a backup", load.commits(15, None)) + "\n")
        for n in range(given.times):
            began = time.monotonic()
            argv = [sys.executable, "-m", "vitals.cli", "backup", "--store", str(path)]
            running = subprocess.Popen([*argv, "--to", str(folder / f"{n}.db")])
            took = load.commits(0, running)
            took_s = time.monotonic() - began
            sys.stdout.write(_line(f"with ({took_s:.1f} s)", took) + "\n")
        load.writer.close()


if __name__ == "__main__":
    main()
