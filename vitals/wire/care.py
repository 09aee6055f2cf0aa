"""A room's session, its alarms, and what is owed."""

from __future__ import annotations

from typing import Any

import msgspec

from vitals.wire.message import Message


class AlarmMsg(Message, tag="alarm", kw_only=True):
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


class DueMsg(Message, tag="due", kw_only=True):
    """A reading or act that is owed."""

    seq: int = 0
    room: str
    what: str
    at_us: int
    done_us: int | None = None
    state: str = "coming"
    label: str = ""


class SessionMsg(Message, tag="session", kw_only=True):
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


class LimitMsg(msgspec.Struct, kw_only=True):
    """A limit line for the trend; `why` it is not the profile's own number, in words."""

    channel: str
    side: str
    priority: str
    limit: float
    why: str = ""


class CareMsg(Message, tag="care", kw_only=True):
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


class MarkMsg(Message, tag="mark", kw_only=True):
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
