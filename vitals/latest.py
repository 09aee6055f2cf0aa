"""The latest state of one room, as a page needs it to draw the room from nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from vitals import wire
from vitals.channels import NIBP
from vitals.model import Quality
from vitals.trend import Trend

MARKS = 500
"""Events on the time line that are kept for a session."""


class LatestRoom:
    """Folds the messages about one room into the present state; waveforms are not state.

    Attributes:
        keeps_trends: whether what comes is added to the trends.
    """

    def __init__(self, room: wire.RoomMsg, *, trends: bool = True) -> None:
        self.id = room.id
        self.keeps_trends = trends
        self._label = room.label
        self._devices = {device.id: device for device in room.devices}
        self._sources = room.sources
        self._numerics = {(m.channel, m.device): m for m in room.numerics}
        self._notices = {(m.device, m.code): m for m in room.notices}
        self._session = room.session or wire.SessionMsg(room=room.id)
        self._alarms = {m.rule: m for m in room.alarms}
        self._due = {m.what: m for m in room.due}
        self._limits = room.limits
        self._trends = {m.channel: Trend.of(m) for m in room.trends}
        self._marks = deque(room.marks, MARKS)
        self._care = room.care
        self._trends_of = self._session.id

    def apply(self, message: wire.Down) -> bool:
        """Takes one message; returns whether it started a new session."""
        fold = _FOLDS.get(type(message))
        return bool(fold and fold(self, message))

    def trend(self, channel: str) -> Trend:
        """The trend of a channel, empty at first."""
        return self._trends.setdefault(channel, Trend(channel))

    def message(self) -> wire.RoomMsg:
        """The whole room; without an open session nothing is owed."""
        return wire.RoomMsg(
            id=self.id,
            label=self._label,
            devices=list(self._devices.values()),
            sources=self._sources,
            numerics=list(self._numerics.values()),
            notices=list(self._notices.values()),
            session=self._session,
            alarms=list(self._alarms.values()),
            due=list(self._due.values()) if self._open else [],
            limits=self._limits,
            trends=[trend.message() for trend in self._trends.values()],
            marks=list(self._marks),
            care=self._care if self._open else None,
        )

    def follow(self, other: LatestRoom) -> None:
        """The session has come from another room."""
        self._trends, other._trends = other._trends, {}
        self._marks, other._marks = other._marks, deque(maxlen=MARKS)

    def go_on(self, before: LatestRoom) -> None:
        """What the room was before: its trends go on, if they are of the same session."""
        self.keeps_trends = before.keeps_trends
        if before._trends_of == self._trends_of:
            self._trends = before._trends

    def keep_trends(self, wanted: bool) -> None:
        """Whether trends are kept from now on; what was kept is dropped when they are not."""
        self.keeps_trends = wanted
        if not wanted:
            self._trends.clear()

    @property
    def session_id(self) -> str:
        """The session that the room is in, `""` for none."""
        return self._session.id

    @property
    def _open(self) -> bool:
        return bool(self._session.id) and self._session.ended_us is None

    def _numeric(self, m: wire.NumericMsg) -> None:
        self._numerics[m.channel, m.device] = m
        if m.value is None or m.quality == Quality.INVALID:
            return
        if m.channel in NIBP:
            self._notices.pop((m.device, "nibp_failed"), None)  # a reading ends the failure
        if self.keeps_trends and self._open and m.at_us >= (self._session.started_us or 0):
            self.trend(m.channel).add(m.at_us, m.value)

    def _notice(self, m: wire.NoticeMsg) -> None:
        if m.active:
            self._notices[m.device, m.code] = m
        else:
            self._notices.pop((m.device, m.code), None)

    def _link(self, m: wire.LinkMsg) -> None:
        device = self._devices.get(m.device) or wire.DeviceMsg(id=m.device, driver="")
        self._devices[m.device] = replace(
            device, state=m.state, rejected=m.rejected, detail=m.detail
        )

    def _status(self, m: wire.DeviceStatusMsg) -> None:
        if m.device in self._devices:
            self._devices[m.device] = replace(self._devices[m.device], status=m)

    def _alarm(self, m: wire.AlarmMsg) -> None:
        # An idle alarm is worth nothing, unless somebody has switched its rule off or silenced it.
        if m.condition == "idle" and m.rule_state == "enabled" and m.signal == "on":
            self._alarms.pop(m.rule, None)
        else:
            self._alarms[m.rule] = m

    def _due_(self, m: wire.DueMsg) -> None:
        self._due[m.what] = m

    def _mark(self, m: wire.MarkMsg) -> None:
        for i, known in enumerate(self._marks):
            if m.id and known.id == m.id:
                self._marks[i] = m
                return
        self._marks.append(m)

    def _care_(self, m: wire.CareMsg) -> None:
        self._care = m

    def _session_(self, m: wire.SessionMsg) -> bool:
        if m.id != self._session.id:
            # The next patient must not begin with the last one's blood pressure.
            self._numerics = {k: n for k, n in self._numerics.items() if n.channel not in NIBP}
        self._session = m
        if not m.id or m.id == self._trends_of:
            return False
        self._trends_of = m.id
        self._trends.clear()
        self._due.clear()
        self._marks.clear()
        self._care = None
        return True


_FOLDS: dict[type, Callable[[LatestRoom, Any], bool | None]] = {
    wire.NumericMsg: LatestRoom._numeric,
    wire.NoticeMsg: LatestRoom._notice,
    wire.LinkMsg: LatestRoom._link,
    wire.DeviceStatusMsg: LatestRoom._status,
    wire.AlarmMsg: LatestRoom._alarm,
    wire.DueMsg: LatestRoom._due_,
    wire.SessionMsg: LatestRoom._session_,
    wire.MarkMsg: LatestRoom._mark,
    wire.CareMsg: LatestRoom._care_,
}
