"""The table of blood pressures: readings, failed attempts, and what was planned and never came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vitals.export.session_data import Entry, Pressure, SessionData
from vitals.export.summary import minute_of
from vitals.model import Flag

_MISSED = {"missed": "not taken", "skipped": "skipped", "not_obtained": "not obtained"}
"""Last states of a reading that was owed and never came, in words."""


@dataclass(frozen=True, slots=True)
class _Owed:
    what: str
    label: str
    at_us: int
    done_us: int | None
    state: str


def pressure_rows(data: SessionData) -> list[dict[str, Any]]:
    """One row each, in order of time.

    `kind`: reading, failed or missed; `planned`: which of the owed readings it was taken for;
    `minute`: from the dose.
    """
    owed = _owed(data.entries)
    taken: dict[int, list[str]] = {}
    for item in owed:
        if item.state == "done" and item.done_us is not None:
            taken.setdefault(item.done_us, []).append(item.label)
    rows = [_row(data, one, taken.get(one.at_us, [])) for one in data.pressures]
    reasons = _reasons(data.entries)
    rows += [
        _missed(data, item, reasons.get(item.what, ""))
        for item in owed
        if item.state in _MISSED and item.at_us <= data.to_us
    ]
    return sorted(rows, key=lambda row: row["at_us"])


def _owed(entries: tuple[Entry, ...]) -> list[_Owed]:
    last: dict[str, _Owed] = {}
    for entry in entries:
        body, what = entry.body, str(entry.body.get("what", ""))
        if entry.kind != "due" or not what.startswith("nibp"):
            continue
        done_us = body.get("done_us")
        last[what] = _Owed(
            what,
            str(body.get("label") or what),
            int(body.get("at_us", entry.at_us)),
            None if done_us is None else int(done_us),
            str(body.get("state")),
        )
    return list(last.values())


def _reasons(entries: tuple[Entry, ...]) -> dict[str, str]:
    """Why people said that a reading was not taken."""
    return {
        str(entry.body["what"]): str(entry.body.get("reason") or entry.body.get("text") or "")
        for entry in entries
        if entry.kind in ("not_obtained", "skipped") and "what" in entry.body
    }


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


def _missed(data: SessionData, item: _Owed, reason: str) -> dict[str, Any]:
    why = ": ".join(part for part in (_MISSED[item.state], reason) if part)
    return {
        "kind": "missed",
        "at_us": item.at_us,
        "minute": minute_of(data, item.at_us),
        "planned": [item.label],
        "why": why,
    }
