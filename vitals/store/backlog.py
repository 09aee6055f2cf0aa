"""What waits to be committed, in RAM: in order, bounded, waveforms given up first.

Not thread-safe: the writer guards it with its lock. `put_mono` is the caller's monotonic time
in seconds when an item came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from vitals.channels import NIBP
from vitals.model import Numeric, Waveform
from vitals.store.rows import AuditRow, SessionRecord, StationRow


@dataclass(frozen=True, slots=True)
class Sample:
    """A numeric or a waveform packet of a session."""

    seq: int
    session: str
    value: Numeric | Waveform
    put_mono: float

    @property
    def at_us(self) -> int:
        """Time of the value, or of the packet's first sample."""
        return self.value.at_us if isinstance(self.value, Numeric) else self.value.start_us


@dataclass(frozen=True, slots=True)
class Entry:
    """An audit row with what is to be stored in the same transaction; `body` is its JSON."""

    row: AuditRow
    body: str
    session: SessionRecord | None
    station: StationRow | None
    done: Callable[[bool], None] | None
    put_mono: float

    @property
    def seq(self) -> int:
        """The row's counter."""
        return self.row.seq

    @property
    def at_us(self) -> int:
        """The row's time."""
        return self.row.at_us


@dataclass(slots=True)
class Shed:
    """What was given up of one session since the last commit."""

    waves: int = 0
    numerics: int = 0
    from_us: int = 0
    to_us: int = 0

    def add(self, sample: Sample) -> None:
        """Counts one more sample."""
        first = not (self.waves or self.numerics)
        self.from_us = sample.at_us if first else min(self.from_us, sample.at_us)
        self.to_us = max(self.to_us, sample.at_us)
        if isinstance(sample.value, Waveform):
            self.waves += 1
        else:
            self.numerics += 1

    def told(self) -> dict[str, int]:
        """For the body of an audit row."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction stores."""

    items: list[Entry | Sample] = field(default_factory=list)
    shed: dict[str, Shed] = field(default_factory=dict)

    @property
    def entries(self) -> list[Entry]:
        """The audit rows, in order."""
        return [item for item in self.items if isinstance(item, Entry)]

    @property
    def samples(self) -> list[Sample]:
        """Numerics and waveform packets, in order."""
        return [item for item in self.items if isinstance(item, Sample)]

    @property
    def oldest_mono(self) -> float | None:
        """When the first of it was put."""
        return min((item.put_mono for item in self.items), default=None)


class Backlog:
    """Audit rows and NIBP are never given up; the rest is, oldest first, beyond `most` items."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._urgent: deque[Entry | Sample] = deque()
        self._numerics: deque[Sample] = deque()
        self._waves: deque[Sample] = deque()
        self._lanes = (self._urgent, self._numerics, self._waves)
        self._shed: dict[str, Shed] = {}
        self._no_waves = False
        self.shed_total = 0
        """Samples given up since the start."""

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes)

    def give_up_waves(self, *, now: bool) -> None:
        """Takes no waveforms from now on, and drops those that wait; or takes them again."""
        self._no_waves = now
        while now and self._waves:
            self._give_up(self._waves.popleft())

    def _give_up(self, sample: Sample) -> None:
        self.shed_total += 1
        self._shed.setdefault(sample.session, Shed()).add(sample)

    def put(self, item: Entry | Sample) -> None:
        """Adds an item, and makes room for it where there is none."""
        if isinstance(item, Sample) and isinstance(item.value, Waveform):
            if self._no_waves:
                self._give_up(item)
                return
            self._waves.append(item)
        elif isinstance(item, Sample) and item.value.channel not in NIBP:
            self._numerics.append(item)
        else:
            self._urgent.append(item)
        if len(self) > self._most:
            lane = self._waves or self._numerics
            if lane:
                self._give_up(lane.popleft())

    def due_mono(self, group_s: float) -> float | None:
        """When the next commit is due: at once (0) for audit rows and NIBP, None for nothing."""
        if self._urgent:
            return 0.0
        oldest = self.oldest_mono
        return None if oldest is None else oldest + group_s

    @property
    def oldest_mono(self) -> float | None:
        """When the longest waiting item was put."""
        return min((lane[0].put_mono for lane in self._lanes if lane), default=None)

    def take(self, most: int) -> Batch:
        """Removes up to `most` items, lowest `seq` first, and the account of what was shed."""
        items: list[Entry | Sample] = []
        if len(self) <= most:
            for lane in self._lanes:
                items.extend(lane)
                lane.clear()
            items.sort(key=lambda item: item.seq)
        else:
            while len(items) < most:
                lane = min((lane for lane in self._lanes if lane), key=lambda lane: lane[0].seq)
                items.append(lane.popleft())
        shed, self._shed = self._shed, {}
        return Batch(items, shed)
