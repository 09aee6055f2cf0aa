"""A patient and the monitors at the bed, moved together: the patient once, each monitor once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import numpy as np

from simulators.endpoints import Endpoint
from simulators.faults import Strikes
from simulators.patient import Patient
from simulators.scenario import Scenario

TICK_S = 0.02
LONGEST_S = 1.0
"""After a stall (a suspended computer) this much is caught up; what is older was never sent."""

Log = Callable[[float, str, str, bytes], None]
"""(patient seconds, monitor, what, bytes) as it happens; what: "host", "device", "link down",
"link up", "swapped with …"."""


def no_log(at_s: float, monitor: str, what: str, data: bytes) -> None:
    """Logs nothing."""


class Bedside:
    """One bed. `advance` moves it by hand; `start` lets one thread do so in real time.

    Args:
        patient: who lies there.
        endpoints: the monitors, where they are plugged in.
        scenario: begins at once.
        speed: patient seconds per real second.
        log: is told what goes over the wires.
        swaps_per_minute: how often two monitors change their places, at random; 0 = never.
        seed: of the swaps.
    """

    def __init__(
        self,
        patient: Patient,
        endpoints: Sequence[Endpoint],
        *,
        scenario: Scenario | None = None,
        speed: float = 1.0,
        log: Log = no_log,
        swaps_per_minute: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.patient = patient
        self.endpoints = tuple(endpoints)
        self.speed = speed
        self._log = log
        self._rng = np.random.default_rng([seed, 4])
        self._swaps = Strikes(swaps_per_minute, self._rng) if swaps_per_minute else None
        self._dropped = [False] * len(self.endpoints)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        if scenario is not None:
            self.play(scenario)

    def play(self, scenario: Scenario) -> None:
        """Starts a scenario now."""
        with self._lock:
            self.patient.play(scenario)

    def dose(self, *, route: str | None = None, fraction: float = 1.0) -> None:
        """Gives a dose now."""
        with self._lock:
            self.patient.dose(route=route, fraction=fraction)

    def swap(self, first: int = 0, second: int = 1) -> None:
        """Two monitors change their places, as when somebody takes the wrong plug."""
        with self._lock:
            self._swap(first, second)

    def advance(self, dt_s: float) -> None:
        """Lets `dt_s` patient seconds pass, and carries the bytes of that time."""
        with self._lock:
            self.patient.advance(dt_s)
            self.patient.cuff(any(end.monitor.inflating for end in self.endpoints))
            if self._swaps and len(self.endpoints) > 1 and self._swaps.due(self.patient.now_s):
                first, second = self._rng.choice(len(self.endpoints), 2, replace=False)
                self._swap(int(first), int(second))
            for i, endpoint in enumerate(self.endpoints):
                self._plug(i, endpoint)
                self._carry(endpoint, dt_s)

    def skip(self, dt_s: float) -> None:
        """Lets time pass in which no byte gets out."""
        with self._lock:
            self.patient.advance(dt_s)
            for endpoint in self.endpoints:
                endpoint.monitor.skip(dt_s)

    def start(self) -> None:
        """Begins to move by itself."""
        if self._thread is not None:
            raise RuntimeError("this bedside moves already")
        self._thread = threading.Thread(target=self._run, name="bedside", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Waits until `stop`, at most this long; raises what went wrong while it moved."""
        self._ended.wait(timeout_s)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Stands still for good and unplugs everything; raises what went wrong."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        for endpoint in self.endpoints:
            endpoint.stop()
        self.wait(0)

    def __enter__(self) -> Bedside:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._move()
        except Exception as error:  # raised again by `wait` and `stop`
            self._error = error
            self._ended.set()

    def _move(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(TICK_S):
            now = time.monotonic()
            elapsed, last = now - last, now
            if elapsed > LONGEST_S:
                self.skip((elapsed - LONGEST_S) * self.speed)
                elapsed = LONGEST_S
            self.advance(elapsed * self.speed)

    def _swap(self, first: int, second: int) -> None:
        one, other = self.endpoints[first], self.endpoints[second]
        self._log(self.patient.now_s, one.monitor.name, f"swapped with {other.monitor.name}", b"")
        one.monitor, other.monitor = other.monitor, one.monitor

    def _plug(self, i: int, endpoint: Endpoint) -> None:
        """Follows `link_drop` and `replug`; a plug pulled by hand is left as it is."""
        name = endpoint.monitor.name
        drops = self.patient.present("link_drop")
        dropped = endpoint.monitor.unplugged or any(e.monitor in ("", name) for e in drops)
        if dropped == self._dropped[i]:
            return
        self._dropped[i] = dropped
        self._log(self.patient.now_s, name, "link down" if dropped else "link up", b"")
        if dropped:
            endpoint.unplug()
        else:
            endpoint.replug()

    def _carry(self, endpoint: Endpoint, dt_s: float) -> None:
        monitor, now_s = endpoint.monitor, self.patient.now_s
        received = endpoint.read()
        if received:
            self._log(now_s, monitor.name, "host", received)
            monitor.receive(received)
        sent = monitor.advance(dt_s)
        if sent:
            self._log(now_s, monitor.name, "device", sent)
            endpoint.write(sent)
