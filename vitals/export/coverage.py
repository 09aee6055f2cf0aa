"""How much of a session was really measured: the honesty score. Pure.

Covered is time in which values came: those not further apart than a number may be shown as
current make a run, and its last value stands for one period of its device. What is out of a run
is a gap. Time off the monitor, announced by a person, is neither: it is told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitals.channels import CHANNELS
from vitals.freshness import FRESH_S
from vitals.model import US, Due
from vitals.session.due import REPEAT

Span = tuple[int, int]
"""From and to, microseconds UTC."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What one device gave of one channel.

    Attributes:
        channel: its key.
        at_us: int64, in order.
        shown: which of them are numbers that may be shown.
        doubtful: which of them are questionable.
        period_s: longest time between two values of the device.
    """

    channel: str
    at_us: NDArray[np.int64]
    shown: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    period_s: float = 1.0


@dataclass(frozen=True, slots=True)
class ChannelCoverage:
    """Coverage of one channel, of whatever device.

    Attributes:
        channel: its key.
        share: covered part of the time on the monitor, 0 to 1; None when there was none. Time of
            which nobody knows counts neither way.
        longest: the longest gap, None without one.
        gaps: how many.
        values: values that came, those without a number too.
        questionable: share of these that are doubtful.
        invalid: share of these that are no number or an invalid one.
        unknown_us: time of which a damaged record does not say whether it was covered.
    """

    channel: str
    share: float | None
    longest: Span | None
    gaps: int
    values: int
    questionable: float
    invalid: float
    unknown_us: int = 0

    @property
    def artifact(self) -> float:
        """Share of the values that the device doubted, or had no number for."""
        return self.questionable + self.invalid


@dataclass(frozen=True, slots=True)
class NibpCoverage:
    """Blood pressures by plan.

    Attributes:
        planned: readings that were owed until the end.
        taken: those that were obtained.
        missed: labels of the others.
        repeats: readings owed because one was out.
        repeats_taken: those that were obtained.
        attempts: readings and failures of all cuffs, and readings entered by hand.
        failed: attempts without a reading.
        unknown: labels of those of which a damaged record does not say what became of them.
    """

    planned: int
    taken: int
    missed: tuple[str, ...]
    repeats: int
    repeats_taken: int
    attempts: int
    failed: int
    unknown: tuple[str, ...] = ()


_OWED = ("coming", "due", "overdue")
"""States that another row follows, unless it is lost."""
DELETED = "the values were deleted when their time was over"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of a session from `from_us` to `to_us`; `off` = off the monitor.

    `deleted`: what was covered is no longer known, as the values were deleted when their time was
    over.
    """

    from_us: int
    to_us: int
    off: tuple[Span, ...]
    channels: tuple[ChannelCoverage, ...]
    nibp: NibpCoverage
    deleted: bool = False

    @property
    def off_us(self) -> int:
        """Time off the monitor."""
        return _length(self.off)

    def of(self, channel: str) -> ChannelCoverage | None:
        """Coverage of one channel."""
        return next((one for one in self.channels if one.channel == channel), None)

    def sentence(self) -> str:
        """For people: `SpO2 coverage 97.8 %, longest gap 41 s; NIBP 14/14 planned readings`."""
        parts = [_words(one) for one in self.channels if one.share is not None or one.unknown_us]
        if self.nibp.planned:
            unknown = f", {len(self.nibp.unknown)} not known" if self.nibp.unknown else ""
            parts.append(f"NIBP {self.nibp.taken}/{self.nibp.planned} planned readings{unknown}")
        if self.off_us:
            parts.append(f"off the monitor {lasting(self.off_us)}")
        if self.deleted:
            parts.insert(0, DELETED)
        return "; ".join(parts) or "nothing was measured"


def lasting(us: int) -> str:
    """A length of time for people: `41 s`, `3 min 20 s`, `1 h 05 min`."""
    seconds = round(us / US)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min" + (f" {seconds % 60} s" if seconds % 60 else "")
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def label_of(one: ChannelCoverage) -> str:
    """What a channel is called."""
    return CHANNELS[one.channel].label if one.channel in CHANNELS else one.channel


def share_words(share: float) -> str:
    """`99.9 %`: never rounded up to a whole that it is not."""
    return f"{np.floor(share * 1000) / 10:.1f} %"


def artifact_words(one: ChannelCoverage) -> str:
    """`3.4 %`: never rounded down to a nothing that it is not."""
    return f"{np.ceil(round(one.artifact * 1000, 6)) / 10:.1f} %"


def gap_words(one: ChannelCoverage) -> str:
    """`longest gap 41 s`, `no gap`."""
    return f"longest gap {lasting(one.longest[1] - one.longest[0])}" if one.longest else "no gap"


def unknown_words(one: ChannelCoverage) -> str:
    """`12 min not known`, `""` where all is known."""
    return f"{lasting(one.unknown_us)} not known" if one.unknown_us else ""


def _words(one: ChannelCoverage) -> str:
    if one.share is None:
        return f"{label_of(one)} coverage not known"
    parts = [f"{label_of(one)} coverage {share_words(one.share)}"]
    parts += [unknown_words(one)] if one.unknown_us else []
    parts += [gap_words(one)] if one.longest else []
    parts += [f"artifact {artifact_words(one)}"] if one.artifact else []
    return ", ".join(parts)


def measure(
    streams: Iterable[Stream],
    due: Iterable[Due],
    from_us: int,
    to_us: int,
    *,
    expected: Sequence[str] = (),
    off: Iterable[Span] = (),
    attempts: int = 0,
    failed: int = 0,
    deleted: bool = False,
    lost: Mapping[str, Sequence[Span]] | None = None,
    torn: bool = False,
) -> Coverage:
    """Coverage of a session.

    Args:
        streams: everything that devices gave continuously.
        due: what the session owed, in its last state.
        from_us: beginning of the session.
        to_us: its end, or when monitoring was finished.
        expected: channels that the room's devices give, whether or not anything came.
        off: when the patient was off the monitor.
        attempts: blood pressures tried.
        failed: those of them without a reading.
        deleted: the values are there no more.
        lost: channel -> times of which a damaged record gives no values back.
        torn: rows of the audit trail are lost.
    """
    apart = _union(clip(off, from_us, to_us))
    by_channel: dict[str, list[Stream]] = {key: [] for key in expected}
    for stream in streams:
        by_channel.setdefault(stream.channel, []).append(stream)
    channels = tuple(
        _channel(key, found, from_us, to_us, apart, (lost or {}).get(key, ()))
        for key, found in by_channel.items()
    )
    nibp = _nibp(due, to_us, attempts, failed, torn=torn)
    return Coverage(from_us, to_us, apart, channels, nibp, deleted)


def _channel(
    key: str,
    streams: list[Stream],
    from_us: int,
    to_us: int,
    off: tuple[Span, ...],
    lost: Sequence[Span],
) -> ChannelCoverage:
    unknown_us = _length(without(_union(clip(lost, from_us, to_us)), off))
    off = _union((*off, *clip(lost, from_us, to_us)))
    runs = [run for stream in streams for run in _runs(stream)]
    measured = without(_union(clip(runs, from_us, to_us)), off)
    missing = without(without(((from_us, to_us),), off), measured)
    if measured:  # a moment before the first value is no more a gap than one between two
        missing = tuple(gap for gap in missing if gap[1] - gap[0] > FRESH_S * US)
    wanted = to_us - from_us - _length(off)
    values = sum(stream.at_us.size for stream in streams)
    doubtful = sum(int(np.count_nonzero(s.doubtful & s.shown)) for s in streams)
    invalid = sum(int(np.count_nonzero(~s.shown)) for s in streams)
    return ChannelCoverage(
        key,
        1.0 - _length(missing) / wanted if wanted > 0 else None,
        max(missing, key=lambda gap: gap[1] - gap[0], default=None),
        len(missing),
        values,
        doubtful / values if values else 0.0,
        invalid / values if values else 0.0,
        unknown_us,
    )


def _runs(stream: Stream) -> list[Span]:
    at_us = stream.at_us[stream.shown]
    if not at_us.size:
        return []
    current_us = max(FRESH_S, 2 * stream.period_s) * US
    breaks = np.flatnonzero(np.diff(at_us) > current_us)
    first = at_us[np.concatenate(([0], breaks + 1))]
    last = at_us[np.concatenate((breaks, [at_us.size - 1]))] + round(stream.period_s * US)
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _nibp(
    due: Iterable[Due], to_us: int, attempts: int, failed: int, *, torn: bool
) -> NibpCoverage:
    owed = [item for item in due if item.what.startswith("nibp")]
    repeats = [i for i in owed if i.what.startswith(REPEAT) and (i.done_us or i.at_us <= to_us)]
    planned = [i for i in owed if not i.what.startswith(REPEAT) and (i.done_us or i.at_us <= to_us)]
    taken = [item for item in planned if item.state == "done"]
    unknown = [item for item in planned if torn and item.state in _OWED]
    missed = [item for item in planned if item.state != "done" and item not in unknown]
    return NibpCoverage(
        len(planned),
        len(taken),
        tuple(_missed(item) for item in missed),
        len(repeats),
        sum(item.state == "done" for item in repeats),
        attempts,
        failed,
        tuple(item.label or item.what for item in unknown),
    )


def _missed(item: Due) -> str:
    why = f" ({item.state.replace('_', ' ')})" if item.state in ("skipped", "not_obtained") else ""
    return f"{item.label or item.what}{why}"


def clip(spans: Iterable[Span], from_us: int, to_us: int) -> list[Span]:
    """Those parts of spans that lie within a range."""
    cut = ((max(start, from_us), min(end, to_us)) for start, end in spans)
    return [(start, end) for start, end in cut if start < end]


def _union(spans: Iterable[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def without(spans: Iterable[Span], holes: Sequence[Span]) -> tuple[Span, ...]:
    """Spans less holes; both in order and without overlap."""
    rest: list[Span] = []
    for start, end in spans:
        for low, high in holes:
            if high <= start or low >= end:
                continue
            if low > start:
                rest.append((start, low))
            start = high
        if start < end:
            rest.append((start, end))
    return tuple(rest)


def _length(spans: Iterable[Span]) -> int:
    return sum(end - start for start, end in spans)
