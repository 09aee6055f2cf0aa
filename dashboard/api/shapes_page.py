"""What `/api/v1` answers to the review pages, as types. They may grow with the pages."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dashboard.api.shapes import AlarmCounts, Mode, Rows, Shape

Minutes = float
"""From the dose, negative before it."""


class Moment(Shape):
    """A stretch of time, and how long it is in words."""

    from_us: int
    to_us: int
    text: str


class ChannelCoverage(Shape):
    """How much of one channel was really measured; shares from 0 to 1.

    `unknown`: how much time a damaged record does not tell of; it counts neither way.
    """

    channel: str
    label: str
    share: float | None
    gaps: Rows
    longest: Moment | None
    values: Rows
    questionable: float
    invalid: float
    unknown: str = ""


class PressureCounts(Shape):
    """Blood pressures: owed and taken, repeats, attempts and failures.

    `unknown`: those of which a damaged record does not say what became of them.
    """

    planned: Rows
    taken: Rows
    missed: list[str]
    repeats: Rows
    repeats_taken: Rows
    attempts: Rows
    failed: Rows
    unknown: list[str] = msgspec.field(default_factory=list)


class Honesty(Shape):
    """How much of the session was really measured."""

    from_us: int
    to_us: int
    sentence: str
    deleted: bool
    channels: list[ChannelCoverage]
    nibp: PressureCounts
    down: list[Moment]


class Said(Shape):
    """One of the first answers about a session; `at_us` null: it is about no moment.

    `marked`: it is to be looked at.
    """

    part: Literal["given", "measured", "happened", "ended"]
    label: str
    text: str
    at_us: int | None
    marked: bool


class PressureRow(Shape):
    """A blood pressure: a reading, a failed attempt, or one that was owed and never came.

    `unknown`: what became of it, or its values, are lost to damage or were deleted.
    """

    kind: Literal["reading", "failed", "missed", "unknown"]
    at_us: int
    minute: Minutes | None
    planned: list[str]
    why: str
    sys: float | None = None
    dia: float | None = None
    map: float | None = None
    pulse: float | None = None
    device: str = ""
    manual: bool = False
    claimed: bool = False
    quality: str = ""
    flags: list[str] = msgspec.field(default_factory=list)


class Entered(Shape):
    """What somebody entered, and who."""

    at_us: int
    text: str
    by: str
    kind: str = ""
    role: str = ""


class AdverseEvent(Shape):
    """An adverse event with its last word: how bad, how it ended, what was done."""

    at_us: int
    text: str
    how: str
    action: str
    by: str
    serious: bool


class DischargeLine(Shape):
    """A discharge criterion as it stood when somebody signed."""

    label: str
    state: Literal["met", "set aside", "not met"]
    text: str


class Noted(Shape):
    """What people entered; `unknown`: why there may have been more, empty for no reason."""

    scores: list[Entered]
    marks: list[Entered]
    adverse: list[AdverseEvent]
    discharge: list[DischargeLine]
    closing: list[Entered]
    unknown: str


class Rise(Shape):
    """An alarm that rose in level."""

    at_us: int
    priority: str
    text: str


class MarkedNext(Shape):
    """What people marked within ten minutes of an alarm."""

    at_us: int
    text: str
    by: str
    after: str


class LaterValue(Shape):
    """The vital of an alarm some minutes after it."""

    minutes: int
    text: str
    at_us: int | None


class WhyItRang(Shape):
    """One alarm, from the first value out to what came of it."""

    rule: str
    channel: str
    label: str
    priority: str
    text: str
    crossed_us: int | None
    crossed: str
    value: str
    limit: str
    why: str
    hold_s: float | None
    waited: str
    shown_us: int
    sounded_us: int | None
    rises: list[Rise]
    again: Rows
    acked_us: int | None
    acked_by: str
    answered: str
    over_us: int | None
    lasted: str
    next: MarkedNext | None
    later: list[LaterValue]


class WaveFacts(Shape):
    """A waveform that was recorded, and when."""

    device: str
    channel: str
    label: str
    rate_hz: float
    from_us: int
    to_us: int


class SessionPage(Shape):
    """What the page of one session begins with; `session` has all that is kept of its state.

    `stamp` names the reading of the record: ask the other parts with it, and all tell one moment.
    """

    session: dict[str, Any]
    stamp: str
    unreadable: list[str]
    answers: list[Said]
    honesty: Honesty
    pressures: list[PressureRow]
    noted: Noted
    rings: list[WhyItRang]
    waves: list[WaveFacts]
    kinds: dict[str, int]
    disclaimer: str
    software: str
    head: str


class TrailRow(Shape):
    """A row of the audit trail in words."""

    n: int
    at_us: int
    kind: str
    text: str
    actor: str
    role: str


class Trail(Shape):
    """A page of the audit trail."""

    rows: list[TrailRow]
    total: Rows
    offset: Rows


class Addition(Shape):
    """An addendum or a signature; `outdated`: something was added after it."""

    n: int
    at_us: int
    kind: Literal["addendum", "signature"]
    text: str
    actor: str
    role: str
    identity: str
    about_us: int | None
    corrects: int | None
    comment: str
    outdated: bool
    authenticated: bool
    corrected: str


class Statement(Shape):
    """Words that can be signed."""

    key: str
    text: str


class Correctable(Shape):
    """A row that an addendum may correct."""

    n: int
    at_us: int
    text: str


class Addenda(Shape):
    """What was added to a session after its end."""

    closed: bool
    additions: list[Addition]
    last_n: int
    signed_n: int
    statements: list[Statement]
    correctable: list[Correctable]
    most_text: int
    most_comment: int


class Place(Shape):
    """Where a check goes on."""

    seals: int
    row: int


class Intact(Shape):
    """A piece of the check of a session; `next` null: it is complete."""

    broken: str
    next: Place | None
    share: float
    to_n: int


class DoseInShort(Shape):
    """A dose as the comparison shows it."""

    kind: str
    drug: str
    mg: float | None
    mg_kg: float | None


class PressureAt(Shape):
    """A blood pressure and its minute."""

    sys: float | None
    dia: float | None
    minute: Minutes | None


class Spo2At(Shape):
    """An SpO2 and its minute."""

    value: float
    minute: Minutes | None
    questionable: bool


class SessionBeside(Shape):
    """One session of the patient; `course`: channel -> rows of minute and values."""

    id: str
    room: str
    route: str
    mode: Mode
    started_us: int
    ended_us: int | None
    dose_us: int | None
    utc_offset_s: int
    doses: list[DoseInShort]
    baseline: PressureAt | None
    peak: PressureAt | None
    spo2: Spo2At | None
    alarms: AlarmCounts
    coverage: float | None
    unreadable: list[str]
    course: dict[str, list[list[float | None]]]


class Across(Shape):
    """Sessions of one pseudonym beside each other."""

    subject_ref: str
    mode: Mode
    this: str
    total: Rows
    sessions: list[SessionBeside]


class Knob(Shape):
    """Something of a level that can be moved, within its hard bounds."""

    key: str
    label: str
    unit: str
    value: float
    least: float
    most: float
    step: float


class RuleLevel(Shape):
    """One level of a rule, the mildest first."""

    priority: str
    words: list[str]
    knobs: list[Knob]


class RuleFacts(Shape):
    """A rule that a session had, and how often its alarm was on."""

    id: str
    title: str
    side: str
    unit: str
    alarms: Rows
    levels: list[RuleLevel]


class Rules(Shape):
    """Rules that can be tried with other limits; `why_not`: why none can, empty when some can."""

    why_not: str
    rules: list[RuleFacts]
    caveat: str


class Band(Shape):
    """An expected course: minutes from the dose, and what lies at each."""

    minutes: list[float]
    low: list[float]
    mean: list[float]
    high: list[float]


class EarlierSession(Shape):
    """Readings of an earlier session: rows of minute, systolic, diastolic."""

    started_us: int
    route: str
    readings: list[tuple[float, float, float]]


class Expected(Shape):
    """The expected course of the session that is open in a room; not a limit."""

    label: str
    session: str
    route: str
    bands: dict[str, Band]
    earlier: list[EarlierSession]
