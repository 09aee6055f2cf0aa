"""Finds out what is plugged into a port: listens on each line setting, then asks.

A device that talks is heard on any line setting, be it as garbage. So a port is listened to once;
when it stays silent the drivers' probes are sent, each on its driver's line, and when it talks it
is listened to on the other settings. Nothing else than `Driver.probe` is ever written.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from devices import registry
from devices.driver import Driver, SerialSettings
from devices.fingerprint import Fit, Verdict, identify
from devices.keeper import Connect, Connection
from devices.transports.serial_faults import FORBIDDEN, IN_USE, UNPLUGGED
from vitals.clock import Clock, Now
from vitals.errors import TransportError
from vitals.model import Chunk

LISTEN_S = 6.0
"""Time to listen on one line setting: three lines of a Nellcor, the slowest that talks."""
REPLY_S = 0.8
"""Time for an answer to one probe, for a device that says something every second or oftener."""
PERIODS = 1.5
"""Periods of the device that an answer may take, in units of `REPLY_S`."""
STEP_S = 0.25
"""How often it is looked at what has come."""
ROUNDS = 2
"""How often a probe is sent: what another driver's has left in the device may spoil the first."""
NOISE = 6
"""Fewer bytes than this are no talk: a plug that was touched."""
MAX_HEARD = 1 << 16

OTHER_LINES = (
    SerialSettings(4800, parity="O"),
    SerialSettings(4800),
    SerialSettings(4800, parity="E"),
    SerialSettings(19200),
)
"""Settings that no driver has by itself: other Contec V5.0, speeds in an Accutorr's menu."""

State = Literal["found", "probably", "unclear", "unknown", "silent", "busy", "forbidden", "failed"]

_FAILURES: tuple[tuple[tuple[int, ...], State], ...] = (
    (IN_USE, "busy"),
    (FORBIDDEN, "forbidden"),
    (UNPLUGGED, "failed"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What is plugged into one port.

    Attributes:
        state: `found` = one driver, with enough evidence; `probably` = one, with less; `unclear` =
            several fit equally; `unknown` = it talks, and no driver fits.
        fits: the drivers that fit.
        detail: one sentence more, `""` when there is nothing to say.
        heard: bytes that came, on all line settings.
        asked: whether probes were sent.
    """

    state: State
    fits: tuple[Fit, ...] = ()
    detail: str = ""
    heard: int = 0
    asked: bool = False


def serial_drivers() -> tuple[Driver, ...]:
    """All drivers of serial devices."""
    known = (registry.get(name) for name in registry.names())
    return tuple(driver for driver in known if driver.transport == "serial")


def lines(drivers: Sequence[Driver]) -> tuple[SerialSettings, ...]:
    """The line settings to try, the most common first."""
    usual = [d.settings for d in drivers if isinstance(d.settings, SerialSettings)]
    common = sorted(dict.fromkeys(usual), key=lambda line: (-usual.count(line), usual.index(line)))
    return tuple(dict.fromkeys((*common, *OTHER_LINES)))


async def examine(
    url: str,
    drivers: Sequence[Driver],
    on: Sequence[SerialSettings] | None = None,
    *,
    ask: Sequence[Driver] | None = None,
    connect: Connect | None = None,
    now: Now | None = None,
    listen_s: float = LISTEN_S,
    reply_s: float = REPLY_S,
) -> Found:
    """What is plugged into a port; the port is released again.

    Args:
        url: as in a config, without a line.
        drivers: the ones it may be.
        on: line settings, by default `lines(drivers)`.
        ask: whose probes may be sent, by default everybody's.
        connect: the transport, by default that of the url.
        now: stamps what is heard.
        listen_s: time to listen on each line setting.
        reply_s: time for an answer.

    Raises:
        ConfigError: no transport has that scheme.
    """
    look = _Look(
        url,
        drivers,
        registry.transport(url) if connect is None else connect,
        Clock.anchored_now() if now is None else now,
        listen_s,
        reply_s,
    )
    on = lines(drivers) if on is None else on
    try:
        return await look.run(on, drivers if ask is None else ask)
    except TransportError as error:
        return Found(_state_of(error), (), str(error), look.size, look.asked)


def _number(error: TransportError) -> int | None:
    """The system's number of what went wrong; termios.error has it as its first argument only."""
    cause = error.__cause__
    first = next(iter(cause.args), None) if cause else None
    number = getattr(cause, "errno", None) or first
    return number if isinstance(number, int) else None


def _state_of(error: TransportError) -> State:
    number = _number(error)
    return next((state for numbers, state in _FAILURES if number in numbers), "failed")


class _Look:
    """One look at one port."""

    def __init__(
        self,
        url: str,
        drivers: Sequence[Driver],
        connect: Connect,
        now: Now,
        listen_s: float,
        reply_s: float,
    ) -> None:
        self.asked = False
        self._url = url
        self._drivers = drivers
        self._connect = connect
        self._now = now
        self._listen_s = listen_s
        self._reply_s = reply_s
        self._heard: dict[SerialSettings, list[Chunk]] = {}
        self._echo = False
        self._opened = False

    @property
    def size(self) -> int:
        """Bytes heard."""
        return sum(len(chunk.data) for chunks in self._heard.values() for chunk in chunks)

    async def run(self, on: Sequence[SerialSettings], ask: Sequence[Driver]) -> Found:
        """Listens, asks, and judges."""
        talks = False
        for line in on:
            verdict = await self._listen(line)
            if verdict.sure:
                return self._found(await self._on_its_own_line(verdict))
            talks = talks or self.size >= NOISE
            if not talks or verdict.hints or verdict.text_on:
                break  # a device that talks is heard on any line; readable text comes on one only
        verdict = identify(self._heard, self._drivers)
        if verdict.fits or verdict.hints:
            return self._found(verdict)
        for line in on:
            asked = [d for d in ask if d.probe and d.settings == line]
            if asked and (verdict := await self._ask(line, asked)).fits:
                break
        return self._found(verdict if verdict.fits else identify(self._heard, self._drivers))

    async def _on_its_own_line(self, verdict: Verdict) -> Verdict:
        """The verdict, after a look at the line that the driver usually has, if it was another."""
        (fit,) = verdict.fits
        usual = fit.driver.settings
        if fit.line == usual or not isinstance(usual, SerialSettings) or usual in self._heard:
            return verdict
        await self._listen(usual)
        return identify(self._heard, self._drivers)

    def _found(self, verdict: Verdict) -> Found:
        states: tuple[State, State] = ("probably", "found")
        state: State = "unclear" if len(verdict.fits) > 1 else states[verdict.sure]
        detail = " ".join(verdict.hints)
        if not verdict.fits:
            state = "unknown" if self.size >= NOISE or detail else "silent"
        if state == "silent" and self._echo:
            detail = "it sends back what it is sent: a loop-back plug, or no device behind it"
        if state == "unknown" and not detail and verdict.text_on is not None:
            line = verdict.text_on
            detail = (
                f"lines of text at {line.baudrate} baud that no driver reads: "
                "check the monitor's output setting"
            )
        return Found(state, verdict.fits, detail, self.size, self.asked)

    async def _listen(self, line: SerialSettings) -> Verdict:
        chunks = self._heard.setdefault(line, [])
        opened = await self._open(line, self._hear(chunks))
        if opened is None:
            return Verdict()
        connection, lost = opened
        try:
            return await self._wait(line, lost, chunks, self._listen_s)
        finally:
            await _close(connection, lost)

    async def _ask(self, line: SerialSettings, drivers: Sequence[Driver]) -> Verdict:
        """Asks for each driver in turn; what the port says to one is read by all."""
        answers: list[Chunk] = []
        verdict = Verdict()
        opened = await self._open(line, self._hear(answers))
        if opened is None:
            return verdict
        connection, lost = opened
        self.asked = True
        try:
            for driver in drivers:
                said: list[Chunk] = []
                patience_s = self._reply_s * max(1.0, PERIODS * driver.period_s)
                for _ in range(ROUNDS):
                    for message in driver.probe:
                        answers.clear()
                        await connection.write(message)
                        await self._wait(line, lost, answers, patience_s)
                        said += self._without_echo(answers, message)
                    verdict = identify({line: said}, self._drivers)
                    if verdict.sure or not said:
                        break
                if verdict.fits and not verdict.sure:  # it begins to talk: hear more
                    answers[:] = said
                    verdict = await self._wait(line, lost, answers, self._listen_s)
                    said = list(answers)
                self._heard.setdefault(line, []).extend(said)
                if verdict.fits:
                    return verdict
            return verdict
        finally:
            await _close(connection, lost)

    def _without_echo(self, answers: Sequence[Chunk], message: bytes) -> list[Chunk]:
        """The answer, less the message itself, which some drivers would take for one.

        A message of one byte may be how the answer begins, and is left.
        """
        data = b"".join(chunk.data for chunk in answers)
        if len(message) == 1 or not data.startswith(message):
            return list(answers)
        self._echo = True
        rest = data.removeprefix(message)
        return [Chunk(rest, answers[-1].at_us)] if rest else []

    async def _open(
        self, line: SerialSettings, on_chunk: Callable[[Chunk], None]
    ) -> tuple[Connection, asyncio.Task[TransportError]] | None:
        """None when the port is well but cannot be set to this line."""
        try:
            connection = await self._connect(self._url, line, on_chunk, self._now)
        except TransportError as error:
            if self._opened and _number(error) == errno.EINVAL:
                return None
            raise
        self._opened = True
        return connection, asyncio.create_task(connection.lost(), name=f"lost {self._url}")

    def _hear(self, chunks: list[Chunk]) -> Callable[[Chunk], None]:
        def on_chunk(chunk: Chunk) -> None:
            if self.size < MAX_HEARD:
                chunks.append(chunk)

        return on_chunk

    async def _wait(
        self,
        line: SerialSettings,
        lost: asyncio.Task[TransportError],
        chunks: list[Chunk],
        longest_s: float,
    ) -> Verdict:
        """Waits until it is known what comes, at most so long; raises when the port breaks."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + longest_s
        known = 0
        while (left_s := end_s - loop.time()) > 0:
            done, _ = await asyncio.wait({lost}, timeout=min(STEP_S, left_s))
            if done:
                raise lost.result()
            if len(chunks) > known:
                known = len(chunks)
                verdict = identify({line: tuple(chunks)}, self._drivers)
                if verdict.sure:
                    return verdict
        return identify({line: tuple(chunks)}, self._drivers)


async def _close(connection: Connection, lost: asyncio.Task[TransportError]) -> None:
    lost.cancel()
    await connection.close()
    await asyncio.gather(lost, return_exceptions=True)
