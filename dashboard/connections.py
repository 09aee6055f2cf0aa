"""Connections that only hold a place: slow heads, endless heads, too many from one address.

The server itself waits for ever for a request that has begun and does not end, and takes a head
of any length. Each connection is an open file, of which a process has a thousand or so: whoever
opens them all keeps everybody's pages from connecting again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

HEAD_S = 10.0
"""From the first byte of a request, or from connecting, to the end of its head."""
HEAD_BYTES = 64 << 10
"""Longest head; whatever a page sends has a few kilobytes."""
MOST_OF_ONE = 128
"""Connections of one address that are no websockets; a browser opens six."""

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Http
else:
    _Http = object


class Guard(_Http):
    """Goes before one of uvicorn's HTTP protocols, see `guarded`; `count` is of its server."""

    count: Counter[str]
    _timer: asyncio.TimerHandle | None = None
    _bytes = 0
    _of = ""

    def connection_made(self, transport: Any) -> None:
        """Takes it, unless its address has enough of them."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        if self.count[address] >= MOST_OF_ONE:
            transport.abort()
            return
        self._of = address
        self.count[address] += 1
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Passes it on, and gives up a head that has no end."""
        if self._waits:
            self._bytes += len(data)
        super().data_received(data)
        if self.transport.get_protocol() is not self:  # it has become a websocket
            self._leave()
        elif not self._waits:
            self._bytes = 0
        elif self._bytes > HEAD_BYTES:
            self.transport.abort()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._leave()
        self._watch()
        super().connection_lost(exc)

    @property
    def _waits(self) -> bool:
        """Whether the next thing to come is the head of a request."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _watch(self) -> None:
        if self._of and self._waits:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(HEAD_S, self._late)
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self._of and self._waits:
            self.transport.abort()

    def _leave(self) -> None:
        if self._of:
            self.count[self._of] -= 1
            if not self.count[self._of]:
                del self.count[self._of]
            self._of = ""


def guarded(protocol: type[Any]) -> type[Any]:
    """One of uvicorn's HTTP protocols, guarded; for one server."""
    return type(f"Guarded{protocol.__name__}", (Guard, protocol), {"count": Counter()})
