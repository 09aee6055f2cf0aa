"""How the clinic called things in a session: the labels of its care file, as the record kept it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitals.export.session_data import SessionData
from vitals.session.care import load


@dataclass(frozen=True, slots=True)
class Labels:
    """Id -> label, of routes, scales and items of the check-in."""

    routes: Mapping[str, str]
    scales: Mapping[str, str]
    items: Mapping[str, str]

    def route(self, name: str) -> str:
        """A route for people; one that is not known is called what the record calls it."""
        return self.routes.get(name, name)


def labels_of(data: SessionData) -> Labels:
    """The labels that were in force; of an older record those that are shipped."""
    for entry in data.entries:
        room = entry.body.get("room") if entry.kind == "session_change" else None
        kept = room.get("care") if isinstance(room, Mapping) else None
        if isinstance(kept, str) and kept:
            try:
                return _labels(json.loads(kept))
            except (ValueError, KeyError, TypeError, AttributeError):
                break  # of a version whose care files had another form
    return _labels(json.loads(load().text))


def _labels(care: Mapping[str, Any]) -> Labels:
    return Labels(
        {str(route["name"]): str(route["label"]) for route in care["route"]},
        {str(scale["id"]): str(scale["label"]) for scale in care["scale"]},
        {str(item["id"]): str(item["label"]) for item in care["checkin"]},
    )
