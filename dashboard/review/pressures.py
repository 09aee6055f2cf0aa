"""The table of blood pressures: readings, failed attempts, and what was planned and never came."""

from __future__ import annotations

from typing import Any

from vitals.export.planned import Planned, planned
from vitals.export.session_data import Pressure, SessionData
from vitals.export.summary import minute_of
from vitals.model import Flag

_NEVER_CAME = ("not taken", "skipped", "not obtained")


def pressure_rows(data: SessionData) -> list[dict[str, Any]]:
    """One row each, in order of time.

    `kind`: reading, failed, missed (it did not come), or unknown (nobody can say, or its values
    are gone); `planned`: which of the owed readings it was taken for; `minute`: from the dose.
    """
    owed = planned(data)
    taken: dict[int, list[str]] = {}
    for item in owed:
        if item.done_us is not None:
            taken.setdefault(item.done_us, []).append(item.label)
    rows = [_row(data, one, taken.get(one.at_us, [])) for one in data.pressures]
    rows += [_without(data, item, "missed") for item in owed if item.outcome in _NEVER_CAME]
    rows += [
        _without(data, item, "unknown") for item in owed if item.gone or item.outcome == "not known"
    ]
    return sorted(rows, key=lambda row: row["at_us"])


def _row(data: SessionData, one: Pressure, planned: list[str]) -> dict[str, Any]:
    return {
        "kind": "failed" if one.failure else "reading",
        "at_us": one.at_us,
        "minute": minute_of(data, one.at_us),
        "sys": one.sys,
        "dia": one.dia,
        "map": one.map,
        "pulse": one.pulse,
        "device": one.device,
        "manual": one.manual,
        "claimed": Flag.CLAIMED in one.flags,
        "quality": one.quality.value,
        "flags": sorted(one.flags - {Flag.MANUAL, Flag.CLAIMED}),
        "planned": planned,
        "why": one.failure,
    }


def _without(data: SessionData, item: Planned, kind: str) -> dict[str, Any]:
    at_us = item.done_us if item.gone and item.done_us is not None else item.at_us
    return {
        "kind": kind,
        "at_us": at_us,
        "minute": minute_of(data, at_us),
        "planned": [item.label],
        "why": item.words,
    }
