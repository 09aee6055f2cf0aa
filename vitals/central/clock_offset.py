"""How much a station's clock differs from the centre's, as far as arrivals can tell. Pure.

What a station says arrives late, never early: of all that arrived in the last minutes the smallest
difference (centre's time at arrival − station's time when it was sent) holds the least delay. So
what was delivered late looks old, never fresh.
"""

from __future__ import annotations

from collections import deque

from vitals.model import US

PIECE_US = 60 * US
PIECES = 5
"""The smallest difference is taken over so many pieces."""
STEP_US = US // 4
"""What is recorded is moved only when the difference has changed by more."""


class ClockOffset:
    """One station.

    Attributes:
        now_us: centre − station, the best estimate; None before anything has arrived.
        kept_us: the same, without small changes: for what must not change all the time. Clocks
            that agree as closely count as one.
    """

    __slots__ = ("_last_us", "_pieces", "kept_us", "now_us")

    def __init__(self) -> None:
        self.now_us: int | None = None
        self.kept_us = 0
        self._pieces: deque[tuple[int, int]] = deque(maxlen=PIECES)
        self._last_us = 0

    def hear(self, arrived_us: int, station_us: int) -> bool:
        """Takes one arrival; whether `kept_us` has changed.

        Args:
            arrived_us: centre's time at arrival.
            station_us: the station's time when it was sent. One that goes back is that of
                another clock: the station was started anew.
        """
        if station_us < self._last_us:
            self._pieces.clear()
            self.now_us = None
        self._last_us = station_us
        difference, piece = arrived_us - station_us, arrived_us // PIECE_US
        while self._pieces and self._pieces[0][0] <= piece - PIECES:
            self._pieces.popleft()
        if self._pieces and self._pieces[-1][0] == piece:
            difference = min(difference, self._pieces.pop()[1])
        self._pieces.append((piece, difference))
        self.now_us = min(least for _, least in self._pieces)
        if abs(self.now_us - self.kept_us) > STEP_US:
            self.kept_us = self.now_us
            return True
        return False
