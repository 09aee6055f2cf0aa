"""What the list of sessions says of one of them, worked out from all of its data."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from vitals.afterwards import ADDENDUM, SIGNATURE
from vitals.errors import StoreError
from vitals.export.coverage import Coverage
from vitals.export.read import read_session
from vitals.export.salvage import is_broken
from vitals.export.session_data import SessionData
from vitals.export.summary import summarise
from vitals.store.reader import Reader

VERSION = 1
"""Of these facts: what was worked out under another one is worked out again."""
_PULSE = ("pr", "hr")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """One session's answers; a value that there is not is None.

    Attributes:
        peak_sys: highest systolic blood pressure after the dose, mmHg.
        peak_dia: the diastolic one of the same reading.
        peak_minute: its minute from the dose.
        spo2: lowest SpO2 that could be shown, %.
        spo2_minute: its minute from the dose.
        spo2_doubted: whether the monitor doubted it.
        high: alarms of high priority.
        medium: of medium priority.
        low: of low priority.
        cover_spo2: covered part of the time on the monitor, %, never rounded up.
        cover_pulse: the same of the pulse or heart rate.
        nibp_planned: blood pressures that were owed until the end.
        nibp_taken: those that were obtained.
        owed: what was missing at closing, in words.
        addenda: how many there are.
        signatures: how many there are.
        signed_last: whether one of them came after the last addendum.
        unreadable: what a damaged record did not give back, in sentences.
    """

    peak_sys: float | None = None
    peak_dia: float | None = None
    peak_minute: float | None = None
    spo2: float | None = None
    spo2_minute: float | None = None
    spo2_doubted: bool = False
    high: int = 0
    medium: int = 0
    low: int = 0
    cover_spo2: float | None = None
    cover_pulse: float | None = None
    nibp_planned: int = 0
    nibp_taken: int = 0
    owed: tuple[str, ...] = ()
    addenda: int = 0
    signatures: int = 0
    signed_last: bool = False
    unreadable: tuple[str, ...] = ()


def facts_in(reader: Reader, uuid: str) -> Facts:
    """The facts of a session of a record, of a damaged one those that can be read.

    Raises:
        StoreError: the record cannot be used now.
    """
    try:
        record = reader.session(uuid)
        if record is None:
            return Facts()
        return facts_of(read_session(reader, record, names=False, exported_us=0, waves=False))
    except Exception as error:
        if isinstance(error, StoreError) and not is_broken(error):
            raise
        log.warning("session %s cannot be worked out", uuid, exc_info=error)
        return Facts(unreadable=("The record is damaged: this session cannot be worked out.",))


def facts_of(data: SessionData) -> Facts:
    """The facts of a session. Pure."""
    found = summarise(data)
    alarms = {str(priority): count for priority, count in found.alarms}
    later = [entry.kind for entry in data.entries if entry.kind in (ADDENDUM, SIGNATURE)]
    peak, spo2 = found.peak, found.spo2
    return Facts(
        peak_sys=peak.pressure.sys if peak else None,
        peak_dia=peak.pressure.dia if peak else None,
        peak_minute=peak.minute if peak else None,
        spo2=spo2.value if spo2 else None,
        spo2_minute=spo2.minute if spo2 else None,
        spo2_doubted=spo2.questionable if spo2 else False,
        high=alarms.get("high", 0),
        medium=alarms.get("medium", 0),
        low=alarms.get("low", 0),
        cover_spo2=_percent(data.coverage, ("spo2",)),
        cover_pulse=_percent(data.coverage, _PULSE),
        nibp_planned=data.coverage.nibp.planned,
        nibp_taken=data.coverage.nibp.taken,
        owed=found.owed,
        addenda=later.count(ADDENDUM),
        signatures=later.count(SIGNATURE),
        signed_last=bool(later) and later[-1] == SIGNATURE,
        unreadable=data.unreadable,
    )


def _percent(coverage: Coverage, channels: tuple[str, ...]) -> float | None:
    shares = [one.share for key in channels if (one := coverage.of(key)) is not None]
    known = [share for share in shares if share is not None]
    return math.floor(known[0] * 1000) / 10 if known else None
