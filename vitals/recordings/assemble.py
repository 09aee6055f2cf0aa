"""Makes a recording of what a reader has found: channels, units, order, and no value that is none.

Nothing is invented: what is doubtful is marked, what is left out is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vitals.channels import CHANNELS, NIBP
from vitals.model import US, Quality
from vitals.recordings import names, units
from vitals.recordings.mapping import NONE, Mapping
from vitals.recordings.readings import first_seen
from vitals.recordings.recording import (
    FIRST_US,
    LAST_US,
    MOST_HOURS,
    LeftOut,
    Numbers,
    Raw,
    RawNumbers,
    RawWave,
    Recording,
    RecordingError,
    Source,
    end_us,
    track_name,
)
from vitals.recordings.waveforms import packets
from vitals.store.rows import QUALITIES

GOOD, DOUBTFUL, INVALID = (
    QUALITIES.index(q) for q in (Quality.GOOD, Quality.QUESTIONABLE, Quality.INVALID)
)
SENTINELS = frozenset(
    {-32768.0, -32767.0, -9999.0, -999.0, -100.0, -1.0, 127.0, 255.0, 511.0, 999.0, 9999.0,
     32767.0, 65535.0, 8388607.0, 8388608.0, 16777215.0, 2147483647.0, -2147483648.0,
     4294967295.0}
)  # fmt: skip
"""What monitors write where they have no value, beside 0; only where no such value can be."""
_MOST_DEVICES = 16
_MOST_REMARKS = 2000
_Track = TypeVar("_Track", RawNumbers, RawWave)
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
RAW_ID = "recording"
"""The device of tracks that are of none."""


def assemble(raw: Raw, source: Source, mapping: Mapping = NONE) -> Recording:
    """What a reader has found as a recording.

    Raises:
        RecordingError: there is no value in it that could be used, or it is too long.
    """
    left_out, notes = list(raw.left_out), list(raw.notes)
    ids = _Ids()
    numbers = _numbers(_chosen(raw, raw.numbers, "number", mapping, left_out), ids, raw, notes)
    if not raw.own:
        numbers = _readings(numbers, notes)
    waves = [
        packet
        for channel, one in _chosen(raw, raw.waves, "wave", mapping, left_out)
        for packet in packets(one, channel, ids.of(one.device), notes, own=raw.own)
    ]
    waves.sort(key=lambda wave: (end_us(wave), wave.device, wave.channel))
    if not any((~np.isnan(one.value)).any() for one in numbers) and not waves:
        raise RecordingError(f"{source.file}: {_nothing(raw, left_out)}")
    remarks = sorted(
        (r for r in raw.remarks if FIRST_US <= r.at_us <= LAST_US and r.text.strip()),
        key=lambda remark: remark.at_us,
    )
    if len(remarks) > _MOST_REMARKS:
        notes.append(f"It has {len(remarks)} texts; the first {_MOST_REMARKS} are taken.")
    found = Recording(
        source,
        tuple(sorted(numbers, key=_place)),
        tuple(waves),
        tuple(remarks[:_MOST_REMARKS]),
        raw.facts,
        tuple(left_out),
        tuple(notes),
    )
    if found.to_us - found.from_us > MOST_HOURS * 3600 * US:
        hours = (found.to_us - found.from_us) / US / 3600
        raise RecordingError(
            f"{source.file}: it is {hours:.0f} hours long, and one session is at most "
            f"{MOST_HOURS}; choose a part with --from and --to"
        )
    if len(found.devices) > _MOST_DEVICES:
        raise RecordingError(
            f"{source.file}: it is of {len(found.devices)} devices, more than one patient's; name "
            "the tracks of one in a mapping (--map)"
        )
    return found


def part(recording: Recording, from_us: int | None, to_us: int | None) -> Recording:
    """What of a recording lies from one time to another.

    Raises:
        RecordingError: nothing does.
    """
    low = FIRST_US if from_us is None else from_us
    high = LAST_US if to_us is None else to_us
    numbers = []
    for one in recording.numbers:
        kept = (one.at_us >= low) & (one.at_us < high)
        if kept.any():
            numbers.append(_only(one, kept))
    waves = tuple(w for w in recording.waves if low <= w.start_us and end_us(w) <= high)
    if not numbers and not waves:
        raise RecordingError(
            f"{recording.source.file}: there is nothing in it between --from and --to"
        )
    remarks = tuple(r for r in recording.remarks if low <= r.at_us < high)
    facts = replace(recording.facts, from_us=None, to_us=None)
    return replace(recording, numbers=tuple(numbers), waves=waves, remarks=remarks, facts=facts)


def _place(one: Numbers) -> tuple[str, int]:
    return one.device, list(CHANNELS).index(one.channel)


# --- which tracks, as which channels --------------------------------------------------------------


def _chosen(
    raw: Raw,
    tracks: Iterable[_Track],
    kind: names.Kind,
    mapping: Mapping,
    left_out: list[LeftOut],
) -> list[tuple[str, _Track]]:
    """The tracks that are taken, of each device and channel the best, in the channel's unit."""
    best: dict[tuple[str, str], tuple[int, str, _Track, float]] = {}
    for track in tracks:
        name = track_name(track.device, track.name)
        offered = _offered(track, kind, mapping)
        if isinstance(offered, str):
            left_out.append(LeftOut(name, offered))
            continue
        channel, rank, factor, device = offered
        track.device = device
        known = best.get((device, channel))
        if known is not None and raw.own:
            best[device, f"{channel} {len(best)}"] = (rank, name, track, factor)
        elif known is not None and known[0] <= rank:
            left_out.append(LeftOut(name, f"the same as {known[1]}"))
        else:
            if known is not None:
                left_out.append(LeftOut(known[1], f"the same as {name}"))
            best[device, channel] = (rank, name, track, factor)
    chosen: list[tuple[str, _Track]] = []
    for (_, key), (_, _, track, factor) in best.items():
        _scale(track, factor)
        chosen.append((key.partition(" ")[0], track))
    return chosen


def _offered(
    track: RawNumbers | RawWave, kind: names.Kind, mapping: Mapping
) -> tuple[str, int, float, str] | str:
    """(channel, rank, factor, device) of a track, or why it is left out."""
    unit, device, rank = track.unit, track.device, 0
    if track.channel:
        channel = track.channel
        if channel not in CHANNELS or (channel in names.WAVES) != (kind == "wave"):
            return "not known"
    elif mapping.track:
        said = mapping.of(track_name(device, track.name)) or mapping.of(track.name)
        if said is None:
            return "not in the mapping"
        if (said.channel in names.WAVES) != (kind == "wave"):
            return f"it is a {kind}, and {said.channel} is none"
        channel, unit = said.channel, said.unit or unit
        device = said.device if said.device != RAW_ID or not device else device
    else:
        found = names.channel_of(track.name, kind)
        if found is None:
            return "not known; a mapping can name it" if kind == "number" else "not known"
        channel, rank = found
    factor = 1.0 if channel == "pleth" else units.factor(channel, unit)
    if factor is None:
        return f"its unit {unit!r} cannot be turned into {CHANNELS[channel].unit} for sure"
    if isinstance(track, RawNumbers) and not track.channel:
        real = track.value[np.isfinite(track.value)]
        why = units.suspicious(channel, unit, float(real.max())) if real.size else ""
        if why:
            return why
    return channel, rank, factor, device


def _scale(track: RawNumbers | RawWave, factor: float) -> None:
    if factor == 1.0:
        return
    if isinstance(track, RawNumbers):
        track.value = track.value * factor
        return
    for block in track.blocks:
        block.values = block.values * np.float32(factor)


class _Ids:
    """Ids of devices: what the file calls them, as far as a config may."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The id of a device."""
        if name not in self._known:
            fit = _UNFIT.sub("-", name).strip("-._")[:36] or RAW_ID
            taken = set(self._known.values())
            again = [f"{fit}-{n}" for n in range(2, len(taken) + 2)]
            self._known[name] = next(one for one in (fit, *again) if one not in taken)
        return self._known[name]


# --- values ---------------------------------------------------------------------------------------


def _numbers(
    chosen: Iterable[tuple[str, RawNumbers]], ids: _Ids, raw: Raw, notes: list[str]
) -> list[Numbers]:
    found = []
    for channel, track in chosen:
        one = _clean(track, channel, ids.of(track.device), notes, own=raw.own)
        if one.at_us.size:
            found.append(one)
    return found


def _clean(track: RawNumbers, channel: str, device: str, notes: list[str], *, own: bool) -> Numbers:
    name = track_name(track.device, track.name)
    value = track.value.astype(np.float64)
    value[~np.isfinite(value)] = np.nan
    quality = np.zeros(value.size, np.uint8) if track.quality is None else track.quality
    if not own:
        value, quality = _judged(value, quality, channel, name, notes)
    one = Numbers(device, channel, track.at_us, value, quality, track.flags, track.device_at_us)
    timed = (one.at_us >= FIRST_US) & (one.at_us <= LAST_US)
    if not timed.all():
        notes.append(f"{np.count_nonzero(~timed)} values of {name} have no real time.")
        one = _only(one, timed)
    if np.any(np.diff(one.at_us) < 0):
        one = _only(one, np.argsort(one.at_us, kind="stable"))
    if own:
        return one
    twice = np.concatenate(([False], np.diff(one.at_us) == 0))[: one.at_us.size]
    if twice.any():
        notes.append(f"{np.count_nonzero(twice)} values of {name} came twice at the same time.")
        one = _only(one, ~twice)
    return one


def _judged(
    value: NDArray[np.float64],
    quality: NDArray[np.uint8],
    channel: str,
    name: str,
    notes: list[str],
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Zero and what monitors write for "no value" are none; what cannot be is invalid."""
    about = CHANNELS[channel]
    out = (value < about.plausible_low) | (value > about.plausible_high)
    empty = np.isin(value, [0.0, *SENTINELS]) & out
    wrong = out & ~empty
    if wrong.any():
        notes.append(f"{np.count_nonzero(wrong)} values of {name} cannot be, and count as none.")
    value = np.where(out, np.nan, value)
    return value, np.where(np.isnan(value), INVALID, quality).astype(np.uint8)


def _only(one: Numbers, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Numbers:
    """Some of the values, or all in another order."""
    places = np.flatnonzero(kept) if kept.dtype == np.bool_ else kept
    index = places.tolist()
    return replace(
        one,
        at_us=one.at_us[places],
        value=one.value[places],
        quality=one.quality[places],
        flags=tuple(one.flags[i] for i in index) if one.flags else (),
        device_at_us=tuple(one.device_at_us[i] for i in index) if one.device_at_us else (),
    )


# --- blood pressures ------------------------------------------------------------------------------


def _readings(numbers: list[Numbers], notes: list[str]) -> list[Numbers]:
    """Each reading of a cuff once, however long the monitor went on showing it."""
    if not numbers:
        return numbers
    began_us = min(int(one.at_us[0]) for one in numbers)
    found = [one for one in numbers if one.channel not in NIBP]
    for device in sorted({one.device for one in numbers}):
        cuff = {o.channel: o for o in numbers if o.device == device and o.channel in NIBP}
        if not cuff:
            continue
        valid = {key: ~np.isnan(one.value) for key, one in cuff.items()}
        shown = {
            key: (cuff[key].at_us[valid[key]], cuff[key].value[valid[key]])
            for key in NIBP
            if key in cuff
        }
        once, unknown_us = first_seen(shown, began_us)
        before = max(at_us.size for at_us, _ in shown.values())
        after = max(at_us.size for at_us, _ in once.values())
        if after < before:
            notes.append(
                f"{device} shows each blood pressure until the next one: its {before} values are "
                f"{after} reading{'s' * (after != 1)}."
            )
        if unknown_us is not None:
            notes.append(
                f"{device} showed a blood pressure already when the recording began: when it was "
                "taken is not known, so it is questionable."
            )
        for key, (at_us, value) in once.items():
            doubt = at_us == (-1 if unknown_us is None else unknown_us)
            quality = np.where(doubt, DOUBTFUL, GOOD).astype(np.uint8)
            if at_us.size:
                found.append(Numbers(device, key, at_us, value, quality))
    return found


def _nothing(raw: Raw, left_out: list[LeftOut]) -> str:
    """Why a recording is none."""
    unknown = [one.name for one in left_out]
    if not unknown:
        return "there is no value in it"
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    return (
        f"none of its tracks can be used ({', '.join(unknown[:8])}{more}); name some in a mapping "
        "(--map)"
    )
