"""What a room has decided goes to the record, to the feed and out of the pages, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import structs

from vitals import messages, wire
from vitals.alarms.profile import Profile
from vitals.callout import CallOut
from vitals.channels import NIBP
from vitals.freshness import freshness
from vitals.hub import Hub
from vitals.model import (
    AlarmChange,
    DeviceRequest,
    Due,
    Event,
    Flag,
    Mode,
    Numeric,
    Output,
    SessionChange,
)
from vitals.record import Record
from vitals.room import Room
from vitals.session.moving import MOVED_OUT
from vitals.session.view import care_view
from vitals.time_line import CHANGES, MARKS, change_words

_PLACED = ("opened", "resumed", "moved")
"""Session changes with which a room begins or goes on: it is described beside them."""


class Publisher:
    """Publishes for all rooms of a station.

    Args:
        hub: the feed.
        record: the record.
        callout: commands and webhooks.
        profile: the alarm profile in force.
        mode: of the station.
        periods_s: device -> longest time between two of its values.
        slack_s: see `vitals.freshness`.

    Attributes:
        gaps: room -> times of its session without a station.
        on_request: takes (room, seq, request) that the schedule has made.
    """

    def __init__(
        self,
        hub: Hub,
        record: Record,
        callout: CallOut,
        profile: Profile,
        mode: Mode,
        periods_s: Mapping[str, float],
        slack_s: float,
    ) -> None:
        self._hub = hub
        self._record = record
        self._callout = callout
        self._profile = profile
        self._mode: Mode = mode
        self._periods_s = periods_s
        self._slack_s = slack_s
        self._seq = record.seq
        self._readings: dict[str, dict[str, Numeric]] = {}
        self._care: dict[str, tuple[str, wire.CareMsg]] = {}
        self.gaps: dict[str, list[tuple[int, int]]] = {}
        self.on_request: Callable[[Room, int, DeviceRequest], None] = _nobody

    def outputs(self, room: Room, outputs: Iterable[Output], session: str | None) -> None:
        """What one input has caused; `session` is the one it belongs to."""
        for output in outputs:
            seq = next(self._seq)
            match output:
                case AlarmChange():
                    self._record.alarm(seq, session, output, self._profile.version)
                    self._callout.changed(output)
                    rule = room.rules[output.after.rule]
                    self._hub.publish(messages.alarm(seq, output.after, rule))
                case Due():
                    self._record.due(seq, session, output)
                    self._hub.publish(messages.due(seq, output))
                case SessionChange():
                    self._session(room, seq, output)
                case Event():
                    self._record.event(seq, room.id, session, output)
                    if output.kind in MARKS:
                        text, who = str(output.body.get("text", "")), output.actor
                        told = (output.at_us, output.kind, text, who, output.body)
                        self.mark(messages.mark(room.id, *told))
                case Numeric():
                    if session is not None:
                        self._record.numeric(session, seq, output)
                    self.numeric(room, seq, output)
                case DeviceRequest(command_id=""):
                    self.on_request(room, seq, output)
                case _:
                    pass

    def numeric(self, room: Room, seq: int, numeric: Numeric) -> None:
        """A value as it was judged, of the source that counts."""
        if numeric.channel in NIBP and numeric.value is not None:
            self._readings.setdefault(room.id, {})[numeric.channel] = numeric
        self.show(room, seq, numeric)

    def show(self, room: Room, seq: int, numeric: Numeric) -> None:
        """Puts a value on the pages, with how long it counts as current."""
        period_s = self._periods_s.get(numeric.device, 1.0)
        device = room.devices.get(numeric.device)
        spot = Flag.MANUAL in numeric.flags or (device is not None and device.spot)
        fresh_s, gone_s = freshness(numeric, period_s, room.due, self._slack_s, spot=spot)
        self._hub.publish(messages.numeric(room.id, seq, numeric, fresh_s, gone_s))

    def moved(self, room: Room, to: Room) -> None:
        """The session of a room goes on in another one, and takes its last reading along."""
        self.gaps[to.id] = self.gaps.pop(room.id, [])
        self._readings[to.id] = self._readings.pop(room.id, {})

    def whole(self, room: Room) -> None:
        """All that a room owes, and all its alarms: it goes on with what others have left."""
        for due in room.due:
            self._hub.publish(messages.due(next(self._seq), due))
        for alarm in room.alarms:
            message = messages.alarm(next(self._seq), alarm, room.rules[alarm.rule])
            self._hub.publish(message)
            self._callout.restored(alarm)

    def show_reading(self, room: Room) -> None:
        """Puts the last blood pressure on the pages again."""
        for reading in self._readings.get(room.id, {}).values():
            self.show(room, next(self._seq), reading)

    def mark(self, mark: wire.MarkMsg) -> None:
        """A point of the time line."""
        mark.seq = next(self._seq)
        self._hub.publish(mark)

    def care(self, room: Room, now_us: int) -> None:
        """What follows from a room's session and its newest values, if that has changed."""
        view = care_view(room, now_us)
        if view is None or room.session is None:
            self._care.pop(room.id, None)
            return
        known = (room.session.id, messages.care(room.id, view))
        if self._care.get(room.id) != known:
            self._care[room.id] = known
            self._hub.publish(structs.replace(known[1], seq=next(self._seq)))

    def _session(self, room: Room, seq: int, change: SessionChange) -> None:
        gaps = self.gaps.get(room.id, []) if change.session.resumed else []
        gap = gaps[-1] if change.cause == "resumed" and gaps else None
        setup = room.setup.to_json() if change.cause in _PLACED else None
        self._record.session(seq, change, self._profile.text, gap, setup)
        if change.cause in ("opened", "closed"):
            self._readings.pop(room.id, None)
        here = None if change.cause == MOVED_OUT else change.session
        self._hub.publish(messages.session(room.id, seq, here, self._mode, gaps))
        if change.cause == "dose":
            self.show_reading(room)  # its interval is another one now
        if change.cause in CHANGES and change.cause != "resumed":
            text = change_words(change.cause, change.session.phase, change.body)
            told = (change.at_us, change.cause, text, change.actor)
            self.mark(messages.mark(room.id, *told))


def _nobody(room: Room, seq: int, request: DeviceRequest) -> None:
    raise RuntimeError("nobody takes the requests of the schedule")
