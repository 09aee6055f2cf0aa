"""The course of one session: what its figure shows, from the session's data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from dashboard.chart import Chart, Expected, Failure, LimitLine, Line, Mark, Spot
from dashboard.figures import session_figure
from dashboard.review import Rooms
from dashboard.review.held import held, told_to
from dashboard.review.stretches import runs, strips
from vitals.alarms.profile import Profile
from vitals.channels import CHANNELS
from vitals.export import times
from vitals.export.limits import limits_in_force, profile_of
from vitals.export.ring import rings
from vitals.export.session_data import QUESTIONABLE, NumericTrack, Pressure, SessionData
from vitals.export.summary import minute_of, minute_words, whole
from vitals.export.timeline import timeline
from vitals.model import US, Quality
from vitals.session.expected import bands

RUNNING = ("spo2", "hr", "pr", "rr")
"""Running vitals that are drawn as lines."""
EDGE_US = 300 * US
"""Values that lie further outside the session belong to no figure."""
SHORT = 26
"""Letters of a mark that are written beside it."""
_SCALE = re.compile(r".*\(([^()]+)\) (-?[\d.]+)")
"""Short name and number in the words of a score: `Sedation (MOAA/S) 4: lethargic to name`."""
_UNITS = {"mm[Hg]": "mmHg"}
"""UCUM -> as people write it, where that differs."""


def figure(
    store: Path, uuid: str, *, names: bool = True, rooms: Rooms = None, stamp: str = ""
) -> bytes | None:
    """The figure of a session as Plotly JSON, None when there is none of that id.

    Args:
        store: the record.
        uuid: of the session.
        names: people by name, not by role and number.
        rooms: rooms whose sessions may be seen, None for all.
        stamp: see `dashboard.review.held.held`.

    Raises:
        StoreError: the record cannot be read.
    """
    found = held(store, uuid, rooms, stamp)
    if found is None:
        return None
    return orjson.dumps(
        {**session_figure(chart_of(told_to(found, names=names))), "stamp": found.stamp}
    )


def chart_of(data: SessionData) -> Chart:
    """What the figure of a session shows."""
    session = data.session
    profile = profile_of(data)
    to_us = max(data.to_us, session.started_us + 60 * US)
    return Chart(
        from_us=session.started_us,
        to_us=to_us,
        utc_offset_s=utc_offset_s(data),
        lines=list(_lines(data)),
        spots=list(_spots(data)),
        failures=[_failure(data, one) for one in data.pressures if one.failure],
        limits=list(_limits(data, profile)),
        expected=list(_expected(data)),
        marks=list(_marks(data)),
        gaps=data.gaps,
        off=data.coverage.off,
        strips=strips(data, rings(data, profile), to_us),
    )


def utc_offset_s(data: SessionData) -> int:
    """Seconds by which the clinic's clock was ahead of UTC when the session began."""
    offset = times.moment(data.session.started_us, data.zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def outside(data: SessionData) -> int:
    """How many values lie too far outside the session to be drawn."""
    return sum(int(np.count_nonzero(~_near(data, track))) for track in data.numerics)


def _near(data: SessionData, track: NumericTrack) -> NDArray[np.bool_]:
    """Which values belong to the figure: one from another year would squeeze all others."""
    low, high = data.session.started_us - EDGE_US, data.to_us + EDGE_US
    found: NDArray[np.bool_] = (track.at_us >= low) & (track.at_us <= high)
    return found


def _lines(data: SessionData) -> Iterator[Line]:
    """Of each running vital the device that gave most first."""
    tracks = [t for t in data.numerics if t.channel.key in RUNNING and runs(t)]
    order = {key: place for place, key in enumerate(RUNNING)}
    for track in sorted(tracks, key=lambda t: (order[t.channel.key], -t.at_us.size, t.device)):
        kept = track.shown & _near(data, track)
        if kept.any():
            yield Line(
                track.channel.key,
                track.device,
                track.at_us[kept],
                track.value[kept],
                track.quality[kept] == QUESTIONABLE,
            )


def _spots(data: SessionData) -> Iterator[Spot]:
    for one in data.pressures:
        if one.failure:
            continue
        words = pressure_words(one)
        minute = minute_words(minute_of(data, one.at_us))
        said = ", ".join(part for part in (words, minute) if part)
        for channel, value in (("nibp_sys", one.sys), ("nibp_dia", one.dia)):
            if value is not None:
                yield Spot(channel, one.at_us, value, one.manual, said)
    cuffs = {one.device for one in data.pressures if one.device}
    for track in data.numerics:
        if track.channel.key not in RUNNING or runs(track) or track.device in cuffs:
            continue  # a cuff's pulse rate is told with its reading
        kept = track.shown & _near(data, track)
        unit = _UNITS.get(track.channel.unit, track.channel.unit)
        by = track.device or "by hand"
        pairs = zip(track.at_us[kept].tolist(), track.value[kept].tolist(), strict=True)
        for at_us, value in pairs:
            words = f"{track.channel.label} {value:g} {unit} ({by})"
            yield Spot(track.channel.key, at_us, value, not track.device, words)


def pressure_words(one: Pressure) -> str:
    """`128/79 mmHg (MAP 95), PR 72, by hand, questionable; cuff`."""
    both = "/".join("--" if value is None else str(whole(value)) for value in (one.sys, one.dia))
    words = [f"{both} mmHg" + (f" (MAP {whole(one.map)})" if one.map is not None else "")]
    if one.pulse is not None:
        words.append(f"PR {whole(one.pulse)}")
    words.append("by hand" if one.manual else one.device)
    if one.quality is not Quality.GOOD:
        words.append(one.quality.value)
    return ", ".join(words)


def _failure(data: SessionData, one: Pressure) -> Failure:
    minute = minute_words(minute_of(data, one.at_us))
    return Failure(one.at_us, ", ".join(part for part in (one.failure, one.device, minute) if part))


def _limits(data: SessionData, profile: Profile | None) -> Iterator[LimitLine]:
    for one in limits_in_force(data, profile):
        channel = CHANNELS[one.channel]
        sign = "≥" if one.side == "high" else "≤"
        unit = _UNITS.get(channel.unit, channel.unit)
        words = f"{channel.label} {one.priority.value} limit {sign} {one.limit:g} {unit}"
        yield LimitLine(
            one.channel,
            one.side,
            one.level,
            one.priority.value,
            one.limit,
            bool(one.why),
            one.from_us,
            one.to_us,
            f"{words} ({one.why})" if one.why else words,
        )


def _expected(data: SessionData) -> Iterator[Expected]:
    session = data.session
    if session.dose_us is None:
        return
    for channel, band in bands(session.route, session.baseline).items():
        at_us = [session.dose_us + minute * 60 * US for minute in band.minutes]
        shown = [i for i, at in enumerate(at_us) if at <= data.to_us + EDGE_US]
        yield Expected(
            channel,
            [at_us[i] for i in shown],
            [band.low[i] for i in shown],
            [band.high[i] for i in shown],
        )


def _marks(data: SessionData) -> Iterator[Mark]:
    for point in timeline(data.entries):
        if point.kind == "phase":
            continue  # the strip of phases says it
        short = point.text if point.kind in ("mark", "score") else point.words
        scale = _SCALE.match(point.text) if point.kind == "score" else None
        short = f"{scale[1]} {scale[2]}" if scale else short  # the number is what is looked for
        short = short if len(short) <= SHORT else short[: SHORT - 1] + "…"
        who = f" ({point.actor})" if point.actor else ""
        yield Mark(point.at_us, point.kind, short or point.kind, point.words + who)
