"""Times of a record as people and files write them: in the session's own zone, with its offset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache
def zone(tz: str) -> tzinfo:
    """The zone of a session (`Europe/Berlin` or `+0100`); UTC where it is not known."""
    try:
        if tz.startswith(("+", "-")):
            return datetime.strptime(tz, "%z").tzinfo or UTC
        return ZoneInfo(tz) if tz else UTC
    except (OSError, ValueError, LookupError):
        return UTC  # this computer does not know the zone; every time says its offset


def moment(at_us: int, where: tzinfo) -> datetime:
    """A time of the record, exactly, in a zone."""
    return (EPOCH + timedelta(microseconds=at_us)).astimezone(where)


def iso(at_us: int, where: tzinfo) -> str:
    """ISO 8601 with six decimals and the offset from UTC: `2027-01-15T09:00:00.250000+01:00`."""
    return moment(at_us, where).isoformat(timespec="microseconds")


def isos(at_us: NDArray[np.int64], where: tzinfo) -> Sequence[str]:
    """The same for many times; quick where the offset does not change between them."""
    if not at_us.size:
        return []
    offsets = {moment(int(t), where).utcoffset() for t in (at_us.min(), at_us.max())}
    offset = offsets.pop()
    if offsets or offset is None or offset.seconds % 60:
        return [iso(int(t), where) for t in at_us]
    local = (at_us + round(offset.total_seconds() * 1e6)).astype("datetime64[us]")
    suffix = iso(int(at_us[0]), where)[-6:]
    return [text + suffix for text in np.datetime_as_string(local, unit="us").tolist()]


def offset_text(at_us: int, where: tzinfo) -> str:
    """The offset from UTC at a time, e.g. `+01:00`."""
    return iso(at_us, where)[-6:]
