"""A listening port for HL7 gateways, which dial in; several devices may share it.

    mllp-listen://127.0.0.1:2575                    everything that comes
    mllp-listen://127.0.0.1:2575?bed=ICU^1^2        of one bed: PV1-3, as many components as given
    mllp-listen://127.0.0.1:2575?pid=12345          of one patient: an id in PID-3
    mllp-listen://10.0.4.2:2575?from=10.0.4.9       of one gateway; or several, or networks:
                                                    from=10.0.4.9,10.0.5.0/24

With several, all must fit; `+` means a space, and `%2B` a plus. There is one listener for each
address in the process. It hands each message to every device whose filter fits, and the first
answer of one of them to the gateway that sent it. What fits none is answered AE (or CE) and
logged, without data of the patient.

**The port has no authentication and no encryption**: who reaches it can send values for any bed.
Keep it on loopback, or in a network of monitors only, and name the gateways with `from`: whoever
else calls is hung up on. It listens where the url says, nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import parse_qsl, urlsplit

from devices.driver import BleSettings, SerialSettings
from devices.hl7 import MAX_ECHO, Frames, Message, answer, frame_bytes, parse
from devices.registry import did_you_mean
from vitals.clock import Now
from vitals.errors import TransportError
from vitals.model import Chunk

MAX_READ = 65_536
MAX_GATEWAYS = 64
MAX_UNREAD = 65_536
"""Answers that a gateway has not taken, in bytes, before it is hung up on."""
MAX_UNANSWERED = 256
FILTERS = ("pid", "bed", "from")
NOT_OURS = "no device of this station takes this bed or patient"

Network = IPv4Network | IPv6Network

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Filter:
    """Whose messages a device takes; empty = everybody's.

    Attributes:
        pid: an id in PID-3.
        bed: leading components of PV1-3.
        callers: networks of the gateways.
    """

    pid: str = ""
    bed: tuple[str, ...] = ()
    callers: tuple[Network, ...] = ()

    def hears(self, address: str) -> bool:
        """Whether a gateway at this address may send to the device."""
        return not self.callers or any(ip_address(address) in one for one in self.callers)

    def fits(self, message: Message | None) -> bool:
        """Whether a message is for the device; None is one that cannot be read."""
        if message is None:
            return not self.pid and not self.bed
        return self._fits_pid(message) and self._fits_bed(message)

    def _fits_pid(self, message: Message) -> bool:
        ids = message.repetitions(message.field("PID", 3))
        return not self.pid or self.pid in (message.components(i)[0].strip() for i in ids)

    def _fits_bed(self, message: Message) -> bool:
        place = [part.strip() for part in message.components(message.field("PV1", 3))]
        place += [""] * len(self.bed)
        return self.bed == tuple(place[: len(self.bed)])


@dataclass(slots=True)
class _Question:
    """A message that waits for its answer."""

    gateway: asyncio.StreamWriter
    control: str
    answered: bool = False


async def connect(
    url: str,
    settings: SerialSettings | BleSettings | None,
    on_chunk: Callable[[Chunk], None],
    now: Now,
) -> MllpLink:
    """Listens for gateways; see `devices.keeper.Connect`.

    Raises:
        TransportError: the url says what cannot be, or the port cannot be had, and what to do.
    """
    host, number, wanted = address(url)
    key = (asyncio.get_running_loop(), host, number)
    port = _PORTS.setdefault(key, _Port(key))
    link = MllpLink(port, wanted, on_chunk, now)
    port.users += 1
    try:
        await port.add(link)
    except BaseException:
        port.release()
        raise
    return link


def address(url: str) -> tuple[str, int, Filter]:
    """Host, port and filter that a url names.

    Raises:
        TransportError: it names none, or asks for what there is not.
    """
    parts = urlsplit(url)
    try:
        host, number = parts.hostname, parts.port
    except ValueError:
        host = number = None
    if not host or not number or parts.path.strip("/") or parts.fragment:
        raise TransportError(
            f"{url} is no address to listen on; write it as mllp-listen://HOST:PORT or "
            "mllp-listen://HOST:PORT?bed=…"
        )
    asked: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in FILTERS:
            known = f"{did_you_mean(key, FILTERS)}; known are {', '.join(FILTERS)}"
            raise TransportError(f"{url}: there is no filter {key!r}{known}")
        if key in asked or not value.strip("^ "):
            raise TransportError(f"{url}: give {key} one value, or leave it out")
        asked[key] = value.strip()
    bed = tuple(part.strip() for part in asked.get("bed", "").split("^"))
    callers = _networks(url, asked["from"]) if "from" in asked else ()
    chosen = Filter(asked.get("pid", ""), bed if "bed" in asked else (), callers)
    return "127.0.0.1" if host == "localhost" else host, number, chosen


def _networks(url: str, text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(each.strip()) for each in text.split(","))
    except ValueError as error:
        raise TransportError(
            f"{url}: from names addresses and networks, as 10.0.4.9,10.0.5.0/24; {error}"
        ) from error


class MllpLink:
    """What one device gets from a port; see `devices.keeper.Connection`."""

    def __init__(
        self, port: _Port, wanted: Filter, on_chunk: Callable[[Chunk], None], now: Now
    ) -> None:
        self.wanted = wanted
        self.now = now
        self._port = port
        self._on_chunk = on_chunk
        self._closed = False
        self._ended: asyncio.Future[TransportError] = asyncio.get_running_loop().create_future()
        self._questions: deque[_Question] = deque(maxlen=MAX_UNANSWERED)
        self._frames = Frames()

    def deliver(self, message: bytes, question: _Question) -> None:
        """A message for this device."""
        self._questions.append(question)
        self._on_chunk(Chunk(frame_bytes(message), self.now.now_us()))

    async def write(self, data: bytes) -> None:
        """Gives answers to the gateways that asked; one that has hung up misses its own.

        Raises:
            TransportError: the link is closed.
        """
        if self._closed:
            raise TransportError("the link has been closed")
        for piece in self._frames.feed(data):
            said = None if isinstance(piece, int) else parse(piece)
            if said is None or isinstance(piece, int):
                continue
            question = self._asked(said.field("MSA", 2))
            if question is not None and not question.answered:
                question.answered = True
                send(question.gateway, frame_bytes(piece))

    def _asked(self, control: str) -> _Question | None:
        """The question that an answer is to; those before it wanted none."""
        if all(question.control != control for question in self._questions):
            return None
        while (question := self._questions.popleft()).control != control:
            pass
        return question

    async def lost(self) -> TransportError:
        """Waits until the link is closed: a port that nobody calls is silent, and not lost."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Takes no more messages; the last device of a port closes it."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._port.remove(self)
        finally:
            self._port.release()
            self._ended.set_result(TransportError("the link has been closed"))


_Key = tuple[asyncio.AbstractEventLoop, str, int]


class _Port:
    """One listener, the gateways that have dialled in, and the devices behind it."""

    def __init__(self, key: _Key) -> None:
        self.users = 0
        self._key = key
        self._name = f"{key[1]}:{key[2]}"
        self._lock = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._links: list[MllpLink] = []
        self._gateways: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._refused = 0

    def release(self) -> None:
        """One user less; without any the port is forgotten."""
        self.users -= 1
        if not self.users:
            _PORTS.pop(self._key, None)

    async def add(self, link: MllpLink) -> None:
        """Listens for a device, too.

        Raises:
            TransportError: the port cannot be had.
        """
        async with self._lock:
            if self._server is None:
                self._server = await self._open()
            self._links.append(link)

    async def remove(self, link: MllpLink) -> None:
        """A device goes; the last one closes the port and hangs up on all gateways."""
        async with self._lock:
            self._links.remove(link)
            if self._links or self._server is None:
                return
            server, self._server = self._server, None
            server.close()
            for gateway in self._gateways:
                gateway.transport.abort()
            if tasks := [task for task in self._gateways.values() if task]:
                await asyncio.wait(tasks)
            await server.wait_closed()

    async def _open(self) -> asyncio.Server:
        _, host, number = self._key
        try:
            server = await asyncio.start_server(
                self._serve, host, number, limit=MAX_READ, start_serving=False
            )
        except OSError as error:
            raise TransportError(_cannot_listen(self._name, error)) from error
        try:
            await server.start_serving()
        except BaseException as error:
            server.close()
            if isinstance(error, OSError):
                raise TransportError(_cannot_listen(self._name, error)) from error
            raise
        return server

    async def _serve(self, reader: asyncio.StreamReader, gateway: asyncio.StreamWriter) -> None:
        """One gateway, from its call to its end."""
        if len(self._gateways) >= MAX_GATEWAYS or self._server is None:
            log.warning("%s: a call is refused: %d are there", self._name, len(self._gateways))
            gateway.transport.abort()
            return
        address = _caller(gateway)
        if not any(link.wanted.hears(address) for link in self._links):
            self._refuse(f"a call from {address}, which no device's `from` names")
            gateway.transport.abort()
            return
        self._gateways[gateway] = asyncio.current_task()
        _keep_alive(gateway)
        frames = Frames()
        try:
            while data := await reader.read(MAX_READ):
                for piece in frames.feed(data):
                    self._take(gateway, piece)
        except OSError as error:
            log.info("%s: a gateway has gone (%s)", self._name, error)
        finally:
            del self._gateways[gateway]
            gateway.close()

    def _take(self, gateway: asyncio.StreamWriter, piece: bytes | int) -> None:
        """Hands a message to the devices that it is for."""
        if isinstance(piece, int):
            self._refuse("bytes outside of an MLLP frame")
            return
        message = parse(piece)
        question = _Question(gateway, message.field("MSH", 10)[:MAX_ECHO] if message else "")
        heard = [link for link in self._links if link.wanted.hears(_caller(gateway))]
        takers = [link for link in heard if link.wanted.fits(message)]
        for link in takers:
            link.deliver(piece, question)
        if takers or not self._links:
            return
        self._refuse("a message for a bed or patient that no device takes")
        if message and (said := answer(message, NOT_OURS, self._links[0].now.now_us())):
            send(gateway, said)

    def _refuse(self, what: str) -> None:
        self._refused += 1
        if str(self._refused).strip("0") == "1":  # the first, the tenth, the hundredth, …
            log.warning("%s: refused %s (%d refused so far)", self._name, what, self._refused)


_PORTS: dict[_Key, _Port] = {}
"""The open ports of each loop, and of this process."""


def _caller(gateway: asyncio.StreamWriter) -> str:
    """Its address; one that has gone already is nobody's."""
    peer = gateway.get_extra_info("peername")
    return str(peer[0]).partition("%")[0].removeprefix("::ffff:") if peer else "::"


def send(gateway: asyncio.StreamWriter, data: bytes) -> None:
    """Sends without waiting; a gateway that does not read is hung up on."""
    if gateway.transport.is_closing():
        return
    gateway.write(data)
    if gateway.transport.get_write_buffer_size() > MAX_UNREAD:
        gateway.transport.abort()


def _keep_alive(gateway: asyncio.StreamWriter) -> None:
    """Lets the system find out that a gateway was switched off, also one that rests."""
    handle = gateway.get_extra_info("socket")
    with contextlib.suppress(OSError):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _cannot_listen(name: str, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{name} is no address of this computer; correct the url in the config"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{name} is in use: end the other program or choose another port; devices that share "
            "a port must write its host alike"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{name} may not be listened on by this user; choose a port above 1023"
    return f"{name} cannot be listened on ({error}); check the url in the config"
