"""One connection to a device without its IO: bytes in, events and bytes out, and a judgement.

It wraps a driver's decoder of one connection and watches it: whether anything comes, whether it
is understood, and which conditions the device has reported. Pure: both times are arguments, the
station's (`now_us`) and the real one (`real_s`, seconds of a monotonic clock), since a watchdog
must not run faster in a demo that does.
"""

from __future__ import annotations

from dataclasses import replace

from devices.driver import Driver, Event
from vitals.model import Chunk, Notice, Request

UNDERSTOOD_S = 3.0
"""Bytes that arrive for longer than this must have meant something."""
BELIEVED_S = 0.5
"""Without a checksum, what comes so soon after refused bytes waits until it proves unbroken."""
MAX_DUE = 32
"""Messages a decoder may have due at once; one that never ends would stop everything else."""
ONE_OFF = frozenset({"nibp_failed"})
"""Notices that report an event, not a condition: nothing ends them."""

NOT_UNDERSTOOD = "bytes arrive but none are understood: check driver and line settings"

_ON = "is the device on, and its cable plugged in at both ends?"
_IS_IT = {"serial": _ON, "mllp": _ON, "ble": "is the device on, worn, and near?"}


class Conversation:
    """What is said on one connection; a new one for every connection.

    Exceptions of the driver come through: no bytes should make a decoder raise, and one that
    does is replaced by its keeper.

    Attributes:
        heard: whether an event has come, or from a spot device bytes that were not refused.
    """

    def __init__(
        self, driver: Driver, device: str, real_s: float, *, doubted: bool = False
    ) -> None:
        """`doubted` when the connection before was given up as not understood."""
        self._driver = driver
        self._doubted = doubted
        self._decoder = driver.decoder(device)
        self._spot = driver.mode == "spot"
        self._heard_s = self._understood_s = real_s
        self.heard = False
        self._meant = False
        self._polls = False
        self._asked_s: float | None = None
        self._refused_s: tuple[float, float] | None = None
        serial = driver.transport == "serial"
        self._credulous = driver.checked or self._spot or not serial
        self._broken_s = float("-inf")
        self._held: list[Event] = []
        self._active: dict[str, Notice] = {}

    @property
    def rejected(self) -> int:
        """Frames refused on this connection."""
        return self._decoder.rejected

    @property
    def alive(self) -> bool:
        """Whether the device is known to be there.

        A continuous device is when an event has come from it. A spot device may have no event
        for hours: it is when it answers polls, or as soon as it is connected if it gets none.
        """
        expected = self._spot and not self._doubted and (self.heard or not self._polls)
        return self._meant or expected

    def opened(self, real_s: float) -> None:
        """The connection has come about now: all patience starts here."""
        self._heard_s = self._understood_s = real_s

    def feed(self, chunk: Chunk, real_s: float) -> list[Event]:
        """Decodes what has arrived; gives what may be believed of it, and of what waited."""
        before = self._decoder.rejected
        events = self._decoder.feed(chunk)
        if not self._credulous:
            events = self._believed(events, self._decoder.rejected > before, real_s)
        self._heard_s, self._asked_s = real_s, None
        if events:
            self._understood_s, self._refused_s = real_s, None
            self._meant = self.heard = True
        elif self._decoder.rejected > before:
            first, last = self._refused_s or (real_s, real_s)
            self._refused_s = (first if real_s - last <= UNDERSTOOD_S else real_s, real_s)
        elif self._spot:
            self.heard = True
        for event in events:
            if isinstance(event, Notice) and event.active:
                self._active[event.code] = event
            elif isinstance(event, Notice):
                self._active.pop(event.code, None)
        return events

    def _believed(self, events: list[Event], refused: bool, real_s: float) -> list[Event]:
        """What a protocol without a checksum says, once it has said it without a break.

        Garbage too has well-formed frames now and then, but never for half a second. Numbers
        that are followed by refused bytes too soon are dropped; notices tell changes only, so
        they wait for better times.
        """
        if refused:
            self._broken_s = real_s
            self._held = [event for event in self._held if isinstance(event, Notice)]
        self._held += events
        if real_s - self._broken_s < BELIEVED_S:
            return []
        believed, self._held = self._held, []
        return believed

    def due(self, now_us: int, real_s: float) -> bytes:
        """Everything that must be sent now."""
        out = b""
        for _ in range(MAX_DUE):
            data = self._decoder.due(now_us)
            if not data:
                break
            out += data
        if out:
            self._polls = True
            self._asked_s = real_s if self._asked_s is None else self._asked_s
        return out

    def request(self, request: Request, now_us: int) -> None:
        """Queues a command for `due`.

        Raises:
            CommandError: the protocol or the device's present state cannot do it.
        """
        self._decoder.request(request, now_us)

    def trouble(self, real_s: float) -> str:
        """Why this connection should be given up, one sentence; `""` while it is well."""
        quiet_s = self._driver.quiet_s
        # A spot device owes an answer only to what it was asked.
        waiting_s = self._asked_s if self._spot else self._heard_s
        if waiting_s is not None and real_s - waiting_s > quiet_s:
            return f"nothing has come for {quiet_s:g} s: {_IS_IT[self._driver.transport]}"
        if self._spot:
            refused = self._refused_s
            garbled = refused is not None and refused[1] - refused[0] > UNDERSTOOD_S
        else:
            garbled = real_s - self._understood_s > max(UNDERSTOOD_S, quiet_s)
        return NOT_UNDERSTOOD if garbled else ""

    def farewell(self, now_us: int) -> list[Event]:
        """Ends every condition that the device has reported: nobody knows any longer."""
        active, self._active = self._active, {}
        return [
            replace(notice, at_us=now_us, active=False, detail="the link has ended")
            for code, notice in active.items()
            if code not in ONE_OFF
        ]
