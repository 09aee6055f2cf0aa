"""What the rooms of a demo have been through before anybody looks.

One is at its peak, one not dosed yet, one recovering; the first patient has been here before.
Folded by the same rooms that the station will have, and written as the station would have: it
finds these sessions open, and goes on with them as after any restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulators.careful_nurse import CarefulNurse
from simulators.mishaps import ORDINARY, UNDISTURBED, Mishaps
from simulators.past_record import PastRecord, PastRoom
from simulators.patient import Patient
from simulators.visit import Visit
from vitals.alarms import profile
from vitals.config import Config
from vitals.errors import StoreError
from vitals.model import US, RoomDevice, StoreState
from vitals.room import Room

BEGAN_MIN = (52, 6, 108, 30)
"""Minutes for which the session of room 1, 2, 3, … has been open; about 9 of them before the
dose. The one that is not dosed yet has its second blood pressure now."""
EARLIER_DAYS = (7,)
"""How long ago the patient of room 1, 2, … was here before; a whole visit takes half a second."""


@dataclass(frozen=True, slots=True)
class PastPatient:
    """Who lies in a room.

    Attributes:
        room: its id.
        subject: the pseudonym.
        seed: of the visits.
        patient: is moved on to now, with what was given.
        devices: the room's, as the station has them: oximeter, cuff.
    """

    room: str
    subject: str
    seed: int
    patient: Patient
    devices: tuple[RoomDevice, RoomDevice]


def write(config: Config, text: str, patients: Sequence[PastPatient]) -> None:
    """Writes the record that the config names; the sessions in the rooms stay open.

    Args:
        config: of the demo.
        text: the same as a file.
        patients: one of each room, in their order.

    Raises:
        StoreError: it cannot be written.
    """
    past = _Past(config, text)
    for who, days in sorted(zip(patients, EARLIER_DAYS, strict=False), key=lambda one: -one[1]):
        past.earlier(who, days)
    for n, who in enumerate(patients):
        past.until_now(who, BEGAN_MIN[n % len(BEGAN_MIN)])
    past.close()


class _Past:
    def __init__(self, config: Config, text: str) -> None:
        self._config, self._profile = config, profile.load(config.station.profile)
        self._path: Path = config.station.store
        self._record = PastRecord(self._path, config.station.id, text)
        self._now_us = self._record.clock(config.station.speed).now_us()
        self._trouble = "the disk does not answer"
        self._record.start(self._told)

    def earlier(self, who: PastPatient, days: int) -> None:
        """A whole visit, so many days ago."""
        start_us = self._now_us - days * 86_400 * US
        seed = who.seed * 100 + days
        self._fold(who, seed, start_us, Patient(seed, route=who.patient.route), ORDINARY, None)

    def until_now(self, who: PastPatient, minutes: int) -> None:
        """The visit that goes on."""
        until_s = minutes * 60
        start_us = self._now_us - until_s * US
        self._fold(who, who.seed, start_us, who.patient, UNDISTURBED, until_s)
        who.patient.advance(until_s)

    def _fold(
        self,
        who: PastPatient,
        seed: int,
        start_us: int,
        patient: Patient,
        mishaps: Mishaps,
        until_s: int | None,
    ) -> None:
        oximeter, cuff = who.devices
        mode = self._config.station.mode
        room = Room(who.room, who.devices, self._profile, mode=mode)
        kept = PastRoom(self._record, room)
        devices = [device.id for device in who.devices]
        visit = Visit(
            seed,
            route=patient.route,
            mishaps=mishaps,
            oximeter=oximeter,
            cuff=cuff,
            physiology=patient.physiology,
            nurse=CarefulNurse(np.random.default_rng([seed, 14]), devices),
            until_s=until_s,
            subject=who.subject,
            room=who.room,
            start_us=start_us,
        )
        for item in visit.inputs(self._record.seq):
            outputs = room.step(item)
            kept.on_step(item, outputs)
            visit.tell(outputs)
        kept.write()

    def close(self) -> None:
        if not self._record.close():
            raise StoreError(f"the demo's past could not be recorded: {self._trouble}")

    def _told(self, state: StoreState) -> None:
        if not state.recording:
            self._trouble = state.detail
