"""What our own exports say of their session, as `SessionData.facts` has written it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vitals.recordings.csv_times import us_of
from vitals.recordings.recording import Facts, Remark
from vitals.time_line import MARKS

_MODES = {"real": "real", "demo": "demo", "test": "test"}


def facts_of(said: Mapping[str, str]) -> Facts:
    """Facts; what cannot be read is not known."""
    started = _moment(said.get("started", ""))
    dose = _moment(said.get("dose", ""))
    ended = _moment(said.get("ended", ""))
    return Facts(
        subject=said.get("subject", "")[:40],
        route=said.get("route", "")[:40],
        dose_us=us_of(dose) if dose else None,
        mode=_MODES.get(said.get("mode", "")),  # type: ignore[arg-type]
        tz=started.strftime("%z")[:5] if started else "",
        from_us=us_of(started) if started else None,
        to_us=us_of(ended) if ended else None,
    )


def remark_of(kind: str, at_us: Any, text: Any) -> Remark | None:
    """A point of the time line that a person has made; None for every other row of the trail."""
    if kind not in MARKS or kind == "reading" or not isinstance(at_us, int):
        return None
    return Remark(at_us, str(text))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
