"""Messages on the feed (station -> web) and on `/live` (web -> page).

A frame is a JSON array of messages; each message has its type in `t`. The web passes the
station's messages on without encoding them again. The version is checked in the first message
of both sides; an unknown one is refused in one sentence.
"""

from __future__ import annotations

import msgspec

from vitals.wire.care import AlarmMsg, CareMsg, DueMsg, LimitMsg, MarkMsg, SessionMsg
from vitals.wire.ends import (
    AudienceMsg,
    Auth,
    BeatMsg,
    ClockMsg,
    CommandMsg,
    Hello,
    LinkState,
    ResultMsg,
    RoomMsg,
    Snapshot,
    StoreMsg,
)
from vitals.wire.measured import (
    DeviceMsg,
    DeviceStatusMsg,
    HeldMsg,
    IdentifyMsg,
    LinkMsg,
    NoticeMsg,
    NumericMsg,
    TrendMsg,
    WaveMsg,
)
from vitals.wire.message import LinkWord

__all__ = [
    "VERSION",
    "AlarmMsg",
    "AudienceMsg",
    "Auth",
    "BeatMsg",
    "CareMsg",
    "ClockMsg",
    "CommandMsg",
    "DeviceMsg",
    "DeviceStatusMsg",
    "Down",
    "DueMsg",
    "HeldMsg",
    "Hello",
    "IdentifyMsg",
    "LimitMsg",
    "LinkMsg",
    "LinkState",
    "LinkWord",
    "MarkMsg",
    "NoticeMsg",
    "NumericMsg",
    "ResultMsg",
    "RoomMsg",
    "SessionMsg",
    "Snapshot",
    "StoreMsg",
    "TrendMsg",
    "Up",
    "WaveMsg",
    "decode_down",
    "decode_up",
    "encode",
    "frame",
    "split",
]

VERSION = 1

Down = (
    Hello
    | Snapshot
    | NumericMsg
    | WaveMsg
    | NoticeMsg
    | LinkMsg
    | DeviceStatusMsg
    | IdentifyMsg
    | AlarmMsg
    | DueMsg
    | SessionMsg
    | MarkMsg
    | CareMsg
    | HeldMsg
    | ResultMsg
    | BeatMsg
    | LinkState
)
Up = Auth | CommandMsg | AudienceMsg

encode = msgspec.json.Encoder().encode
decode_down = msgspec.json.Decoder(Down).decode
decode_up = msgspec.json.Decoder(Up).decode
split = msgspec.json.Decoder(list[msgspec.Raw]).decode
"""A frame -> its messages, still encoded."""


def frame(*messages: bytes) -> bytes:
    """Encoded messages -> one frame."""
    return b"[" + b",".join(messages) + b"]"
