"""The station: devices, rooms, alarms, record and feed of one PC, in one asyncio loop for life.

Everything that happens goes the same way: an input gets the station's next `seq`, the room folds
it, and then input and outputs go to the record (a queue) and to the hub (the feed). Nothing here
waits for disk, network or page; a full disk or a locked database is a condition, not a stop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace

from vitals import messages, wire
from vitals.alarms.profile import Profile
from vitals.callout import CallOut
from vitals.claims import Claims, claims_of
from vitals.clock import Clock
from vitals.commands import Commands, Reply
from vitals.config import Config
from vitals.device_desk import DeviceDesk, sources
from vitals.device_status import EVERY_S, DeviceStatuses
from vitals.errors import CommandError
from vitals.freshness import slack_s
from vitals.hub import Hub
from vitals.model import (
    US,
    Alarm,
    Audience,
    Bind,
    DeviceRequest,
    Event,
    Input,
    Level,
    Link,
    Notice,
    Numeric,
    Priority,
    Resume,
    Rule,
    StoreState,
    Tick,
    Unbind,
    Waveform,
)
from vitals.paging import Pager
from vitals.publisher import Publisher
from vitals.record import Record
from vitals.resuming import Resuming
from vitals.room import Room
from vitals.session.care import Care
from vitals.station_device import Keeper, MakeKeeper, StationDevice
from vitals.station_watch import Watch

log = logging.getLogger(__name__)

TICK_S = 0.1
TICK_LAG_S = 0.05
"""Ticks run a little behind, so that a sample on its way from its port is never overtaken."""
BEAT_S = 1.0
LATE_S = 1.0
"""A loop that is later than this is reported: something blocks the station."""
FAULT = Rule("fault", "", "technical", (Level(Priority.HIGH, None),), "NOT MONITORED: restart")
"""Shown for a room in which the program itself has failed."""


class Station:
    """Wires the rooms of one config to keepers, record and hub."""

    def __init__(
        self,
        config: Config,
        profile: Profile,
        devices: Mapping[str, StationDevice],
        make_keeper: MakeKeeper,
        hub: Hub,
        record: Record,
        clock: Clock,
        care: Care | None = None,
        claims: Claims | None = None,
    ) -> None:
        self._config = config
        self._profile = profile
        self._devices = devices
        self._hub = hub
        self._record = record
        self._clock = clock
        self._seq = record.seq
        slack = slack_s(clock.speed)
        self._rooms: dict[str, Room] = {}
        self.claims = claims_of(config) if claims is None else claims
        self._desk = DeviceDesk(config, devices, self.claims, hub)
        self._keepers: dict[str, Keeper] = {}
        self._recording = StoreState(clock.now_us(), recording=True)
        self._late_ms = 0.0
        self._ended = False
        self._unread = ""
        self._faults: set[str] = set()
        self._untold: set[str] = set()
        for room in config.room:
            self._rooms[room.id] = Room(
                room.id,
                self._desk.of_room(room.id),
                profile,
                mode=config.station.mode,
                auto_nibp=room.auto_nibp,
                slack_us=round(slack * US),
                escalation_s=tuple(step.after_s for step in config.escalation),
                prefer={channel: tuple(ids) for channel, ids in room.prefer.items()},
                care=care,
            )
        for device in self._desk.room_of:
            self._keepers[device] = make_keeper(device, self._on_events, self._on_link)
        self._desk.rooms, self._desk.keepers = self._rooms, self._keepers
        self._desk.step, self._desk.relink = self._place, self._on_link
        self._statuses = DeviceStatuses(self._keepers, self.claims.strangers)
        self.watch = Watch(clock.now_us, self._tell_all)
        pager = Pager(
            config.escalation,
            config.station.alarm_command,
            config.station.id,
            self._log_page,
            mode=config.station.mode,
        )
        labels = {room.id: room.name for room in config.room}
        self._callout = CallOut(pager, labels, lambda room, rule: self._rooms[room].alarm(rule))
        periods = {device.id: device.period_s for device in devices.values()}
        self._out = Publisher(
            hub, record, self._callout, profile, config.station.mode, periods, slack
        )
        self._out.on_request = self._scheduled
        self._commands = Commands(
            self._rooms, self._keepers, self._desk, record, self._out, self._callout, hub, clock
        )
        self._commands.done = self._tell_care
        self._resuming = Resuming(self._rooms, self._step, record, self._out, hub, profile.text)
        rooms = [self._room_message(room.id, room.name) for room in config.room]
        hub.configure([*rooms, *self._desk.spare()])

    # --- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Resumes open sessions and runs until cancelled; a dead task ends the station."""
        loop = asyncio.get_running_loop()

        def told(state: StoreState) -> None:
            loop.call_soon_threadsafe(self._on_store, state)

        self._record.start(told)
        if self.claims.damaged:
            log.error("%s", self.claims.damaged)
            body = {"event": "claims_lost", "detail": self.claims.damaged}
            self._record.station_event(next(self._seq), self._clock.now_us(), body)
        self._unread = self._resume()
        if self._unread:
            log.error("open sessions go on as soon as the record can be read: %s", self._unread)
        try:
            async with asyncio.TaskGroup() as tasks:
                for device, keeper in self._keepers.items():
                    tasks.create_task(keeper.run(), name=f"keeper {device}")
                tasks.create_task(self._ticker(), name="ticker")
                tasks.create_task(self._beat(), name="beat")
                tasks.create_task(self._tell_statuses(), name="devices")
                if self._unread:
                    tasks.create_task(self._resume_later(), name="resume")
        finally:
            self._ended = True
            await self._callout.close()
            await self._commands.close()
            await asyncio.to_thread(self.claims.close)

    async def _ticker(self) -> None:
        due = time.monotonic()
        while True:
            due += TICK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late_s = time.monotonic() - due
            if late_s > LATE_S:
                self._late(late_s)
                due = time.monotonic()
            self.tick()

    def tick(self) -> None:
        """Lets time pass in all rooms."""
        now_us = self._clock.now_us() - round(TICK_LAG_S * self._clock.speed * US)
        for room in self._rooms.values():
            self._step(room, Tick(now_us), now_us)

    def _late(self, late_s: float) -> None:
        log.warning("the station's loop was %.1f s late", late_s)
        self.watch.late(late_s)

    def _tell_all(self, body: Notice | Audience) -> None:
        """Something about the station itself is an input of every room, and is recorded."""
        for room in self._rooms.values():
            seq = self._step(room, body, body.at_us)
            if isinstance(body, Notice):
                self._record.notice(seq, room.id, _session_id(room), body)
        if isinstance(body, Audience):
            event = {"event": "audience", "armed": body.armed}
            self._record.station_event(next(self._seq), body.at_us, event)

    def _log_page(self, body: Mapping[str, object]) -> None:
        if self._ended:
            return  # the record is being closed
        self._record.station_event(next(self._seq), self._clock.now_us(), body)

    async def _beat(self) -> None:
        while True:
            self._record.stalled(time.monotonic())
            self.watch.look()
            for room in self._rooms.values():
                self._tell_care(room)
            self._desk.expire(self._clock.now_us())
            self._hub.publish(
                wire.BeatMsg(
                    seq=next(self._seq),
                    now_us=self._clock.now_us(),
                    speed=self._clock.speed,
                    recording=self._recording.recording,
                    detail=self._recording.detail,
                    late_ms=round(self._late_ms, 3),
                    armed=self.watch.armed,
                    store=messages.store(self._record.health()),
                )
            )
            self._late_ms = 0.0
            await asyncio.sleep(BEAT_S)

    def _tell_care(self, room: Room) -> None:
        """Gate, discharge and what is owed; whatever goes wrong here, monitoring goes on."""
        try:
            self._out.care(room, self._clock.now_us())
        except Exception:
            if room.id not in self._untold:
                self._untold.add(room.id)
                log.exception("%s: gate and discharge cannot be shown", room.id)

    async def _tell_statuses(self) -> None:
        while True:
            for status in self._statuses.changed(self._desk.room_of):
                status.seq = next(self._seq)
                self._hub.publish(status)
            await asyncio.sleep(EVERY_S)

    # --- inputs -------------------------------------------------------------------------------

    def _on_events(self, events: list[Numeric | Waveform | Notice]) -> None:
        for event in events:
            room = self._rooms.get(self._desk.room_of[event.device])
            if room is None:
                self._roam(event)  # its device is in no room: it speaks for nobody yet
                continue
            match event:
                case Numeric():
                    self._numeric(room, event)
                case Waveform():
                    self._waveform(room, event)
                case Notice():
                    self._statuses.notice(event)
                    seq = self._step(room, event, event.at_us)
                    self._record.notice(seq, room.id, _session_id(room), event)
                    self._hub.publish(messages.notice(room.id, seq, event))

    def _numeric(self, room: Room, numeric: Numeric) -> None:
        seq = self._step(room, numeric, numeric.at_us)
        late_us = self._clock.now_us() - numeric.at_us
        self._late_ms = max(self._late_ms, late_us / 1000 / self._clock.speed)
        if room.session is not None:
            self._record.numeric(room.session.id, seq, numeric)
        if room.primary(numeric):
            self._out.numeric(room, seq, room.judged or numeric)

    def _roam(self, event: Numeric | Waveform | Notice) -> None:
        """A reading of a device in no room waits until somebody says whose it is."""
        if isinstance(event, Numeric):
            self._desk.roam(event)

    def _waveform(self, room: Room, wave: Waveform) -> None:
        seq = next(self._seq)
        if room.session is not None:
            self._record.wave(room.session.id, seq, wave)
        self._hub.publish(messages.wave(room.id, seq, wave))

    def _on_link(self, link: Link) -> None:
        self._desk.links[link.device] = link
        at = self._desk.room_of[link.device]
        room = self._rooms.get(at)
        if room is None:
            self._hub.publish(messages.link(at, next(self._seq), link))
            return
        seq = self._step(room, link, link.at_us)
        self._record.link(seq, room.id, _session_id(room), link)
        self._hub.publish(messages.link(room.id, seq, link))

    def _place(self, room: Room, body: Bind | Unbind) -> None:
        before = _session_id(room)
        seq = self._step(room, body, body.at_us)
        self._record.placed(seq, room.id, before, body)

    def _on_store(self, state: StoreState) -> None:
        if self._ended:
            return  # the record is being closed: what it says of itself has no place any more
        if (state.recording, state.detail) != (self._recording.recording, self._recording.detail):
            words = "RECORDING" if state.recording else "NOT RECORDING"
            log.warning("%s%s", words, f": {state.detail}" if state.detail else "")
        if (state.recording, state.detail) != (self._recording.recording, self._recording.detail):
            now_us = self._clock.now_us()
            state = replace(state, at_us=now_us)
            for room in self._rooms.values():
                self._step(room, state, now_us)
            body = {"event": "recording", "recording": state.recording, "detail": state.detail}
            self._record.station_event(next(self._seq), now_us, body)
        self._recording = state

    def on_command(self, message: wire.CommandMsg, reply: Reply) -> None:
        """Does what a person asks; the answer follows the commit, or after 2 s says it did not."""
        self._commands.take(message, reply, unread=self._unread)

    # --- one step -----------------------------------------------------------------------------

    def _step(
        self,
        room: Room,
        body: Numeric | Notice | Link | StoreState | Audience | Tick | Resume | Bind | Unbind,
        at_us: int,
    ) -> int:
        seq = next(self._seq)
        before = _session_id(room)
        if at_us < room.now_us and before is not None and not isinstance(body, Tick):
            self._record.late(next(self._seq), room.now_us, before, room.id, seq)
        try:
            outputs = room.step(Input(seq, at_us, body))
        except Exception as error:
            self._fault(room, error)
            return seq
        if outputs:
            self._out.outputs(room, outputs, before or _session_id(room))
        return seq

    def _fault(self, room: Room, error: Exception) -> None:
        """A fault of ours in one room is that room's highest alarm, and no other room's trouble."""
        if room.id in self._faults:
            return
        self._faults.add(room.id)
        log.error("%s is not monitored", room.id, exc_info=error)
        now_us, seq = self._clock.now_us(), next(self._seq)
        fault = Alarm(
            room.id, FAULT.id, 0, Priority.HIGH, "active", onset_us=now_us, text=FAULT.label
        )
        self._hub.publish(messages.alarm(seq, fault, FAULT))
        self._record.station_event(seq, now_us, {"event": "fault", "room": room.id})

    def _scheduled(self, room: Room, seq: int, wanted: DeviceRequest) -> None:
        """A reading that the schedule asks for; a device that cannot leaves it owed."""
        try:
            self._keepers[wanted.device].request(wanted.request)
        except CommandError as error:
            log.info("scheduled reading: %s", error, extra={"device": wanted.device})
            body = {"device": wanted.device, "error": str(error)}
            event = Event(self._clock.now_us(), "reading_refused", body)
            self._record.event(seq, room.id, _session_id(room), event)

    # --- restart ------------------------------------------------------------------------------

    def _resume(self) -> str:
        """Sessions that were open go on; why not, if nobody knows of them."""
        why_not = self._resuming.run(self._clock.now_us())
        for room in self._rooms.values():
            self._tell_care(room)
        return why_not

    async def _resume_later(self) -> None:
        # the record may come to be readable by any hand
        while self._unread:
            await asyncio.sleep(BEAT_S)
            self._unread = self._resume()

    def _room_message(self, room_id: str, label: str) -> wire.RoomMsg:
        room = self._rooms[room_id]
        return wire.RoomMsg(
            id=room_id,
            label=label,
            devices=self._desk.messages(room_id),
            sources=sources(room),
            session=messages.session(room_id, 0, None, self._config.station.mode, []),
            limits=messages.limits(self._profile.rules),
        )


def _session_id(room: Room) -> str | None:
    return room.session.id if room.session is not None else None
