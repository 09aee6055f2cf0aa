"""What is not known of a session: lost to damage, or deleted when its time was over. Pure.

Not taken and not known are two things: a reading that was owed and did not come is a fact of the
audit trail; where the rows themselves are gone, nobody can say what was there.
"""

from __future__ import annotations

from vitals.channels import NIBP
from vitals.export.session_data import TRAIL, Entry, SessionData, channel_of
from vitals.store.rows import FORGOTTEN

DELETED = "deleted when their time was over"
DAMAGED = "the record is damaged"
_WAVES_HZ = 10.0
_END_US = 2**62


def why(
    data: SessionData, channels: tuple[str, ...], from_us: int = 0, to_us: int = _END_US
) -> str:
    """Why values of these channels that are not there may have been measured; `""` for no reason.

    Args:
        data: the session.
        channels: keys of vitals or waveforms; `TRAIL` for rows of the audit trail.
        from_us: only what is gone after then.
        to_us: only what is gone before then.
    """
    if any(_deleted(data, key) for key in channels):
        return DELETED
    torn = any(
        one.what in channels and one.from_us < to_us and one.to_us > from_us for one in data.lost
    )
    return DAMAGED if torn else ""


def not_known(reason: str) -> str:
    """`not known (the record is damaged)`."""
    return f"not known ({reason})"


def pressures_gone(data: SessionData, from_us: int = 0, to_us: int = _END_US) -> str:
    """The same of blood pressures."""
    return why(data, NIBP, from_us, to_us)


def trail_torn(data: SessionData) -> bool:
    """Whether rows of the audit trail are lost: that nothing is told there is then no fact."""
    return bool(why(data, (TRAIL,)))


def told(data: SessionData, words: str, nothing: str) -> str:
    """What the audit trail says; without a word of it, that there was nothing, or nobody knows."""
    if words:
        return f"{words} (at least: {DAMAGED})" if trail_torn(data) else words
    return not_known(DAMAGED) if trail_torn(data) else nothing


def forgotten(entries: tuple[Entry, ...]) -> frozenset[str]:
    """What of the session was deleted when its time was over: `all`, `waves`, or nothing."""
    return frozenset(str(e.body.get("what")) for e in entries if e.kind == FORGOTTEN)


def _deleted(data: SessionData, channel: str) -> bool:
    if channel == TRAIL:
        return False
    gone = forgotten(data.entries)
    fast = (channel_of(channel).rate_hz or 0.0) >= _WAVES_HZ
    return "all" in gone or ("waves" in gone and fast)
