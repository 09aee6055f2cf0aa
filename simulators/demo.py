"""`vitals demo`: simulated rooms, real pseudo-terminals, the real station and the real pages.

This process owns the patients and their monitors, writes a config and a store into a temporary
folder, and supervises station and web as `vitals run` would. Only the demo opens sessions and
marks doses by itself; it does so with commands like any page's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from devices import registry
from simulators import ble, past, scenario
from simulators.bedside import Bedside
from simulators.endpoints import Endpoint, PtyEndpoint, TcpEndpoint
from simulators.faults import LineFault
from simulators.monitor import SimulatedMonitor
from simulators.past import PastPatient
from simulators.patient import Patient
from simulators.physiology import Physiology
from vitals import config, wire
from vitals.errors import FeedError
from vitals.follower import ask
from vitals.model import RoomDevice
from vitals.supervisor import Supervisor

if TYPE_CHECKING:
    from simulators.ble.endpoint import Air

log = logging.getLogger(__name__)

OXIMETERS = ("nonin-df2", "contec-v7")
CUFF = "dinamap"
BLE_OXIMETER, BLE_CUFF = "ble-plx", "ble-blood-pressure"
"""What the last room has, where Bluetooth can be simulated; never the only room."""
STORIES = ("calm", "desaturation", "hypertension", "mixed", "motion", "probe-off", "bradycardia",
           "cuff-failure")  # fmt: skip
"""What happens in room 1, 2, 3, … when no scenario is named."""
ROUTES = ("iv", "im", "intranasal", "sublingual")
FIRST_DOSE_S, DOSE_STEP_S = 60.0, 40.0
"""Patient seconds until the first room's dose, and between one room's and the next's."""
_CALM = (126.0, 80.0)
_SEEDS_APART = 1000


@dataclass(frozen=True, slots=True)
class DemoRoom:
    """One simulated room."""

    id: str
    subject: str
    story: scenario.Scenario
    bedside: Bedside
    toml: str
    past: PastPatient


class Demo:
    """Rooms, their config, and what the demo's own hand does in them."""

    def __init__(
        self,
        folder: Path,
        *,
        rooms: int,
        seed: int,
        speed: float,
        story: str | None,
        port: int,
        faults: Sequence[LineFault] = (),
        swaps_per_minute: float = 0.0,
        station: str = "demo",
        more: str = "",
    ) -> None:
        """Makes the rooms; without a `story` their sessions have been open for a while.

        `station` is its id; `more` stands in its config, too.
        """
        bad = (faults, swaps_per_minute)
        self._air = _air() if rooms > 1 and ble.installed() else None
        airs = [None] * (rooms - 1) + [self._air]
        self.rooms = [
            _room(folder, n, seed, speed, story, *bad, air) for n, air in enumerate(airs, 1)
        ]
        self.config_path = folder / "clinic.toml"
        own = f'id = "{station}"\nstore = "vitals.db"\nmode = "demo"\nspeed = {speed:g}\n'
        self.config_path.write_text(
            f"[station]\n{own}\n[web]\nport = {port}\n\n{more}"
            + "\n".join(room.toml for room in self.rooms),
            encoding="utf-8",
        )
        self.config = config.load(self.config_path)
        self._resumed = story is None
        if self._resumed:
            text = self.config_path.read_text(encoding="utf-8")
            past.write(self.config, text, [room.past for room in self.rooms])
        for room in self.rooms:  # what happens counts from now
            room.bedside.play(self._to_come(room))

    def _to_come(self, room: DemoRoom) -> scenario.Scenario:
        """The room's story, without a dose that was given already."""
        dosed = self._resumed and room.bedside.patient.physiology.doses
        return replace(room.story, dose_at_s=None) if dosed else room.story

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Runs until cancelled."""
        supervisor = Supervisor(self.config, self.config_path, on_ready=on_ready)
        try:
            for room in self.rooms:
                room.bedside.start()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(supervisor.run())
                for room in self.rooms:
                    tasks.create_task(self._act(room))
        finally:
            self.stop()

    def stop(self) -> None:
        """Unplugs everything."""
        for room in self.rooms:
            room.bedside.stop()
        if self._air is not None:
            self._air.stop()

    async def _act(self, room: DemoRoom) -> None:
        """Opens the session, and marks the dose when the patient gets it."""
        patient, route = room.bedside.patient, room.story.route or "iv"
        begin_s, dose_at_s = patient.now_s, self._to_come(room).dose_at_s
        if not self._resumed:
            await self._ask(room, "open_session", {"subject_ref": room.subject, "route": route})
        if dose_at_s is None:
            return
        # the bedside moves in a thread of its own, by patient time
        while patient.now_s < begin_s + dose_at_s:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await self._ask(room, "dose", {})

    async def _ask(self, room: DemoRoom, kind: str, args: dict[str, str]) -> None:
        message = wire.CommandMsg(
            id=str(uuid.uuid4()), kind=kind, room=room.id, name="demo", role="demo", args=args
        )
        while True:
            try:
                (result,) = await ask(self.config.feed_file, [message])
            except FeedError:
                await asyncio.sleep(0.25)  # the station is starting, or starting again
                continue
            if not result.ok:
                log.warning("%s: %s: %s", room.id, kind, result.error)
            return


def _room(
    folder: Path,
    number: int,
    seed: int,
    speed: float,
    story: str | None,
    faults: Sequence[LineFault],
    swaps_per_minute: float,
    air: Air | None,
) -> DemoRoom:
    index = number - 1
    told = scenario.load(story or STORIES[index % len(STORIES)])
    told = replace(
        told,
        route=told.route or ROUTES[index % len(ROUTES)],
        dose_at_s=FIRST_DOSE_S + index * DOSE_STEP_S if told.dose_at_s is None else told.dose_at_s,
    )
    seed_of = seed + index if story else _calm(seed + index)
    patient = Patient(seed_of, route=told.route or "iv")
    devices: list[RoomDevice] = []
    room_id = f"room-{number}"
    endpoints: list[Endpoint] = []
    lines = [f'[[room]]\nid = "{room_id}"\nlabel = "Room {number}"\n']
    cabled = (OXIMETERS[index % len(OXIMETERS)], CUFF)
    drivers = (BLE_OXIMETER, BLE_CUFF) if air else cabled
    for name, driver in zip(("oximeter", "bp"), drivers, strict=True):
        device = f"r{number}-{name}"
        endpoint = _endpoint(driver, patient, seed + number, faults, folder / device, air)
        endpoints.append(endpoint)
        devices.append(_as_bound(device, driver, 2 * index + len(devices)))
        lines.append(
            f'  [[room.device]]\n  id = "{device}"\n  driver = "{driver}"\n'
            f"  url = {json.dumps(endpoint.url)}\n"
        )
    bedside = Bedside(
        patient,
        endpoints,
        speed=speed,
        swaps_per_minute=0.0 if air else swaps_per_minute,  # there is no plug to take
        seed=seed + number,
    )
    subject = f"DEMO-{number:02d}"
    oximeter, cuff = devices
    before = PastPatient(room_id, subject, seed_of, patient, (oximeter, cuff))
    return DemoRoom(room_id, subject, told, bedside, "\n".join(lines), before)


def _calm(seed: int) -> int:
    """The next seed of a patient whose pressure before the dose is not near the gate's."""
    while True:
        baseline = Physiology(seed).baseline
        if baseline.sys <= _CALM[0] and baseline.dia <= _CALM[1]:
            return seed
        seed += _SEEDS_APART


def _as_bound(device: str, driver: str, rank: int) -> RoomDevice:
    """A device as the station will have it."""
    found = registry.get(driver)
    spot = found.mode == "spot"
    own = found.own_alarm
    return RoomDevice(device, found.channels, found.can, spot, found.period_s, rank, own)


def _endpoint(
    driver: str,
    patient: Patient,
    seed: int,
    faults: Sequence[LineFault],
    path: Path,
    air: Air | None,
) -> Endpoint:
    """On the air, or on a pseudo-terminal; Windows has none: there it is on `socket://`."""
    found = registry.get(driver)
    if air is not None:
        from simulators.ble.device import GattMonitor
        from simulators.ble.endpoint import BleEndpoint

        return BleEndpoint(GattMonitor(found, patient, seed=seed, faults=faults), air)
    monitor = SimulatedMonitor(found, patient, seed=seed, faults=faults)
    return TcpEndpoint(monitor) if sys.platform == "win32" else PtyEndpoint(monitor, path)


def _air() -> Air:
    from simulators.ble.endpoint import Air

    return Air()
