"""Kinds of rows of a session's audit trail, as exports and the API name them."""

from __future__ import annotations

from vitals.afterwards import KINDS as AFTERWARDS
from vitals.store.rows import FORGOTTEN, QUARANTINE, REFUSED, SHED
from vitals.time_line import MARKS

_STATION = (
    "alarm", "bind", "command", "due", "escalation_test", "imported", "late_input", "link",
    "notice", "reading_refused", "session_change", "station_event", "unbind",
)  # fmt: skip
"""What the station records by itself or when it is told to."""
KINDS: tuple[str, ...] = tuple(
    sorted({*_STATION, *MARKS, *AFTERWARDS, FORGOTTEN, QUARANTINE, REFUSED, SHED})
)
"""All of them, but the record's own bookkeeping (seals, summary rows), which no export has."""
