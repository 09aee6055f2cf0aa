"""CSV (RFC 4180, UTF-8, CRLF): one table for each kind of thing, units in the heads of columns.

`session.csv numerics.csv blood_pressures.csv planned.csv alarms.csv events.csv coverage.csv`, one
`waveform-CHANNEL-DEVICE.csv` for each waveform, and the limits in force as `profile.toml`.

A text that a spreadsheet would take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitals.export import times
from vitals.export.planned import planned
from vitals.export.session_data import NumericTrack, SessionData, WaveTrack
from vitals.export.target import Files, Tell
from vitals.export.unknown import not_known
from vitals.model import US, Waveform
from vitals.store.rows import QUALITIES

_FORMULA = "=+-@＝＋－＠|%"
_NONE = np.iinfo(np.int64).min
_BLOCKS = 60


def write(data: SessionData, files: Files, tell: Tell) -> None:
    """Writes all tables of a session."""
    with _table(files, "session.csv", ("fact", "value"), tell) as out:
        out.writerows((key, text(value)) for key, value in data.facts().items())
    with files.file("profile.toml") as file:
        file.write(data.record.profile_text.encode("utf-8", "replace"))
    _numerics(data, files, tell)
    _pressures(data, files, tell)
    _planned(data, files, tell)
    _alarms(data, files, tell)
    _events(data, files, tell)
    _coverage(data, files, tell)
    names: set[str] = set()
    for track in data.waves:
        _waveform(data, track, files, _name(track, names), tell)


def text(value: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula."""
    value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"'{value}" if value.strip()[:1] in _FORMULA and value.strip() else value


def number(value: float | None) -> str:
    """The shortest text that reads back the same; `""` for no value."""
    if value is None or value != value:
        return ""
    return repr(value).removesuffix(".0")


@contextmanager
def _table(files: Files, name: str, head: Sequence[str], tell: Tell) -> Iterator[Any]:
    tell(name)
    with files.file(name) as file:
        stream = io.TextIOWrapper(file, "utf-8", errors="replace", newline="", write_through=False)
        out = csv.writer(stream)
        out.writerow(head)
        yield out
        stream.flush()
        stream.detach()


def _numerics(data: SessionData, files: Files, tell: Tell) -> None:
    """One row for all values that a device gave at one time."""
    keys = list(dict.fromkeys(track.channel.key for track in data.numerics))
    units = {track.channel.key: track.channel.unit for track in data.numerics}
    head = ["time", "at_us", "device", "device_time", "device_at_us"]
    for key in keys:
        head += [f"{key} [{units[key]}]", f"{key} quality", f"{key} flags"]
    with _table(files, "numerics.csv", head, tell) as out:
        out.writerows(_numeric_rows(data, keys))


def _numeric_rows(data: SessionData, keys: list[str]) -> Iterator[list[str]]:
    tracks = data.numerics
    if not tracks:
        return
    at_us = np.concatenate([track.at_us for track in tracks])
    value = np.concatenate([track.value for track in tracks])
    quality = np.concatenate([track.quality for track in tracks])
    flags = [text(one) for track in tracks for one in track.flags]
    devices = sorted({track.device for track in tracks})
    device = _of_each(tracks, [devices.index(track.device) for track in tracks])
    column = _of_each(tracks, [keys.index(track.channel.key) for track in tracks])
    theirs = np.array(
        [_NONE if t is None else t for track in tracks for t in track.device_at_us], dtype=np.int64
    )
    again = _occurrence(at_us, device, theirs, column)
    order = np.lexsort((column, again, theirs, device, at_us))
    ids = np.stack([at_us, device, theirs, again])[:, order]
    starts = np.flatnonzero(np.any(np.diff(ids, axis=1) != 0, axis=0)) + 1
    edges = [0, *starts.tolist(), order.size]
    when = times.isos(ids[0, edges[:-1]], data.zone)
    values, qualities, columns = (
        value[order].tolist(),
        quality[order].tolist(),
        column[order].tolist(),
    )
    places = order.tolist()
    for n, (start, end) in enumerate(itertools.pairwise(edges)):
        at, which, their, _ = ids[:, start].tolist()
        known = their != _NONE
        row = [when[n], str(at), text(devices[which])]
        row += [data.iso(their), str(their)] if known else ["", ""]
        cells = [""] * (3 * len(keys))
        for i in range(start, end):
            at_cell = 3 * columns[i]
            cells[at_cell] = number(values[i])
            cells[at_cell + 1] = QUALITIES[qualities[i]].value
            cells[at_cell + 2] = flags[places[i]]
        yield row + cells


def _of_each(tracks: Sequence[NumericTrack], values: Sequence[int]) -> NDArray[np.int64]:
    return np.repeat(np.array(values, dtype=np.int64), [track.at_us.size for track in tracks])


def _occurrence(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often the same combination has come before: two values must not share a cell."""
    order = np.lexsort(columns[::-1])
    table = np.stack(columns)[:, order]
    new = np.concatenate(([True], np.any(np.diff(table, axis=1) != 0, axis=0)))
    index = np.arange(order.size)
    again = np.empty(order.size, dtype=np.int64)
    again[order] = index - np.maximum.accumulate(np.where(new, index, 0))
    return again


def _pressures(data: SessionData, files: Files, tell: Tell) -> None:
    head = (
        "time", "at_us", "device", "sys [mm[Hg]]", "dia [mm[Hg]]", "map [mm[Hg]]", "pulse [/min]",
        "quality", "flags", "manual", "failed", "reason",
    )  # fmt: skip
    with _table(files, "blood_pressures.csv", head, tell) as out:
        out.writerows(
            (
                data.iso(one.at_us),
                one.at_us,
                text(one.device),
                *(number(value) for value in (one.sys, one.dia, one.map, one.pulse)),
                "" if one.failure else one.quality.value,
                text(",".join(sorted(one.flags))),
                _yes(one.manual),
                _yes(bool(one.failure)),
                text(one.failure),
            )
            for one in data.pressures
        )


def _planned(data: SessionData, files: Files, tell: Tell) -> None:
    """What was owed and what became of it: not taken is one thing, not known another."""
    head = ("what", "label", "due", "due_us", "outcome", "taken", "taken_us", "reason", "values")
    with _table(files, "planned.csv", head, tell) as out:
        out.writerows(
            (
                text(one.what),
                text(one.label),
                *_when(data, one.at_us),
                one.outcome,
                *_when(data, one.done_us),
                text(one.reason),
                not_known(one.gone) if one.gone else "",
            )
            for one in planned(data)
        )


def _alarms(data: SessionData, files: Files, tell: Tell) -> None:
    head = (
        "rule", "priority", "text", "from", "from_us", "to", "to_us", "duration [s]",
        "acknowledged", "acknowledged_us", "acknowledged_by",
    )  # fmt: skip
    with _table(files, "alarms.csv", head, tell) as out:
        out.writerows(
            (
                text(one.rule),
                one.priority,
                text(one.text),
                *_when(data, one.from_us),
                *_when(data, one.to_us),
                number((one.to_us - one.from_us) / US if one.to_us is not None else None),
                *_when(data, one.acked_us),
                text(one.acked_by),
            )
            for one in data.alarms
        )


def _events(data: SessionData, files: Files, tell: Tell) -> None:
    head = ("time", "at_us", "n", "kind", "text", "actor", "role", "details")
    with _table(files, "events.csv", head, tell) as out:
        out.writerows(
            (
                *_when(data, one.at_us),
                one.n,
                text(one.kind),
                text(one.text),
                text(one.actor),
                text(one.role),
                json.dumps(one.body, ensure_ascii=False),
            )
            for one in data.entries
        )


def _coverage(data: SessionData, files: Files, tell: Tell) -> None:
    head = (
        "channel", "coverage [%]", "gaps", "longest gap [s]", "longest from", "longest from_us",
        "values", "questionable [%]", "invalid [%]", "not known [s]",
    )  # fmt: skip
    found = data.coverage
    with _table(files, "coverage.csv", head, tell) as out:
        for one in found.channels:
            longest = one.longest
            out.writerow(
                (
                    text(one.channel),
                    "" if one.share is None else number(100 * one.share),
                    one.gaps,
                    number((longest[1] - longest[0]) / US if longest else 0.0),
                    *_when(data, longest[0] if longest else None),
                    one.values,
                    number(100 * one.questionable),
                    number(100 * one.invalid),
                    number(one.unknown_us / US),
                )
            )


def _waveform(data: SessionData, track: WaveTrack, files: Files, name: str, tell: Tell) -> None:
    head = ("time", "at_us", f"{track.channel.key} [{track.channel.unit}]", "quality")
    with files.file(name) as file:
        file.write((",".join(head) + "\r\n").encode())
        for n in range(0, len(track.blocks), _BLOCKS):
            blocks = track.blocks[n : n + _BLOCKS]
            tell(f"{name} {100 * n // len(track.blocks)} %")
            file.write("".join(_lines(data, blocks)).encode())


def _lines(data: SessionData, blocks: Iterable[Waveform]) -> Iterator[str]:
    for block in blocks:
        at_us = sample_times(block)
        samples = zip(
            times.isos(at_us, data.zone), at_us.tolist(), samples_text(block), strict=True
        )
        quality = block.quality.value
        yield "".join([f"{when},{at},{value},{quality}\r\n" for when, at, value in samples])


def sample_times(block: Waveform) -> NDArray[np.int64]:
    """When each sample of a block was taken."""
    offsets = np.rint(np.arange(block.values.size) * (US / block.rate_hz)).astype(np.int64)
    times_us: NDArray[np.int64] = block.start_us + offsets
    return times_us


def samples_text(block: Waveform, none: str = "") -> list[str]:
    """The shortest texts that read back as the same float32."""
    values = block.values
    finite = np.isfinite(values)
    if bool(np.all(values[finite] == np.rint(values[finite]))):
        whole = np.where(finite, values, 0).astype(np.int64).tolist()
        return [str(v) if ok else none for v, ok in zip(whole, finite.tolist(), strict=True)]
    return [str(v) if ok else none for v, ok in zip(values, finite.tolist(), strict=True)]


def _name(track: WaveTrack, taken: set[str]) -> str:
    device = re.sub(r"[^A-Za-z0-9.-]+", "_", track.device)[:60] or "hand"
    base = name = f"waveform-{track.channel.key}-{device}"
    while name in taken:
        name = f"{base}-{len(taken) + 1}"
    taken.add(name)
    return f"{name}.csv"


def _when(data: SessionData, at_us: int | None) -> tuple[str, str]:
    return ("", "") if at_us is None else (data.iso(at_us), str(at_us))


def _yes(value: bool) -> str:
    return "yes" if value else "no"
