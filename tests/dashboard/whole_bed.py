"""One bed for whole sessions: an oximeter and a cuff on ptys, and the whole program for it.

The patient wears what a test says and has the pressures that it says: the record can then be
compared field by field. Everything else follows the simulated course of a session.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from devices import registry
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.e2e.wards import Clinic
from vitals.channels import NIBP

OXIMETER, CUFF = "r1-oximeter", "r1-cuff"
_DRIVERS = {OXIMETER: "nellcor", CUFF: "dinamap"}
_WORN = ("spo2", "pr", "pi")


class Worn(Patient):
    """A patient whose probe can be taken off, and whose cuff can fail.

    Attributes:
        probe_on: whether the oximeter has a finger.
        cuff_works: whether a blood pressure can be measured.
        pressure_now: what the cuff measures, systolic and diastolic.
    """

    probe_on = True
    cuff_works = True
    pressure_now = (124, 78)

    def value(self, channel: str) -> float | None:
        if channel in NIBP:
            sys, dia = self.pressure_now
            found = dict(zip(NIBP, (sys, dia, dia + (sys - dia) // 3), strict=True))
            return float(found[channel]) if self.cuff_works else None
        if channel in _WORN and not self.probe_on:
            return None
        return super().value(channel)

    def fault(self, code: str) -> bool:
        if code == "sensor_off" and not self.probe_on:
            return True
        if code in ("cuff_failure", "cuff_loose") and not self.cuff_works:
            return True
        return super().fault(code)


class Bed:
    """A bed in room 1, its plugs, and the config that names them."""

    def __init__(self, folder: Path, *, speed: float, route: str) -> None:
        self.speed = speed
        self.patient = Worn(7, route=route)
        self.plugs = {
            name: PtyEndpoint(
                SimulatedMonitor(registry.get(driver), self.patient, name=name), folder / name
            )
            for name, driver in _DRIVERS.items()
        }
        self._bedside = Bedside(self.patient, list(self.plugs.values()), speed=speed)

    def toml(self, port: int, store: str) -> str:
        devices = "".join(
            f'[[room.device]]\nid = "{name}"\ndriver = "{_DRIVERS[name]}"\n'
            f"url = {json.dumps(plug.url)}\n"
            for name, plug in self.plugs.items()
        )
        return (
            f'[station]\nid = "whole"\nmode = "test"\nspeed = {self.speed:g}\n'
            f"store = {json.dumps(store)}\n[web]\nport = {port}\n"
            f'[[room]]\nid = "room-1"\nlabel = "Room 1"\n{devices}'
        )

    def dose(self, fraction: float = 1.0) -> None:
        """The patient gets what the page is about to record."""
        self._bedside.dose(fraction=fraction)

    def start(self) -> None:
        self._bedside.start()

    def stop(self) -> None:
        self._bedside.stop()


@contextlib.contextmanager
def whole_clinic(folder: Path, *, speed: float, route: str) -> Iterator[tuple[Bed, Clinic]]:
    """(bed, program); both end whatever happens."""
    bed = Bed(folder, speed=speed, route=route)
    bed.start()
    clinic = None
    try:
        clinic = Clinic(folder, bed)  # type: ignore[arg-type]
        clinic.up()
        yield bed, clinic
    finally:
        if clinic is not None:
            clinic.stop()
        bed.stop()
