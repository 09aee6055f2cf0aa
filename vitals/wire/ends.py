"""Between the two ends: greeting, state, heartbeat, commands and their answers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from vitals.wire.care import AlarmMsg, CareMsg, DueMsg, LimitMsg, MarkMsg, SessionMsg
from vitals.wire.measured import DeviceMsg, HeldMsg, NoticeMsg, NumericMsg, TrendMsg
from vitals.wire.message import Message


class ClockMsg(msgspec.Struct, kw_only=True):
    """The station's clock as the page needs it: station time now, and how fast it runs."""

    now_us: int
    speed: float = 1.0


class Hello(Message, tag="hello", kw_only=True):
    """First message down. `build` changes when the page's own files change: it reloads then.

    `care`: what the clinic asks, marks, scores and prints (`vitals.session.care`), null = unknown.
    `escalation`: [seconds, whom] of each step of a high alarm that nobody acknowledges.
    `central`: from the centre, which shows the rooms of all stations and takes no command.
    """

    v: int
    build: str
    station: str
    epoch: str
    clock: ClockMsg
    mode: str = "real"
    care: msgspec.Raw = msgspec.Raw(b"null")
    escalation: list[tuple[float, str]] = []
    central: bool = False


class ResultMsg(Message, tag="result", kw_only=True):
    """Answer to a command; `recorded` null while the commit is still awaited."""

    seq: int = 0
    id: str
    ok: bool
    error: str = ""
    recorded: bool | None = None


class StoreMsg(msgspec.Struct, kw_only=True):
    """How the station's record is doing; see `vitals.store.recording.Health`."""

    queued: int = 0
    waiting_s: float = 0.0
    shed: int = 0
    refused: int = 0
    commits: int = 0
    commit_s: float = 0.0
    committed_s: float | None = None
    free_bytes: int = 0
    log_bytes: int = 0


class BeatMsg(Message, tag="beat", kw_only=True):
    """Every real second from inside the station's loop. The page measures age by `now_us`.

    `late_ms` is the longest time in the last second from a sample's stamp at its port to the end
    of its rules' evaluation. `armed`: pages, of all webs, whose sound is armed. `store`: numbers
    of the record, for whoever watches the computer.
    """

    seq: int = 0
    now_us: int
    speed: float = 1.0
    recording: bool = True
    detail: str = ""
    late_ms: float = 0.0
    armed: int = 0
    store: StoreMsg | None = None


class LinkState(Message, tag="feed", kw_only=True):
    """From the web itself: whether its station is there."""

    state: Literal["live", "stale"]


class RoomMsg(msgspec.Struct, kw_only=True):
    """Everything a page needs to draw one room from nothing.

    `sources`: channel -> devices, the most trusted first, where several give it.
    """

    id: str
    label: str
    devices: list[DeviceMsg] = []
    sources: dict[str, list[str]] = {}
    numerics: list[NumericMsg] = []
    notices: list[NoticeMsg] = []
    session: SessionMsg | None = None
    alarms: list[AlarmMsg] = []
    due: list[DueMsg] = []
    limits: list[LimitMsg] = []
    trends: list[TrendMsg] = []
    marks: list[MarkMsg] = []
    care: CareMsg | None = None


class Snapshot(Message, tag="snapshot", kw_only=True):
    """The present state of everything; comes first, and again after each reconnect."""

    seq: int = 0
    link: Literal["live", "stale"] = "live"
    beat: BeatMsg | None = None
    rooms: list[RoomMsg] = []
    held: list[HeldMsg] = []


class Auth(Message, tag="auth", kw_only=True):
    """First message up."""

    v: int
    token: str


class AudienceMsg(Message, tag="audience", kw_only=True):
    """How many pages a web serves, and on how many of them sound is armed; every second."""

    armed: int
    pages: int = 0


class CommandMsg(Message, tag="command", kw_only=True):
    """A command; the web fills in who asks, the station decides who may.

    `identity`: how the name is known: of an account that has signed in, of emergency access, or
    only because somebody has typed it.
    """

    id: str
    kind: str
    room: str
    name: str = ""
    role: str = ""
    args: dict[str, Any] = {}
    identity: Literal["typed", "account", "emergency"] = "typed"
