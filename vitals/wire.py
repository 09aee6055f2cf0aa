"""Messages on the feed (station -> web) and on `/live` (web -> page).

A frame is a JSON array of messages; each message has its type in `t`. The web passes the
station's messages on without encoding them again. The version is checked in the first message
of both sides; an unknown one is refused in one sentence.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

VERSION = 1

LinkWord = Literal["connecting", "streaming", "silent", "lost"]


class _Message(msgspec.Struct, tag_field="t", kw_only=True):
    pass


class ClockMsg(msgspec.Struct, kw_only=True):
    """The station's clock as the page needs it: station time now, and how fast it runs."""

    now_us: int
    speed: float = 1.0


class Hello(_Message, tag="hello", kw_only=True):
    """First message down. `build` changes when the page's own files change: it reloads then.

    `care`: what the clinic asks, marks, scores and prints (`vitals.session.care`), null = unknown.
    `escalation`: [seconds, whom] of each step of a high alarm that nobody acknowledges.
    """

    v: int
    build: str
    station: str
    epoch: str
    clock: ClockMsg
    mode: str = "real"
    care: msgspec.Raw = msgspec.Raw(b"null")
    escalation: list[tuple[float, str]] = []


class NumericMsg(_Message, tag="numeric", kw_only=True):
    """One value of a room.

    `fresh_s` is the age (station seconds) up to which it may be shown as current, `gone_s` the
    age at which the page shows "--" instead; None = it is kept, grey and with its age (NIBP).
    """

    seq: int = 0
    room: str
    channel: str
    device: str
    at_us: int
    value: float | None
    quality: str = "good"
    flags: list[str] = []
    fresh_s: float = 3.0
    gone_s: float | None = 5.0


class WaveMsg(_Message, tag="wave", kw_only=True):
    """A waveform packet; `y` are raw device units as integers."""

    seq: int = 0
    room: str
    channel: str
    device: str
    start_us: int
    rate_hz: float
    y: list[int]
    quality: str = "good"


class NoticeMsg(_Message, tag="notice", kw_only=True):
    """A condition reported by a device."""

    seq: int = 0
    room: str
    device: str
    at_us: int
    code: str
    active: bool = True
    detail: str = ""


class LinkMsg(_Message, tag="link", kw_only=True):
    """State of the link to a device."""

    seq: int = 0
    room: str
    device: str
    at_us: int
    state: LinkWord
    rejected: int = 0
    detail: str = ""


class DeviceStatusMsg(_Message, tag="device", kw_only=True):
    """How well a device is heard, at most every 2 s; not recorded.

    `heard_us`: its last bytes; `rejected` and `reconnects` since the station was started;
    `battery` in the device's own words, `signal` in dBm; None = not known. `stranger`: which
    other box is on its port, and refused until somebody claims it.
    """

    seq: int = 0
    room: str
    device: str
    heard_us: int | None = None
    rejected: int = 0
    reconnects: int = 0
    battery: str | None = None
    signal: int | None = None
    stranger: str = ""


class IdentifyMsg(_Message, tag="identify", kw_only=True):
    """Somebody asks which box this is: every page shows its room until then."""

    seq: int = 0
    room: str
    device: str
    until_us: int
    by: str = ""


class AlarmMsg(_Message, tag="alarm", kw_only=True):
    """Present state of one (room, rule), all axes; see `vitals.model.Alarm`."""

    seq: int = 0
    room: str
    rule: str
    channel: str = ""
    side: str = "technical"
    priority: str = "low"
    level: int = -1
    condition: str = "idle"
    acked_by: str = ""
    acked_us: int | None = None
    signal: str = "on"
    signal_until_us: int | None = None
    rule_state: str = "enabled"
    rule_until_us: int | None = None
    onset_us: int | None = None
    value: float | None = None
    limit: float | None = None
    text: str = ""
    sounding: bool = False
    label: str = ""
    rule_by: str = ""
    rule_reason: str = ""
    value_us: int | None = None
    raised_us: int | None = None
    escalated: int = 0
    silent: bool = False
    entered_by: str = ""


class DueMsg(_Message, tag="due", kw_only=True):
    """A reading or act that is owed."""

    seq: int = 0
    room: str
    what: str
    at_us: int
    done_us: int | None = None
    state: str = "coming"
    label: str = ""


class SessionMsg(_Message, tag="session", kw_only=True):
    """The room's session; `id ""` means that there is none."""

    seq: int = 0
    room: str
    id: str = ""
    subject_ref: str = ""
    route: str = ""
    mode: str = "real"
    phase: str = ""
    started_us: int | None = None
    ended_us: int | None = None
    dose_us: int | None = None
    resumed: int = 0
    gaps: list[tuple[int, int]] = []
    baseline: dict[str, float] = {}
    same_arm: bool = False
    off_since_us: int | None = None
    off_until_us: int | None = None
    off_reason: str = ""
    off_extended: bool = False
    finished_us: int | None = None
    own_alarm_by: dict[str, str] = {}
    checkin: dict[str, Any] = {}
    gate: dict[str, Any] = {}
    doses: list[dict[str, Any]] = []
    infusion_end_us: int | None = None
    scores: dict[str, dict[str, Any]] = {}
    adverse: dict[str, dict[str, Any]] = {}
    discharge: dict[str, dict[str, Any]] = {}
    signed: dict[str, Any] = {}
    emergency_us: int | None = None
    cuff_off: bool = False
    moved_from: str = ""
    rev: int = 0
    last: dict[str, Any] = {}


class CareMsg(_Message, tag="care", kw_only=True):
    """What follows from a session and its newest values; sent when it has changed.

    `gate`: `state` (no_readings, clear, hold, override), `words` (why, one sentence each),
    `concerns` (labels of answers to look at). `criteria`: one entry a line of the discharge
    checklist: `id`, `label`, `met`, `auto`, `words` (the numbers it was judged on), `override`.
    `met_us`: when the recorded criteria were all met, None = they are not. `owed`: [key, words] of
    what is still missing in the record. `earliest_us`: the earliest discharge by the clock.
    `limits`: what holds for this patient now (own limits, from the baseline, by phase).
    """

    seq: int = 0
    room: str
    gate: dict[str, Any] = {}
    criteria: list[dict[str, Any]] = []
    met_us: int | None = None
    owed: list[tuple[str, str]] = []
    earliest_us: int | None = None
    limits: list[LimitMsg] = []


class HeldMsg(_Message, tag="held", kw_only=True):
    """A reading of a roaming device that waits until somebody says whose it is.

    `room` is `""`; `values`: channel -> value; `gone`: it was claimed, thrown away or is too old.
    """

    seq: int = 0
    room: str = ""
    id: str
    device: str
    at_us: int
    values: dict[str, float] = {}
    gone: bool = False


class MarkMsg(_Message, tag="mark", kw_only=True):
    """An event on the time line: dose, note, restart.

    `id`: of a mark whose time can be corrected; a message of the same id replaces it, and
    `first_us` is then the time that was entered first. `by`: who made it.
    """

    seq: int = 0
    room: str
    at_us: int
    kind: str
    text: str = ""
    id: str = ""
    by: str = ""
    first_us: int | None = None


class ResultMsg(_Message, tag="result", kw_only=True):
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


class BeatMsg(_Message, tag="beat", kw_only=True):
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


class LinkState(_Message, tag="feed", kw_only=True):
    """From the web itself: whether its station is there."""

    state: Literal["live", "stale"]


class TrendMsg(msgspec.Struct, kw_only=True):
    """Decimated trend of one channel since session start.

    `b` holds one bucket a row: start_us, minimum, maximum, last; gaps have no bucket.
    """

    channel: str
    width_us: int
    b: list[tuple[int, float, float, float]]


class DeviceMsg(msgspec.Struct, kw_only=True):
    """A device of a room; `url` is its link as people write it, without folders."""

    id: str
    driver: str
    title: str = ""
    can: list[str] = []
    channels: list[str] = []
    own_alarm: str = "unknown"
    state: LinkWord = "connecting"
    rejected: int = 0
    detail: str = ""
    url: str = ""
    status: DeviceStatusMsg | None = None


class LimitMsg(msgspec.Struct, kw_only=True):
    """A limit line for the trend; `why` it is not the profile's own number, in words."""

    channel: str
    side: str
    priority: str
    limit: float
    why: str = ""


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


class Snapshot(_Message, tag="snapshot", kw_only=True):
    """The present state of everything; comes first, and again after each reconnect."""

    seq: int = 0
    link: Literal["live", "stale"] = "live"
    beat: BeatMsg | None = None
    rooms: list[RoomMsg] = []
    held: list[HeldMsg] = []


class Auth(_Message, tag="auth", kw_only=True):
    """First message up."""

    v: int
    token: str


class AudienceMsg(_Message, tag="audience", kw_only=True):
    """How many pages a web serves, and on how many of them sound is armed; every second."""

    armed: int
    pages: int = 0


class CommandMsg(_Message, tag="command", kw_only=True):
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
