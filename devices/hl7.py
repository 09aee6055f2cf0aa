"""HL7 version 2 as bytes: MLLP frames, the fields of a message, and the answer to it. Pure.

    0B  message  1C 0D                       one frame; what is between two frames is refused
    message: segments, each ended by CR (LF is tolerated); fields, repetitions, components and
    subcomponents are separated by the characters that MSH-1 and MSH-2 name, usually | ~ ^ &

A frame ends with its 1C, whether or not 0D follows; one that is begun anew before its end, or is
longer than `MAX_MESSAGE`, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

MAX_MESSAGE = 65_536
MAX_ECHO = 250
"""Longest field of a message that is repeated in the answer to it."""
_BEGIN, _END = b"\x0b", b"\x1c"
_MARK = re.compile(rb"[\x0b\x1c]")
_TIME = re.compile(r"(\d{14})(?:\.(\d{1,6}))?([+-]\d{2})?(\d{2})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def frame_bytes(message: bytes) -> bytes:
    """A message ready to be sent."""
    return _BEGIN + message + _END + b"\r"


def frame(message: str) -> bytes:
    """A message ready to be sent, in UTF-8."""
    return frame_bytes(message.encode())


class Frames:
    """Cuts a stream into frames; keeps less than one between two pieces of it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes | int]:
        """In their order: messages without their frame, and how many bytes did not fit."""
        data, pos = self._rest + data, 0
        out: list[bytes | int] = []
        while True:
            begin = data.find(_BEGIN, pos)
            noise = data[pos:] if begin < 0 else data[pos:begin]
            if refused := len(noise) - noise.count(b"\r") - noise.count(b"\n"):
                out.append(refused)
            if begin < 0:
                self._rest = b""
                return out
            limit = begin + 1 + MAX_MESSAGE
            mark = _MARK.search(data, begin + 1, limit)
            if mark is None and len(data) < limit:
                self._rest = data[begin:]
                return out
            pos = mark.start() if mark else limit
            if mark and mark[0] == _END:
                out.append(data[begin + 1 : pos])
                pos += 1
            else:
                out.append(pos - begin)


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message.

    Attributes:
        separators: of field, component, repetition, then escape and subcomponent.
        segments: fields of each; [0] is the segment's name, and [n] its field n.
    """

    separators: str
    segments: tuple[tuple[str, ...], ...]

    def all(self, name: str) -> list[tuple[str, ...]]:
        """Every segment of that name."""
        return [segment for segment in self.segments if segment[0] == name]

    def field(self, name: str, index: int) -> str:
        """A field of the first segment of that name, as it was sent; `""` without one."""
        return next((at(segment, index) for segment in self.segments if segment[0] == name), "")

    def components(self, text: str) -> list[str]:
        """The components of a field's first repetition, with escapes resolved."""
        first = text.split(self.separators[2], 1)[0]
        return [self._plain(part) for part in first.split(self.separators[1])]

    def repetitions(self, text: str) -> list[str]:
        """The repetitions of a field."""
        return text.split(self.separators[2])

    def _plain(self, text: str) -> str:
        escape = self.separators[3]
        if escape not in text:
            return text
        pieces = text.split(escape)
        names = dict(zip("FSRET", self.separators, strict=False))
        # Every other piece stands between two escape characters.
        pieces[1::2] = [names.get(piece, "") for piece in pieces[1::2]]
        return "".join(pieces)


def at(segment: tuple[str, ...], index: int) -> str:
    """A field of a segment; `""` when it is not there."""
    return segment[index] if index < len(segment) else ""


def parse(data: bytes) -> Message | None:
    """What is in a frame; None when it does not begin with a usable MSH."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if not text.startswith("MSH") or len(text) < 8:
        return None
    between = text[3]
    given = text[4:].split(between, 1)[0]
    separators = between + given[:4] + "^~\\&"[len(given) :]
    if len(set(separators)) != 5 or any(c.isalnum() or not c.isprintable() for c in separators):
        return None
    lines = [line.split(between) for line in re.split(r"[\r\n]+", text) if line]
    lines[0].insert(1, between)
    return Message(separators, tuple(tuple(line) for line in lines))


def time_us(text: str, local_us: int) -> int | None:
    """A time stamp as microseconds UTC; None unless it says at least the second.

    One without a zone is taken for the local time of this computer, whose distance from UTC is
    the one at `local_us`.
    """
    found = _TIME.match(text)
    if found is None:
        return None
    seconds, fraction, hours, minutes = found.groups()
    try:
        if hours is None:
            zone = datetime.fromtimestamp(local_us / 1_000_000, UTC).astimezone().tzinfo
        else:
            offset = timedelta(hours=int(hours[1:]), minutes=int(minutes or 0))
            zone = timezone(-offset if hours[0] == "-" else offset)
        moment = datetime.strptime(seconds, "%Y%m%d%H%M%S").replace(tzinfo=zone)
        micros = int((fraction or "0").ljust(6, "0"))
        return (moment - _EPOCH) // _MICROSECOND + micros
    except (ValueError, OverflowError):
        return None


_WANTED = {"AL": (True, True), "NE": (False, False), "SU": (True, False), "ER": (False, True)}
"""MSH-15 and MSH-16: whether to answer what went well, and what did not."""


def answer(message: Message, error: str, now_us: int) -> bytes:
    """The framed acknowledgment that the sender wants; `b""` when it wants none.

    MSH-15 and MSH-16 both empty, or MSH-16 asking for it: the application's (AA, AE). Only
    MSH-15 asking for it, as patient monitors do: the accept acknowledgment (CA, CE). Never a
    rejection (AR): it makes some gateways drop the connection, and with it every other bed.

    Args:
        message: what was received.
        error: why it cannot be used, without data of the patient; `""` when it can.
        now_us: the time that the answer carries.
    """
    what, *event = message.components(message.field("MSH", 9)[:MAX_ECHO])[:2]
    accept, application = message.field("MSH", 15), message.field("MSH", 16)
    if what == "ACK":
        return b""  # two that acknowledge each other's acknowledgments never end
    if _wants(application, error) or not (accept or application):
        code = "A"
    elif _wants(accept, error):
        code = "C"
    else:
        return b""
    sender = [message.field("MSH", index)[:MAX_ECHO] for index in (5, 6, 3, 4)]
    kind = message.separators[1].join(["ACK", *event, "ACK"])
    time = (_EPOCH + timedelta(microseconds=now_us)).strftime("%Y%m%d%H%M%S+0000")
    control, mode, version = (message.field("MSH", index)[:MAX_ECHO] for index in (10, 11, 12))
    head = ["MSH", message.separators[1:3] + message.separators[3:], *sender, time, "", kind]
    head += [str(now_us), mode, version]
    tail = ["MSA", code + ("E" if error else "A"), control, *([error] if error else [])]
    return frame("".join(message.separators[0].join(fields) + "\r" for fields in (head, tail)))


def _wants(condition: str, error: str) -> bool:
    return _WANTED.get(condition.strip(), (False, False))[bool(error)]
