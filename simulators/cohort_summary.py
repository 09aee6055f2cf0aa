"""What a cohort comes to: alarms by rule, the course of blood pressure, quiet sessions.

Sessions are added one by one and only sums are kept, so a cohort may be as large as time allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from simulators.cohort import CohortSession

MINUTES = (10, 20, 30, 40, 50, 60, 75, 90, 105, 120)
PUBLISHED = "+16.0 (SD 11.2) / +11.0 (SD 8.5) at 40 min (2342 infusions, Yale 2024)"
_NEVER = ("idle", "pending", "latched")


@dataclass
class Tally:
    """Sums over the sessions of a cohort.

    Attributes:
        sessions: in which the dose was given.
        held: visits in which it was not.
        hours: of monitoring in these sessions.
        alarms: rule -> how often its condition was met (INFO annotates and is no alarm).
        sounded: rule -> how often it began to sound.
        with_sound: rule -> sessions in which it sounded; `""` = any rule.
        well: sessions with `nothing_severe`.
        well_quiet: of them, those without a sounding alarm.
        within: sessions `within_limits`.
        within_quiet: of them, those without a sounding alarm.
        above_160: sessions with a reading of 160/100 or more.
        above_180: sessions with a reading of 180/110 or more.
        desaturations: true SpO2 below 88 % for at least 30 s.
        missed: of them, how many no alarm told.
        rises: true rise at `MINUTES`, systolic and diastolic, a row a session.
        peaks: true peak rise and its minute, systolic and diastolic, a row a session.
    """

    sessions: int = 0
    held: int = 0
    hours: float = 0.0
    alarms: Counter[str] = field(default_factory=Counter)
    sounded: Counter[str] = field(default_factory=Counter)
    with_sound: Counter[str] = field(default_factory=Counter)
    well: int = 0
    well_quiet: int = 0
    within: int = 0
    within_quiet: int = 0
    above_160: int = 0
    above_180: int = 0
    desaturations: int = 0
    missed: int = 0
    rises: list[list[tuple[float, float]]] = field(default_factory=list)
    peaks: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, done: CohortSession) -> None:
        """Counts one session in which the dose was given."""
        if done.dose_s is None or done.session.ended_us is None:
            raise ValueError("only a finished session in which the dose was given counts")
        heard = self._alarms(done)
        self.sessions += 1
        self.hours += (done.session.ended_us - done.session.started_us) / 3.6e9
        self.with_sound.update({*heard, ""} if heard else ())
        self.well += done.nothing_severe
        self.well_quiet += done.nothing_severe and not heard
        self.within += done.within_limits
        self.within_quiet += done.within_limits and not heard
        self.above_160 += done.reached(160, 100)
        self.above_180 += done.reached(180, 110)
        self.desaturations += len(done.desaturations)
        self.missed += len(done.missed())
        zero = int(done.dose_s)
        sys, dia = (p - p[:zero].mean() for p in (done.truth.sys, done.truth.dia))
        seconds = [min(zero + minute * 60, len(sys) - 1) for minute in MINUTES]
        self.rises.append([(float(sys[s]), float(dia[s])) for s in seconds])
        self.peaks.append((done.sys.rise, done.dia.rise, done.sys.minute, done.dia.minute))

    def hold(self) -> None:
        """Counts a visit in which the dose was not given."""
        self.held += 1

    def _alarms(self, done: CohortSession) -> set[str]:
        heard = set()
        for change in done.changes:
            before, after = change.before, change.after
            rule = after.rule.partition(":")[0]
            if after.condition == "active" and before.condition in _NEVER and after.priority.rank:
                self.alarms[rule] += 1
            if after.sounding and not before.sounding:
                self.sounded[rule] += 1
                heard.add(rule)
        return heard

    @property
    def peak_rise(self) -> tuple[float, float]:
        """Mean of each session's true peak rise, systolic and diastolic, mmHg."""
        sys, dia = np.mean([peak[:2] for peak in self.peaks], axis=0)
        return float(sys), float(dia)

    @property
    def peak_minute(self) -> float:
        """Median minute of the systolic peaks."""
        return median(peak[2] for peak in self.peaks)


def lines(tally: Tally) -> Iterator[str]:
    """The summary for people, without the line that names the cohort."""
    n = tally.sessions
    yield ""
    yield "Alarms"
    yield from _table(
        ("RULE", "ALARMS", "SOUNDED", "A SESSION", "SESSIONS WITH SOUND"),
        [
            (
                rule,
                str(tally.alarms[rule]),
                str(tally.sounded[rule]),
                f"{tally.sounded[rule] / n:.2f}",
                _share(tally.with_sound[rule], n),
            )
            for rule in sorted(tally.alarms, key=lambda rule: (-tally.sounded[rule], rule))
        ]
        + [
            (
                "all",
                str(tally.alarms.total()),
                str(tally.sounded.total()),
                f"{tally.sounded.total() / n:.2f}",
                _share(tally.with_sound[""], n),
            )
        ],
    )
    yield f"{tally.sounded.total() / tally.hours:.2f} soundings an hour of monitoring"
    yield ""
    yield "Blood pressure: true rise above the time before the dose, mean (SD), mmHg"
    rises = np.array(tally.rises)
    mean, spread = rises.mean(axis=0), rises.std(axis=0)
    yield from _table(
        ("MINUTES", *(str(minute) for minute in MINUTES)),
        [
            (name, *(f"{m:+.1f} ({s:.1f})" for m, s in zip(mean[:, k], spread[:, k], strict=True)))
            for k, name in enumerate(("systolic", "diastolic"))
        ],
    )
    sys, dia = tally.peak_rise
    at = f"{tally.peak_minute:.0f} min"
    yield f"Peak of each session (5 min mean): {sys:+.1f} / {dia:+.1f}, median at {at}"
    yield f"Published for intravenous: {PUBLISHED}"
    yield f"A reading of 160/100 or more: {_share(tally.above_160, n)} of sessions"
    yield f"A reading of 180/110 or more: {_share(tally.above_180, n)} of sessions"
    yield ""
    yield from _table(
        ("UNEVENTFUL SESSIONS", "OF ALL", "WITHOUT A SOUNDING ALARM"),
        [
            ("nothing severe", _share(tally.well, n), _share(tally.well_quiet, tally.well)),
            (
                "truly within all limits",
                _share(tally.within, n),
                _share(tally.within_quiet, tally.within),
            ),
        ],
    )
    yield f"True desaturations below 88 % for 30 s: {tally.desaturations}, missed {tally.missed}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "--"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
