"""Which protocol bytes are in: each driver's own decoder reads them, and what fits is counted.

Pure: bytes heard on each line setting go in, a verdict comes out. There is no second decoder here,
so a driver that is added is recognised, too. A protocol with a checksum needs less evidence than
one without, and frames without one must also come at the pace of their device, since a stream that
is read at a wrong speed can look like another's. Where several fit, a checksum decides, then the
driver's usual line, then the share of what was accepted. A device that a driver understands but
must not read (`wrong_mode`) is no fit but a hint what to set.

Measured on the streams of the simulated monitors: the right driver refuses one or two frames, the
one that was cut at the beginning. Of a foreign stream on its own line no driver accepts more than
a quarter, but for a handful of short answers of a SunTech module, of which the unchecked Contec
V5.0 accepts six in ten. At a wrong speed much more is possible (Contec V5.0 at 19200 baud, read at
4800, is well-formed Nonin format 8 throughout), but not at the right pace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from devices.driver import Driver, SerialSettings
from vitals.model import US, Chunk, Notice, Numeric

Heard = Mapping[SerialSettings, Sequence[Chunk]]
"""Line setting -> what was heard on it, in the order of arrival."""

CUT = 1
"""Refused frames that do not count: listening begins in the middle of one."""
SURE_SHARE, LIKELY_SHARE = 0.8, 0.6
NEEDED_CHECKED, NEEDED = 2, 4
"""Accepted frames that make sure, with a checksum and without one."""
LONG_FRAME, NEEDED_LONG = 20, 2
"""Frames of at least so many bytes (lines of text mostly) do not fit by chance: two will do."""
CLEARLY = 0.1
"""A share that is so much greater decides between drivers that both fit."""
MOST_PACE, LEAST_PACE = 4.0, 0.5
"""Without a checksum: frames a second, at most, and bytes of a dense stream, at least, in units of
what the device sends."""
PAUSE_US = 250_000
"""A longer pause does not count as part of a dense stream."""
PACED_US = 1_000_000
"""What was heard in less time tells nothing of a pace."""
MAX_BYTES = 8192
"""What is looked at of one line setting."""
_PIECE = 16
"""Bytes that a decoder is given at once: it counts frames by what it is given."""

_TEXT_SHARE = 0.9
_TEXT = frozenset(b"\r\n\t" + bytes(range(0x20, 0x7F)))
_OTHERS = (
    (
        re.compile(rb"\x00\x02\x00\x0d\x00[\x0e-\x40]\x20"),
        "Nonin data format 13, single spot readings: set the oximeter to data format 8, "
        "or let the driver nonin-df8 do it",
    ),
)
"""Formats that no driver reads, by how their packets begin, and what to do."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How one driver fits what was heard on one line.

    Attributes:
        line: the setting on which it fits.
        accepted: frames or lines that fitted.
        rejected: frames or lines that did not.
        sure: whether that is enough evidence.
    """

    driver: Driver
    line: SerialSettings
    accepted: int
    rejected: int
    sure: bool

    @property
    def share(self) -> float:
        """Accepted of all, 0..1."""
        return _share(self.accepted, self.rejected)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bytes look like.

    Attributes:
        fits: the driver that fits best; several when they fit equally; none when nothing does.
        hints: what to do with a device in a mode that no driver reads, a sentence each.
        text_on: the line setting on which lines of text arrive that no driver reads.
    """

    fits: tuple[Fit, ...] = ()
    hints: tuple[str, ...] = ()
    text_on: SerialSettings | None = None

    @property
    def sure(self) -> bool:
        """Whether it is one driver, with enough evidence."""
        return len(self.fits) == 1 and self.fits[0].sure


@dataclass(frozen=True, slots=True)
class Trial:
    """What a driver's decoder makes of bytes.

    Attributes:
        readings: numerics, with or without a value.
        wrong_mode: what the driver says to set, `""` when it says nothing or no longer.
    """

    accepted: int
    rejected: int
    readings: int
    wrong_mode: str


def decode(driver: Driver, chunks: Sequence[Chunk]) -> Trial:
    """Lets the driver's own decoder read them. Exceptions of the driver come through."""
    decoder = driver.decoder("scan")
    readings, occasions, wrong_mode = 0, 0, ""
    for chunk in _pieces(chunks):
        found = 0
        for event in decoder.feed(chunk):
            if isinstance(event, Numeric):
                found += 1
            elif isinstance(event, Notice) and event.code == "wrong_mode":
                wrong_mode = event.detail if event.active else ""
        readings += found
        occasions += bool(found)
    # A decoder of another distribution may not count what it accepts.
    accepted = int(getattr(decoder, "accepted", occasions))
    return Trial(accepted, decoder.rejected, readings, wrong_mode)


def identify(heard: Heard, drivers: Iterable[Driver]) -> Verdict:
    """Which of the serial drivers fits best, and on which line."""
    known = [driver for driver in drivers if driver.transport == "serial"]
    fits: list[Fit] = []
    hints: list[str] = []
    for line, chunks in heard.items():
        for driver in known:
            try:
                trial = decode(driver, chunks)
            except Exception as error:  # that of another distribution must not spoil the look
                hints.append(f"the driver {driver.name} fails on these bytes: {error!r}")
                continue
            if hint := _hint(driver, trial):
                # Where the driver names another one, that one would have fitted.
                if not any(other.name in trial.wrong_mode for other in known):
                    hints.append(hint)
            elif fit := _fit(driver, line, trial, tuple(_pieces(chunks))):
                fits.append(fit)
        hints += [said for start, said in _OTHERS if start.search(_joined(chunks))]
    best = _best(fits)
    if best:
        return Verdict(best)
    return Verdict((), tuple(dict.fromkeys(hints)), _text_on(heard))


def _hint(driver: Driver, trial: Trial) -> str:
    """What to set, unless the driver only guesses: then it accepts some and refuses more."""
    sane = not trial.accepted or _share(trial.accepted, trial.rejected) >= SURE_SHARE
    return f"{driver.name}: {trial.wrong_mode}" if trial.wrong_mode and sane else ""


def _fit(driver: Driver, line: SerialSettings, trial: Trial, pieces: Sequence[Chunk]) -> Fit | None:
    accepted, rejected = trial.accepted, trial.rejected
    share = _share(accepted, rejected)
    if not accepted or share < LIKELY_SHARE:
        return None
    needed = NEEDED_CHECKED
    if not driver.checked:
        if not trial.readings or not _in_pace(driver, accepted, pieces):
            return None
        size = sum(len(piece.data) for piece in pieces)
        needed = NEEDED_LONG if size / (accepted + rejected) >= LONG_FRAME else NEEDED
    if 2 * accepted < needed:
        return None
    sure = share >= SURE_SHARE and accepted >= needed
    return Fit(driver, line, accepted, rejected, sure)


def _in_pace(driver: Driver, accepted: int, pieces: Sequence[Chunk]) -> bool:
    """Whether a device of this kind sends about so fast."""
    gaps = [b.at_us - a.at_us for a, b in pairwise(pieces)]
    if sum(gaps) < PACED_US:
        return True
    if not driver.frame_bytes:
        return accepted <= MOST_PACE * sum(gaps) / US / driver.period_s + 1
    usual = sum(len(data) for _, data in driver.encode({}, ())) / driver.encode_s
    sent = sum(len(piece.data) for piece in pieces)
    return sent >= LEAST_PACE * usual * sum(gap for gap in gaps if gap <= PAUSE_US) / US


def _share(accepted: int, rejected: int) -> float:
    whole = accepted + max(rejected - CUT, 0)
    return accepted / whole if whole else 0.0


def _best(fits: Sequence[Fit]) -> tuple[Fit, ...]:
    """The fits that nothing tells apart, in the order of their names; of each driver one line."""
    left = [fit for fit in fits if fit.sure] or list(fits)
    left = [fit for fit in left if fit.driver.checked] or left
    left = [fit for fit in left if fit.line == fit.driver.settings] or left
    top = max((fit.share for fit in left), default=0.0)
    equal = [fit for fit in left if top - fit.share <= CLEARLY]
    by_name: dict[str, Fit] = {}
    for fit in sorted(equal, key=lambda fit: (fit.share, fit.accepted), reverse=True):
        by_name.setdefault(fit.driver.name, fit)  # of equal lines the one that was heard first
    return tuple(by_name[name] for name in sorted(by_name))


def _text_on(heard: Heard) -> SerialSettings | None:
    for line, chunks in heard.items():
        data = _joined(chunks)
        readable = sum(byte in _TEXT for byte in data)
        if len(data) >= LONG_FRAME and readable >= _TEXT_SHARE * len(data):
            return line
    return None


def _joined(chunks: Sequence[Chunk]) -> bytes:
    return b"".join(chunk.data for chunk in _pieces(chunks))


def _pieces(chunks: Sequence[Chunk]) -> Iterable[Chunk]:
    """The first bytes, in small pieces, each with the time it arrived."""
    left = MAX_BYTES
    for chunk in chunks:
        data = chunk.data[:left]
        left -= len(data)
        for at in range(0, len(data), _PIECE):
            yield Chunk(data[at : at + _PIECE], chunk.at_us, chunk.source)
