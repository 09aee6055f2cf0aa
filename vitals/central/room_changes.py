"""A room as its station tells it, made one of the centre's; and what has changed in it. Pure.

At the centre a room is called `station:room`, and all its times are the centre's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from vitals import wire
from vitals.latest import MARKS

SEPARATOR = ":"
"""In no identifier of a station or a room."""
# In JSON a quote that stands unescaped before a word opens it, so that these match keys alone, and
# no text that somebody has entered. Several times as fast as taking the message apart.
_TIME = re.compile(rb'("\w*_us":)(-?\d{1,18})(?=[,}])')
_SPANS = re.compile(rb'("gaps":)(\[[-\d,\[\]]*\])')
"""Lists of [from, to] in microseconds."""
_ROOM = re.compile(rb'"(?:room|moved_from)":"(?!")')
"""Ids of rooms, but for that of the room itself; `""` is none."""
_NUMBER = re.compile(rb"-?\d+")
_room_of = msgspec.json.Decoder(wire.RoomMsg).decode

_Keyed = TypeVar("_Keyed", wire.NoticeMsg, wire.AlarmMsg, wire.DueMsg)


def room_id(station: str, room: str) -> str:
    """What a room is called at the centre."""
    return f"{station}{SEPARATOR}{room}"


def of_station(state: bytes, station: str, offset_us: int) -> wire.RoomMsg:
    """The room of a station's message.

    Args:
        state: an encoded `wire.RoomMsg`.
        station: id of the station.
        offset_us: centre's time − station's time, see `clock_offset`.

    Raises:
        msgspec.MsgspecError: it is none.
    """

    def later(match: re.Match[bytes]) -> bytes:
        at_us = int(match[2])
        return match[1] + b"%d" % (at_us + offset_us if at_us else 0)  # 0 is the time of nothing

    def spans(match: re.Match[bytes]) -> bytes:
        return match[1] + _NUMBER.sub(lambda n: b"%d" % (int(n[0]) + offset_us), match[2])

    own = rb"\g<0>" + station.encode() + SEPARATOR.encode()
    timed = _SPANS.sub(spans, _TIME.sub(later, state)) if offset_us else state
    room: wire.RoomMsg = _room_of(_ROOM.sub(own, timed))
    return replace(room, id=room_id(station, room.id))


def changes(before: wire.RoomMsg, after: wire.RoomMsg, now_us: int) -> list[wire.Down] | None:
    """Messages that lead a page from one state of a room to another; numbers are not among them.

    Args:
        before: what the page knows.
        after: what it shall know.
        now_us: centre's time.

    Returns:
        In the order in which they must come; None when no messages can say it, and the page has
        to begin anew.
    """
    if _fixed(before) != _fixed(after):
        return None
    old = before.session or wire.SessionMsg(room=before.id)
    new = after.session or wire.SessionMsg(room=after.id)
    told: list[wire.Down] = [new] if new != old else []
    if new.id != old.id:  # which clears these
        before = replace(before, due=[], marks=[] if new.id else before.marks, care=None)
    is_open = bool(new.id) and new.ended_us is None
    try:
        told += _devices(before, after, now_us)
        told += _keyed(before.notices, after.notices, _notice, _no_notice)
        told += _keyed(before.alarms, after.alarms, lambda alarm: alarm.rule, _no_alarm)
        told += _keyed(before.due, after.due, lambda due: due.what, _never if is_open else None)
        told += _marks(before.marks, after.marks)
        if after.care is None and before.care is not None and is_open:
            return None
    except _CannotBeSaidError:
        return None
    if after.care is not None and after.care != before.care:
        told.append(after.care)
    return told


class _CannotBeSaidError(Exception):
    """There is no message for it."""


def _fixed(room: wire.RoomMsg) -> Any:
    """What no message changes."""
    devices = {
        device.id: replace(device, state="connecting", rejected=0, detail="", status=None)
        for device in room.devices
    }
    return room.id, room.label, room.sources, room.limits, devices


def _devices(before: wire.RoomMsg, after: wire.RoomMsg, now_us: int) -> Iterator[wire.Down]:
    known = {device.id: device for device in before.devices}
    for device in after.devices:
        was = known[device.id]
        link = (device.state, device.rejected, device.detail)
        if link != (was.state, was.rejected, was.detail):
            yield wire.LinkMsg(
                room=after.id,
                device=device.id,
                at_us=now_us,
                state=device.state,
                rejected=device.rejected,
                detail=device.detail,
            )
        if device.status != was.status:
            if device.status is None:
                raise _CannotBeSaidError
            yield device.status


def _keyed(
    before: list[_Keyed],
    after: list[_Keyed],
    key: Callable[[_Keyed], Any],
    ended: Callable[[_Keyed], _Keyed] | None,
) -> Iterator[_Keyed]:
    """What is new or different, and the end of what is not there any more."""
    known = {key(each): each for each in before}
    for each in after:
        if known.pop(key(each), None) != each:
            yield each
    if ended is not None:
        yield from map(ended, known.values())


def _notice(notice: wire.NoticeMsg) -> tuple[str, str]:
    return notice.device, notice.code


def _no_notice(notice: wire.NoticeMsg) -> wire.NoticeMsg:
    return replace(notice, active=False)


def _no_alarm(alarm: wire.AlarmMsg) -> wire.AlarmMsg:
    return wire.AlarmMsg(
        room=alarm.room,
        rule=alarm.rule,
        channel=alarm.channel,
        side=alarm.side,
        priority=alarm.priority,
        label=alarm.label,
    )


def _never(due: wire.DueMsg) -> wire.DueMsg:
    raise _CannotBeSaidError


def _marks(before: list[wire.MarkMsg], after: list[wire.MarkMsg]) -> list[wire.MarkMsg]:
    """Marks that were added at the end, or have another time now."""
    known = {mark.id: i for i, mark in enumerate(before) if mark.id}
    shown, told = list(before), list[wire.MarkMsg]()
    for mark in after:
        if mark in before:
            continue
        told.append(mark)
        if mark.id in known:
            shown[known[mark.id]] = mark
        else:
            shown.append(mark)
    full = len(after) >= MARKS  # the oldest have fallen out
    if (shown[-MARKS:] if full else shown) != after:
        raise _CannotBeSaidError
    return told
