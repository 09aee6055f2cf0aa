"""A room with an oximeter and a cuff monitor, and short words to feed it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vitals.alarms.profile import load
from vitals.model import (
    US,
    Actor,
    Alarm,
    AlarmChange,
    Audience,
    Bind,
    Command,
    Input,
    Link,
    LinkState,
    Notice,
    Numeric,
    Output,
    Quality,
    Result,
    Resume,
    StoreState,
    Tick,
    Unbind,
)
from vitals.room import Room
from vitals.room_setup import RoomDevice

T0_US = 1_800_000_000 * US
NURSE = Actor("nurse A", "nurse")
OTHER = Actor("nurse B", "nurse")
PRESCRIBER = Actor("Dr. P", "prescriber")
OXIMETER = RoomDevice("ox", ("spo2", "pr", "pleth"))
CUFF = RoomDevice(
    "cuff", ("nibp_sys", "nibp_dia", "nibp_map", "spo2", "pr"), frozenset({"start_nibp"})
)


class World:
    """Feeds one room and keeps what came out."""

    def __init__(self, devices: Iterable[RoomDevice] = (OXIMETER, CUFF), **options: Any) -> None:
        self.room = Room("room-1", devices, load(), **options)
        self.inputs: list[Input] = []
        self.outputs: list[Output] = []
        self.now_us = T0_US
        for device in self.room.devices:
            self.put(Link(device, self.now_us, "streaming"))

    def put(
        self,
        body: (
            Numeric
            | Notice
            | Link
            | Command
            | StoreState
            | Audience
            | Tick
            | Resume
            | Bind
            | Unbind
        ),
    ) -> list[Output]:
        item = Input(len(self.inputs) + 1, self.now_us, body)
        self.inputs.append(item)
        out = self.room.step(item)
        self.outputs += out
        return out

    def at(self, second: float) -> World:
        self.now_us = T0_US + round(second * US)
        return self

    def tick(self) -> list[Output]:
        return self.put(Tick(self.now_us))

    def value(
        self, channel: str, value: float | None, device: str = "ox", quality: Quality = Quality.GOOD
    ) -> list[Output]:
        return self.put(Numeric(device, channel, self.now_us, value, quality))

    def vitals(self, seconds: Iterable[int], spo2: float | None = 97, pr: float = 72) -> None:
        for second in seconds:
            self.at(second)
            self.value("spo2", spo2)
            self.value("pr", None if spo2 is None else pr)

    def reading(self, sys: float, dia: float = 75) -> list[Output]:
        out = self.value("nibp_sys", sys, "cuff")
        return out + self.value("nibp_dia", dia, "cuff")

    def notice(self, code: str, device: str = "ox", active: bool = True, detail: str = "") -> None:
        self.put(Notice(device, self.now_us, code, active, detail))

    def link(self, state: LinkState, device: str = "ox", detail: str = "") -> None:
        self.put(Link(device, self.now_us, state, detail=detail))

    def heard_by(self, pages: int) -> None:
        """How many pages with armed sound there are from now on."""
        self.put(Audience(self.now_us, pages))

    def act(self, kind: str, /, by: Actor = NURSE, **args: object) -> Result:
        command = Command(f"c{len(self.inputs)}", by, kind, "room-1", args)
        return next(o for o in self.put(command) if isinstance(o, Result))

    def open(self, route: str = "iv", *, dose: bool = False) -> World:
        assert self.act("open_session", subject_ref="P-1", route=route).ok
        if dose:
            assert self.act("dose").ok
        return self

    def state(self, rule: str) -> Alarm:
        return self.room.alarm(rule)

    def alarm(self, rule: str) -> str:
        """`condition/priority` of an alarm, `idle` when there is none."""
        for alarm in self.room.alarms:
            if alarm.rule == rule:
                return f"{alarm.condition}/{alarm.priority}"
        return "idle"

    def told(self, rule: str) -> list[tuple[float, str]]:
        """(second, priority) at which an alarm became active or changed its level."""
        return [
            ((c.at_us - T0_US) / US, str(c.after.priority))
            for c in self.changes(rule)
            if c.after.condition == "active"
            and (c.before.condition, c.before.level) != ("active", c.after.level)
        ]

    def changes(self, rule: str) -> list[AlarmChange]:
        return [o for o in self.outputs if isinstance(o, AlarmChange) and o.after.rule == rule]
