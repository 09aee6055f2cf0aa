"""What a device looks like whose bytes its driver does not read: most often another driver's.

The newest bytes are kept while nothing is understood; when that has lasted, they are given to all
other drivers, in a thread and between two connections, so that no other device waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from devices.driver import Driver, SerialSettings
from devices.line import Settings
from vitals.model import Chunk

LASTS_S = 10.0
"""Bytes without any meaning for so long are worth a look."""
AGAIN_S = 60.0
"""A look that found nothing is repeated after this."""
APART_S = 10.0
"""A pause in what is refused after which it counts anew; reconnecting takes half of it."""
MOST_CHUNKS, MOST_BYTES = 2000, 4096

log = logging.getLogger(__name__)


class Misfit:
    """Watches one device over all its connections. Loop thread only.

    Attributes:
        words: what the bytes look like, `""` as long as nothing is known.
    """

    def __init__(self, driver: Driver, line: Settings) -> None:
        self.words = ""
        self._driver = driver
        self._line = line if driver.transport == "serial" else None
        self._chunks: deque[Chunk] = deque(maxlen=MOST_CHUNKS)
        self._size = 0
        self._since_s: float | None = None
        self._refused_s = 0.0
        self._look_s = float("-inf")

    def heard(self, chunk: Chunk, real_s: float, *, understood: bool, refused: bool) -> None:
        """A chunk has come, and what became of it."""
        if understood or (refused and real_s - self._refused_s > APART_S):
            self._forget()
        if understood or not isinstance(self._line, SerialSettings):
            return
        self._chunks.append(chunk)
        self._size += len(chunk.data)
        while self._size - len(self._chunks[0].data) > MOST_BYTES:
            self._size -= len(self._chunks.popleft().data)
        if refused:
            self._since_s = real_s if self._since_s is None else self._since_s
            self._refused_s = real_s

    def _forget(self) -> None:
        self.words, self._since_s, self._size = "", None, 0
        self._look_s = float("-inf")
        self._chunks.clear()

    async def look(self, real_s: float) -> bool:
        """Looks, if it is time to; whether `words` have changed."""
        line, since_s = self._line, self._since_s
        if not isinstance(line, SerialSettings) or since_s is None or self.words:
            return False
        if real_s - since_s < LASTS_S or real_s - self._look_s < AGAIN_S:
            return False
        self._look_s = real_s
        chunks = tuple(self._chunks)
        try:
            self.words = await asyncio.to_thread(_words, self._driver, line, chunks)
        except Exception:  # another driver's fault must not cost this device its link
            log.exception("what the bytes look like cannot be told")
        return bool(self.words)


def _words(driver: Driver, line: SerialSettings, chunks: Sequence[Chunk]) -> str:
    """What other driver the bytes are for, or what the monitor has to be set to."""
    from devices import fingerprint, scan  # all drivers: only a device that does not fit needs them

    verdict = fingerprint.identify({line: chunks}, scan.serial_drivers())
    names = [fit.driver.name for fit in verdict.fits if fit.sure]
    if not names or driver.name in names:
        return " ".join(verdict.hints)
    return f"they look like {' or '.join(names)}: is that the driver it needs?"
