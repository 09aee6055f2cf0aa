"""What goes into the record and what comes out of it, as plain frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vitals.clock import Clock
from vitals.model import Quality, Session

QUALITIES = (Quality.GOOD, Quality.QUESTIONABLE, Quality.INVALID)
"""A quality is stored as its index in this tuple; the order never changes."""

SEAL = "seal"
SESSION_ROW = "session_row"
STATION_ROW = "station_row"
SHED = "shed"
REFUSED = "refused"
QUARANTINE = "quarantine"
FORGOTTEN = "forgotten"
OWN_KINDS = frozenset({SEAL, SESSION_ROW, STATION_ROW, SHED, REFUSED, QUARANTINE, FORGOTTEN})
"""Kinds of audit rows that the record adds by itself; only its own rows have no `seq`."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One clinical fact that is not a sample, for the append-only trail.

    Attributes:
        seq: the station's counter; putting the same row again is harmless.
        at_us: station time of the fact.
        session: the session's uuid, None for what belongs to no session.
        room: room id, `""` for the station as a whole.
        actor: who did it, `""` for the program.
        role: the actor's role.
        kind: `alarm`, `note`, `link`, …
        body: anything JSON can say; no NaN.
        command_id: the command that this row answers; one row for each command.
    """

    seq: int
    at_us: int
    session: str | None
    room: str
    actor: str
    role: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    command_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredAudit:
    """An audit row as it stands in the chain; `n` counts 1, 2, 3, … without a gap."""

    n: int
    seq: int | None
    at_us: int
    session: str | None
    room: str
    actor: str
    role: str
    kind: str
    body: dict[str, Any]
    command_id: str | None
    hash: bytes

    def as_put(self) -> AuditRow:
        """The row as the station put it."""
        return AuditRow(
            self.seq or 0,
            self.at_us,
            self.session,
            self.room,
            self.actor,
            self.role,
            self.kind,
            self.body,
            self.command_id,
        )


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session's summary row; the texts are those in force when it was opened."""

    session: Session
    tz: str = ""
    profile_text: str = ""
    config_text: str = ""

    @property
    def state(self) -> Literal["open", "closed"]:
        """A session is open until it has an end."""
        return "open" if self.session.ended_us is None else "closed"


@dataclass(frozen=True, slots=True)
class StationRow:
    """The station's clock and the boot it was anchored in."""

    id: str
    boot_id: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class NumericSeries:
    """Values of one channel in order of time; all columns have the same length.

    Attributes:
        at_us: int64, microseconds UTC.
        value: float64 in the channel's unit; NaN where the device had no value.
        quality: uint8, index into `QUALITIES`.
        device: device id of each value.
        flags: flags of each value, sorted, joined by commas.
        device_at_us: the device's own time of each value, None where it gave none.
    """

    at_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    device: tuple[str, ...]
    flags: tuple[str, ...]
    device_at_us: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Nibp:
    """One blood pressure determination; the worst quality of its values counts."""

    device: str
    at_us: int
    sys: float | None
    dia: float | None
    map: float | None
    quality: Quality
