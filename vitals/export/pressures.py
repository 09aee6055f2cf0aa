"""Blood pressures as determinations: three values that share a time, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vitals.bedside.cuff import LINK_LOST, NO_VALUE
from vitals.bedside.sources import ONE_DETERMINATION_US
from vitals.channels import NIBP
from vitals.export.session_data import INVALID, Entry, NumericTrack, Pressure
from vitals.store.rows import QUALITIES

_NO_REASON = "no reason given"
_FIELDS = dict(zip(NIBP, ("sys", "dia", "map"), strict=True))


def determinations(
    tracks: Iterable[NumericTrack], entries: Iterable[Entry]
) -> tuple[Pressure, ...]:
    """Readings and failed attempts in order of time."""
    tracks = list(tracks)
    taken = list(_taken(tracks))
    told = list(_failures(entries))
    # A monitor may say both that it has no value and why: that is one attempt.
    silent = [one for one in taken if one.failure and not any(_same(one, why) for why in told)]
    read = [one for one in taken if not one.failure]
    return tuple(sorted([*read, *silent, *told], key=lambda one: (one.at_us, one.device)))


def _same(one: Pressure, other: Pressure) -> bool:
    return one.device == other.device and abs(one.at_us - other.at_us) <= ONE_DETERMINATION_US


def _taken(tracks: list[NumericTrack]) -> Iterator[Pressure]:
    found: dict[tuple[str, int], list[tuple[str, float | None, int, str]]] = {}
    for track in tracks:
        field = _FIELDS.get(track.channel.key)
        if field is None:
            continue
        shown = track.shown
        for i, at_us in enumerate(track.at_us.tolist()):
            value = float(track.value[i]) if shown[i] else None
            row = (field, value, int(track.quality[i]), track.flags[i])
            found.setdefault((track.device, at_us), []).append(row)
    pulses = _pulses(tracks, {device for device, _ in found})
    for (device, at_us), rows in found.items():
        values = {field: value for field, value, _, _ in rows if value is not None}
        known = {"sys", "dia"} & values.keys()
        quality = max(code for _, _, code, _ in rows if code != INVALID or not known)
        flags = {word for *_, joined in rows for word in joined.split(",") if word}
        near = [p for at, p in pulses.get(device, []) if abs(at - at_us) <= ONE_DETERMINATION_US]
        yield Pressure(
            at_us,
            device,
            values.get("sys"),
            values.get("dia"),
            values.get("map"),
            near[0] if near and known else None,
            QUALITIES[quality],
            frozenset(flags),
            "" if known else NO_VALUE,
        )


def _pulses(tracks: list[NumericTrack], cuffs: set[str]) -> dict[str, list[tuple[int, float]]]:
    """The pulse rates that cuffs give with a determination; a stream is none of these."""
    return {
        track.device: list(
            zip(track.at_us[track.shown].tolist(), track.value[track.shown].tolist(), strict=True)
        )
        for track in tracks
        if track.channel.key == "pr"
        and track.device in cuffs
        and track.spacing_us > ONE_DETERMINATION_US
    }


def _failures(entries: Iterable[Entry]) -> Iterator[Pressure]:
    measuring: set[str] = set()
    for entry in entries:
        device = str(entry.body.get("device", ""))
        code, active = entry.body.get("code"), entry.body.get("active", True)
        if entry.kind == "link" and entry.body.get("state") != "streaming":
            if device in measuring:
                measuring.discard(device)
                yield Pressure(entry.at_us, device, failure=LINK_LOST)
        elif entry.kind == "notice" and code == "cuff_inflating":
            (measuring.add if active else measuring.discard)(device)
        elif entry.kind == "notice" and code == "nibp_failed" and active:
            measuring.discard(device)
            reason = str(entry.body.get("detail") or _NO_REASON)
            yield Pressure(entry.at_us, device, failure=reason)
