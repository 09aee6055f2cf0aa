"""What goes wrong in a soak, at random, by a thread of its own.

Processes are killed in the first third of the time only: memory is counted in those that then
live on. Cables, readers that do not read, locks of the record and a full disk go on to the end. The
clock is not set here: libfaketime, under the whole program, keeps the web from answering; a station
alone is in row 3 of the fault suite.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from websockets.sync.client import connect
from websockets.typing import Origin

from simulators.bedside import Bedside
from tests.bench.soak_listener import Ear
from tests.e2e.clinic import Program
from tests.e2e.test_record_in_trouble import fill
from tests.faults.test_row_05_locked import locked

log = logging.getLogger(__name__)
KILLS = 1 / 3
"""Of the whole time."""
UNPLUGGED_S, LOCKED_S, DEAF_S, FULL_S = (3.0, 20.0), (1.0, 6.0), 20.0, 4.0


class Faults:
    """Breaks things until it is stopped.

    Attributes:
        live_s: kind -> seconds until the program was live again, for each time.
        done: kind -> how often.
        error: what went wrong in the soak itself.
    """

    def __init__(
        self,
        clinic: Program,
        url: str,
        beds: list[Bedside],
        ear: Ear,
        *,
        seed: int,
        every_s: float,
        whole_s: float,
        disk: Path | None,
    ) -> None:
        self.live_s: defaultdict[str, list[float]] = defaultdict(list)
        self.done: defaultdict[str, int] = defaultdict(int)
        self.error: Exception | None = None
        self._clinic, self._url, self._beds, self._ear = clinic, url, beds, ear
        self._disk = disk
        self._rng = random.Random(seed)  # noqa: S311 (nothing secret)
        self._every_s, self._whole_s = every_s, whole_s
        self._began = time.monotonic()
        self._round: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults")

    def __enter__(self) -> Faults:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._rng.uniform(0.5, 1.5) * self._every_s):
                kind, fault = self._next()
                self.done[kind] += 1
                fault()
        except Exception as error:
            log.exception("the soak itself has failed")
            self.error = error

    def _next(self) -> tuple[str, Callable[[], None]]:
        """Each kind in its turn, in an order that changes from round to round."""
        possible = self._possible()
        waiting = [each for each in possible if each[0] not in self._round]
        if not waiting:
            self._round.clear()
            waiting = possible
        chosen = self._rng.choice(waiting)
        self._round.add(chosen[0])
        return chosen

    def _possible(self) -> list[tuple[str, Callable[[], None]]]:
        found = [
            ("unplug", self._unplug),
            ("locked record", self._locked),
            ("deaf reader", self._deaf),
        ]
        if time.monotonic() - self._began < self._whole_s * KILLS:
            found += [
                ("kill station", self._kill_station),
                ("hang station", self._hang_station),
                ("kill web", self._kill_web),
            ]
        if self._disk is not None:
            found.append(("full disk", self._fill))
        return found

    def _live(self, kind: str, began: float, alive: Callable[[], bool]) -> None:
        while not alive():
            if time.monotonic() - began > 120:
                raise AssertionError(f"not live again 120 s after: {kind}")
            if self._stop.wait(0.02):
                return
        self.live_s[kind].append(time.monotonic() - began)

    def _unplug(self) -> None:
        bed = self._rng.choice(self._beds)
        end = self._rng.choice(bed.endpoints)
        with bed._lock:
            end.unplug()
        self._stop.wait(self._rng.uniform(*UNPLUGGED_S))
        with bed._lock:
            end.replug()

    def _kill_station(self) -> None:
        self._clinic.kill("station")
        began = time.monotonic()
        self._live("kill station", began, lambda: self._ear.beat_at > began)

    def _hang_station(self) -> None:
        pid = self._clinic.child("station")
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        self._live("hang station", began, lambda: self._ear.beat_at > began + 2)

    def _kill_web(self) -> None:
        self._clinic.kill("web")
        began = time.monotonic()
        self._live("kill web", began, self._web_is_live)

    def _web_is_live(self) -> bool:
        try:
            with urlopen(f"{self._url}healthz", timeout=2) as answer:  # noqa: S310 (our own)
                return b'"live"' in answer.read(10_000)
        except (URLError, OSError):
            return False

    def _locked(self) -> None:
        with locked(self._clinic.store):
            self._stop.wait(self._rng.uniform(*LOCKED_S))
        began = time.monotonic()
        self._live("locked record", began, self._recording)

    def _recording(self) -> bool:
        return self._ear.recording and time.monotonic() - self._ear.beat_at < 2

    def _deaf(self) -> None:
        address = self._url.replace("http", "ws", 1) + "live?waves=room-1"
        try:
            with connect(
                address, origin=Origin(self._url.rstrip("/")), max_queue=1,
                ping_interval=None, close_timeout=0.1,
            ):  # fmt: skip
                self._stop.wait(DEAF_S)
        except OSError:
            log.info("the web was away when a reader came")

    def _fill(self) -> None:
        assert self._disk is not None
        filler = fill(self._disk)
        self._stop.wait(FULL_S)
        filler.unlink()
        began = time.monotonic()
        self._live("full disk", began, self._recording)
