"""Sessions that a real station records while the test moves its clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.station.clinic import Clinic
from vitals import wire
from vitals.alarms.profile import Profile, load
from vitals.model import Link, Notice, Numeric
from vitals.store.reader import Reader

_ids = itertools.count()


class Visit:
    """A station driven by hand; `record` lets a session happen and returns its id."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._ns = 10**15
        monkeypatch.setattr("vitals.clock.boottime_ns", lambda: self._ns)
        self.monkeypatch = monkeypatch

    @property
    def path(self) -> Path:
        return self.folder / "vitals.db"

    @property
    def reader(self) -> Reader:
        return Reader(self.path)

    def under(self, profile: Profile) -> None:
        """The next sessions are recorded under this profile."""
        self.monkeypatch.setattr("tests.station.clinic.load", lambda: profile)

    def record(self, course: Callable[[Visit], None], *, dose: bool = True) -> str:
        """One session: opened, three calm seconds, the dose, `course`, closed."""
        asyncio.run(self._record(course, dose=dose))
        return self.reader.sessions()[-1].session.id

    async def _record(self, course: Callable[[Visit], None], *, dose: bool) -> None:
        self._start()
        self.act("open_session", subject_ref="P-1", route="intranasal")
        self.vitals(3)
        if dose:
            self.act("dose")
        course(self)
        room = self.clinic.station._rooms["room-1"]
        if room.session is not None and not self.left_open:
            self.act("close_session", reason="done")
        self._stop()

    def _start(self) -> None:
        self.left_open = False
        self.clinic = Clinic(self.folder)
        self.clinic.record.start(lambda state: None)
        self.clinic.station._unread = self.clinic.station._resume()
        for keeper in self.clinic.keepers.values():
            keeper.on_link(Link(keeper.device, self.now_us, "streaming"))
        self.clinic.station.watch.on_audience("web", 1, 1)

    def _stop(self) -> None:
        self.clinic.station._ended = True
        assert self.clinic.record.close()

    # --- what happens -------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        return self.clinic.clock.now_us()

    def restart(self) -> None:
        self._stop()
        self._start()

    def leave_open(self) -> None:
        self.left_open = True

    def wait(self, seconds: float = 1) -> None:
        self._ns += round(seconds * 1e9)
        self.clinic.station.tick()

    def vitals(self, seconds: int, spo2: float | None = 97, pr: float = 70) -> None:
        """One value a second of both."""
        for _ in range(seconds):
            self.wait()
            self.value("spo2", spo2)
            self.value("pr", pr)

    def value(self, channel: str, value: float | None) -> None:
        """One value of the oximeter."""
        self._say(Numeric("ox", channel, self.now_us, value))

    def pressure(self, sys: float, dia: float = 75) -> None:
        self._say(Numeric("cuff", "nibp_sys", self.now_us, sys))
        self._say(Numeric("cuff", "nibp_dia", self.now_us, dia))

    def notice(self, device: str, code: str, active: bool = True) -> None:
        self._say(Notice(device, self.now_us, code, active))

    def act(self, kind: str, **args: object) -> wire.ResultMsg | None:
        """A person's act; the station's refusal, if it refuses at once."""
        message = wire.CommandMsg(
            id=f"act-{next(_ids)}", kind=kind, room="room-1", name="A", role="prescriber", args=args
        )
        answers: list[wire.ResultMsg] = []
        self.clinic.station.on_command(message, answers.append)
        return answers[0] if answers else None

    def acknowledge_what_is_seen(self, rule: str) -> None:
        """As a page does it: with the level and the beginning of the alarm it shows."""
        alarm = self.clinic.station._rooms["room-1"].alarm(rule)
        self.act("acknowledge", rule=rule, level=alarm.level, onset_us=alarm.onset_us)

    def _say(self, event: Numeric | Notice) -> None:
        self.clinic.keepers[event.device].on_events([event])


LEVEL = (
    '{{ priority = "{}", limit = {}, strict = true, hold_s = {}, clear = {}, release_s = 10, '
    "latching = true }}"
)


def rules(folder: Path, text: str, version: str = "other") -> Profile:
    """A clinic's profile over the shipped one."""
    path = folder / f"{version}.toml"
    path.write_text(f'version = "{version}"\n{text}', encoding="utf-8")
    return load(path)


def spo2(*, medium: float | None = None, high: float = 88, hold_s: float = 10) -> str:
    """The rule of low SpO2, by default without a medium level."""
    levels = [] if medium is None else [LEVEL.format("medium", medium, hold_s, medium + 2)]
    levels.append(LEVEL.format("high", high, hold_s, high + 2))
    head = '[[rule]]\nid = "spo2-low"\nchannel = "spo2"\nside = "low"\nlabel = "SpO2"\n'
    return f"{head}level = [{', '.join(levels)}]\n"
