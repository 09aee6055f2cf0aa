"""How a station's sender gets on: kept here, and written beside the record as `<record>.sender`.

The file is JSON, readable by its owner alone, and says in words what somebody has to do. It is
rewritten when it has changed and every few seconds, so its age shows whether the sender runs.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from vitals.central.tail import Tail
from vitals.central.watermark import Marks
from vitals.errors import CentralError
from vitals.model import US

State = Literal["up", "behind", "away", "refused"]
BEHIND_S = 5.0
"""What has waited for longer makes it `behind`."""
BEAT_S = 5.0
"""The file is written at least so often."""

log = logging.getLogger(__name__)


class SenderState(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of `<record>.sender`.

    Attributes:
        state: `up`: all that is recorded is at the centre. `behind`: it is on its way. `away`: the
            centre is not reached. `refused`: it refuses, and somebody has to do something.
        sentence: what is wrong and what to do, `""` when nothing.
        since_us: since when it is so, microseconds UTC of this computer.
        written_us: when this was written.
        station: its id.
        lag_rows: recorded and not at the centre, as far as is known.
        lag_s: age of the oldest of these.
        record: name of the record.
        audit_n: last row of its audit trail that is at the centre.
        clock: what is to be said of the clocks, `""` when they agree.
        pid: the sender's process.
    """

    state: State
    sentence: str = ""
    since_us: int = 0
    written_us: int = 0
    station: str = ""
    lag_rows: int = 0
    lag_s: float = 0.0
    record: str = ""
    audit_n: int = 0
    clock: str = ""
    pid: int = 0


def read(path: Path) -> SenderState:
    """Reads the file.

    Raises:
        CentralError: there is none, or it is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=SenderState)
    except OSError as error:
        raise CentralError(
            f"{path} cannot be read ({error.strerror}): does `vitals run` run with a [central] in "
            "its config?"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CentralError(f"{path} is not the file of a sender; restart the sender") from error


def _wall_us() -> int:
    return time.time_ns() // 1000


class Standing:
    """What the parts of a sender know of how it gets on; one loop's thread only.

    Attributes:
        marks: how far the record is at the centre; None while that is not known.
        tail: of the record as it was last read.
        clock: what is to be said of the clocks.
    """

    def __init__(self, station: str, wall_us: Callable[[], int] = _wall_us) -> None:
        self.station = station
        self.marks: Marks | None = None
        self.tail = Tail()
        self.clock = ""
        self._wall_us = wall_us
        self._troubles: dict[str, tuple[bool, str]] = {}
        self._told: tuple[State, str] = ("behind", "")
        self._since_us = wall_us()

    def trouble(self, part: str, sentence: str, *, refused: bool) -> None:
        """A part cannot go on. Said in the log once, however often it is tried."""
        known = {text for _, text in self._troubles.values()}
        self._troubles[part] = (refused, sentence)
        if sentence not in known:
            log.warning("%s", sentence)

    def fine(self, part: str) -> None:
        """A part goes on."""
        if self._troubles.pop(part, None) is not None and not self._troubles:
            log.info("the central server takes everything again")

    @property
    def sentence(self) -> str:
        """The worst trouble, `""` for none."""
        worst = max(self._troubles.values(), default=(False, ""), key=lambda each: each[0])
        return worst[1]

    @property
    def lag_rows(self) -> int:
        """Recorded and not at the centre."""
        return self.tail.rows_behind

    def lag_s(self, now_us: int) -> float:
        """Age of the oldest of these by the station's clock, 0 for none."""
        oldest = self.tail.oldest_us
        return 0.0 if oldest is None else max(0.0, (now_us - oldest) / US)

    @property
    def state(self) -> State:
        """In one word."""
        if self._troubles:
            return "refused" if any(refused for refused, _ in self._troubles.values()) else "away"
        late = self.marks is None or self.lag_s(self._wall_us()) > BEHIND_S
        return "behind" if late else "up"

    def told(self) -> SenderState:
        """What the file says."""
        now_us = self._wall_us()
        if (self.state, self.sentence) != self._told:
            self._told, self._since_us = (self.state, self.sentence), now_us
        return SenderState(
            state=self.state,
            sentence=self.sentence,
            since_us=self._since_us,
            written_us=now_us,
            station=self.station,
            lag_rows=self.lag_rows,
            lag_s=round(self.lag_s(now_us), 1),
            record=self.tail.record,
            audit_n=self.marks.audit if self.marks else 0,
            clock=self.clock,
            pid=os.getpid(),
        )


def write(path: Path, state: SenderState) -> None:
    """Writes the file in one step; a disk that takes nothing is no reason to stop sending."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(state))
        Path(temporary).replace(path)
    except OSError as error:
        log.debug("%s cannot be written: %s", path, error)
        with suppress(OSError):
            os.utime(path)  # its age still shows that the sender runs
        with suppress(OSError):
            Path(temporary).unlink()
