"""What `/api/v1` answers to programs, as types: the source of the OpenAPI document.

Times end in `_us` (microseconds UTC, whole) or `_s` (seconds). The tests hold every answer
against its type, without any field that the type does not have.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Priority = Literal["high", "medium", "low"]
Mode = Literal["real", "demo", "test"]
Rows = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of all of them."""


class Error(Shape):
    """Why a request was refused: one sentence for a person."""

    error: str


# --- the list ---------------------------------------------------------------------------------


class PeakPressure(Shape):
    """Highest systolic pressure after the dose, its diastolic one, minutes from the dose."""

    sys: float | None
    dia: float | None
    minute: float | None


class LowestSpo2(Shape):
    """Lowest SpO2 that could be shown, minutes from the dose; whether the monitor doubted it."""

    value: float
    minute: float | None
    questionable: bool


class AlarmCounts(Shape):
    """Alarms by priority."""

    high: Rows
    medium: Rows
    low: Rows


class Covered(Shape):
    """Covered part of the time on the monitor, %, never rounded up; null where none was owed."""

    spo2: float | None
    pulse: float | None


class Taken(Shape):
    """Blood pressures that were owed until the end, and those that were obtained."""

    planned: Rows
    taken: Rows


class ListedSession(Shape):
    """A session in the list. While `worked_out` is false its facts are null."""

    id: str
    subject_ref: str
    room: str
    route: str
    mode: Mode
    phase: str
    state: Literal["open", "closed", "recovered"]
    started_us: int
    ended_us: int | None
    dose_us: int | None
    resumed: Rows
    utc_offset_s: int
    worked_out: bool
    peak: PeakPressure | None
    lowest_spo2: LowestSpo2 | None
    alarms: AlarmCounts | None
    coverage: Covered | None
    nibp: Taken | None
    owed: list[str]
    addenda: Rows
    signatures: Rows
    signed_last: bool
    unreadable: list[str]


class Facets(Shape):
    """What the list can be narrowed to."""

    rooms: list[str]
    routes: list[str]
    modes: list[str]


class SessionList(Shape):
    """Sessions of the rooms that may be seen; `pending` of them are still being worked out."""

    sessions: list[ListedSession]
    total: Rows
    pending: Rows
    facets: Facets
    unreadable: list[str]


# --- one session for programs -----------------------------------------------------------------


class Paged(Shape):
    """A page of rows of one session; `next` is the `offset` of the next page, null at the end.

    `unreadable`: what a damaged record did not give back, in sentences.
    """

    session: str
    mode: Mode
    total: Rows
    offset: Rows
    next: int | None
    unreadable: list[str]


class ChannelFacts(Shape):
    """What a channel is; `unit` in UCUM, `mdc` the IEEE 11073-10101 code."""

    key: str
    label: str
    unit: str
    mdc: int | None
    loinc: str | None


class NumericValue(Shape):
    """One value of a device; `device` is empty for what a person entered.

    `value` null: the device said that it has none. `invalid` ones are never shown or charted.
    """

    at_us: int
    device: str
    channel: str
    value: float | None
    quality: Literal["good", "questionable", "invalid"]
    flags: list[str]
    device_at_us: int | None


class Numerics(Paged):
    """Values in order of time."""

    channels: list[ChannelFacts]
    numerics: list[NumericValue]


class AuditEvent(Shape):
    """A row of the audit trail; `n` is its place in the chain, `body` all of it."""

    n: int
    at_us: int
    kind: str
    text: str
    actor: str
    role: str
    body: dict[str, Any]


class Events(Paged):
    """The audit trail, in order."""

    events: list[AuditEvent]


class AlarmFacts(Shape):
    """One alarm from its being met to its end; null for what did not happen."""

    rule: str
    priority: str
    text: str
    from_us: int
    to_us: int | None
    heard_us: int | None
    acked_us: int | None
    acked_by: str


class Alarms(Paged):
    """Alarms in order of their beginning."""

    alarms: list[AlarmFacts]


class WaveRun(Shape):
    """A stretch without a gap: `at_us` after the window's beginning, `y` in the device's units."""

    quality: str
    at_us: list[int]
    y: list[float]


class WaveTrack(Shape):
    """One device's waveform in the window."""

    device: str
    rate_hz: float
    runs: list[WaveRun]


class Wave(Shape):
    """A window of a waveform: lowest and highest sample of each pixel, gaps as gaps."""

    channel: str
    from_us: int
    to_us: int
    low: float | None
    high: float | None
    tracks: list[WaveTrack]
    unreadable: list[str]


# --- long work --------------------------------------------------------------------------------


class Format(Shape):
    """A format of exports; `missing`: why it cannot be written here, empty when it can."""

    id: str
    title: str
    about: str
    missing: str


class Formats(Shape):
    """Formats of exports; `names`: whether people may stand in them by name."""

    formats: list[Format]
    names: bool


class JobFacts(Shape):
    """Long work: how far it is. `before`: jobs that come first; `left_s`: kept for so long.

    `facts` is what it found (what-if) or what there is to say of the file (exports).
    """

    id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    share: Share
    words: str
    before: Rows
    left_s: Rows
    facts: dict[str, Any] | None
    file: str


class Dropped(Shape):
    """A job that is no more."""

    id: str
    state: Literal["cancelled"]
