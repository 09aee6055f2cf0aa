"""Beds with an oximeter each, on pseudo-terminals, and the part of a config that names them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devices import registry
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.e2e.clinic import wait_for
from tests.e2e.wards import FALL, Clinic, Ward

DRIVER = "nonin-df2"
START_S = 120.0


@dataclass(frozen=True, slots=True)
class Beds:
    """The same patient in every bed.

    Attributes:
        rooms: ids of the rooms, `room-0` and so on.
        ends: the plugs, in the same order.
        config: the whole text of a config.
        bedside: what moves them.
    """

    rooms: tuple[str, ...]
    ends: tuple[PtyEndpoint, ...]
    config: str
    bedside: Bedside

    def fall(self) -> None:
        """SpO2 falls from now on."""
        self.bedside.play(FALL)


@contextlib.contextmanager
def beds(
    folder: Path, count: int, *, store: Path | None = None, station: str = "", speed: float = 1.0
) -> Iterator[Beds]:
    """Moves them meanwhile; `station` are more lines of the config's table of that name."""
    patient, driver = Patient(1), registry.get(DRIVER)
    ends = tuple(
        PtyEndpoint(SimulatedMonitor(driver, patient, seed=i), folder / f"usb-{i}")
        for i in range(count)
    )
    rooms = tuple(f"room-{i}" for i in range(count))
    station += f"speed = {speed:g}\n"
    where = f'store = "{store}"\n' if store else ""
    config = f'[station]\nmode = "test"\n{where}{station}' + "".join(
        f'[[room]]\nid = "{room}"\n  [[room.device]]\n  id = "ox-{room}"\n'
        f'  driver = "{DRIVER}"\n  url = "{end.url}"\n'
        for room, end in zip(rooms, ends, strict=True)
    )
    with Bedside(patient, ends, speed=speed) as bedside:
        yield Beds(rooms, ends, config, bedside)


@contextlib.contextmanager
def clinic_of(folder: Path, ward: Ward) -> Iterator[Clinic]:
    """`vitals run` for a ward, however long a busy computer takes to start it."""
    ward.start()
    clinic = None
    try:
        clinic = Clinic(folder, ward)
        wait_for(lambda: clinic.url in clinic.said(), "address", START_S)
        yield clinic
    finally:
        if clinic is not None:
            clinic.stop()
        ward.stop()
