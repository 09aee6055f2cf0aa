"""The transmitter of a simulated monitor: bytes leave one after the other, at the line's speed."""

from __future__ import annotations

from collections import deque

from devices.driver import BleSettings, SerialSettings

_NS = 1_000_000_000


def byte_ns(settings: SerialSettings | BleSettings | None) -> int:
    """Nanoseconds that a byte takes: start bit, data, parity, stop bits; 0 = not a serial line."""
    if not isinstance(settings, SerialSettings):
        return 0
    bits = 1 + settings.bytesize + (settings.parity != "N") + settings.stopbits
    return round(bits * _NS / settings.baudrate)


class Uart:
    """A queue of bytes with the times at which they are out; times in nanoseconds.

    Args:
        byte_ns: how long a byte takes; 0 = everything leaves at once.
    """

    def __init__(self, byte_ns: int) -> None:
        self._byte_ns = byte_ns
        self._free_ns = 0
        self._waiting: deque[tuple[int, bytes]] = deque()

    def put(self, data: bytes, at_ns: int) -> None:
        """These are to leave, from this moment on or as soon as what is before them has left."""
        if data:
            start_ns = max(at_ns, self._free_ns)
            self._waiting.append((start_ns, data))
            self._free_ns = start_ns + len(data) * self._byte_ns

    def take(self, until_ns: int) -> bytes:
        """What has left by then."""
        out = []
        while self._waiting and (start_ns := self._waiting[0][0]) < until_ns:
            _, data = self._waiting.popleft()
            left = (until_ns - start_ns) // self._byte_ns if self._byte_ns else len(data)
            out.append(data[:left])
            if left < len(data):
                self._waiting.appendleft((start_ns + left * self._byte_ns, data[left:]))
                break
        return b"".join(out)

    def clear(self) -> None:
        """Forgets what has not left yet."""
        self._waiting.clear()
        self._free_ns = 0
