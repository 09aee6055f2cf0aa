"""`replay://` devices: a recording speaks instead of a monitor, at the times it was recorded at.

    replay:///folder/file.vital?device=Intellivue&map=/folder/map.toml&start=/folder/begun
        &from=MICROSECONDS&to=MICROSECONDS

`device` names one of the recording's; all of one file share a beginning. With `start` it begins
when that file appears, and the station's time of the beginning is written into it: a station that
is started again goes on at the right place. Values carry the station's time of when they would
have been measured, and the recording's own time as the device's.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from urllib.request import pathname2url, url2pathname

from vitals.clock import Now
from vitals.config import DeviceConfig
from vitals.errors import CommandError, ConfigError, VitalsError
from vitals.model import US, Link, Notice, Numeric, Request, Waveform
from vitals.recordings import Recording, RecordingError, read
from vitals.recordings.assemble import part
from vitals.recordings.mapping import NONE, load
from vitals.recordings.playing import RecordedDevice, devices, moments
from vitals.station_device import LinkStatus, OnEvents, OnLink, StationDevice

DRIVER = "replay"
SCHEME = "replay"
OVER = "the recording is over"
WAITING = "the recording waits to be started"
LOOK_S = 0.1
"""How often `start` is looked for, real seconds."""
MISSED_US = 5 * US
"""What should have been said so long ago was missed while the program was down."""
PACKET_S = 0.25
"""Waveform packets as monitors send them, recorded seconds at real speed."""
_KEYS = ("device", "map", "start", "from", "to")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Where:
    """What a `replay://` URL says."""

    path: Path
    device: str = ""
    map: Path | None = None
    start: Path | None = None
    from_us: int | None = None
    to_us: int | None = None

    @property
    def url(self) -> str:
        """As it stands in a config."""
        named = {
            "device": self.device,
            "map": self.map,
            "start": self.start,
            "from": self.from_us,
            "to": self.to_us,
        }
        asked = urlencode(
            {k: str(v) for k, v in named.items() if v not in (None, "")}, quote_via=quote
        )
        return f"{SCHEME}://{pathname2url(str(self.path))}" + (f"?{asked}" if asked else "")


def is_replay(url: str) -> bool:
    """Whether a device is a recording."""
    return urlsplit(url).scheme == SCHEME


def where(url: str) -> Where:
    """What a URL says.

    Raises:
        ConfigError: it says something else than it can.
    """
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    wrong = next((key for key in asked if key not in _KEYS), None)
    if wrong is not None:
        raise ConfigError(
            f"{url!r}: replay:// knows no {wrong!r}; it knows {', '.join(_KEYS)}", key="url"
        )
    path = url2pathname(parts.netloc + parts.path)
    if not path:
        raise ConfigError(f"{url!r}: name a file, as replay:///folder/file.vital", key="url")
    try:
        from_us, to_us = (int(asked[key]) if key in asked else None for key in ("from", "to"))
    except ValueError as error:
        raise ConfigError(f"{url!r}: from and to are microseconds UTC", key="url") from error
    mapping, start = (Path(asked[key]) if key in asked else None for key in ("map", "start"))
    return Where(Path(path), asked.get("device", ""), mapping, start, from_us, to_us)


def station_device(config: DeviceConfig) -> StationDevice:
    """What the station needs to know of a device that is a recording.

    Raises:
        ConfigError: the recording cannot be used, or has no such device.
    """
    said = where(config.url)
    try:
        found = recording(said)
        device = _device(found, said)
    except RecordingError as error:
        raise ConfigError(str(error), key="url") from error
    return StationDevice(
        config.id,
        DRIVER,
        f"REPLAY of {found.source.file}",
        device.channels,
        frozenset(),
        device.period_s,
        "unknown",
        spot=device.spot,
    )


def recording(said: Where) -> Recording:
    """The recording of a URL, read once however many devices it has."""
    return _read(said.path, said.map, said.from_us, said.to_us)


@lru_cache(maxsize=2)
def _read(path: Path, mapping: Path | None, from_us: int | None, to_us: int | None) -> Recording:
    said, text = (NONE, "") if mapping is None else load(mapping)
    found = read(path, said, text)
    return found if from_us is None and to_us is None else part(found, from_us, to_us)


def _device(found: Recording, said: Where) -> RecordedDevice:
    known = devices(found)
    named = [one for one in known if said.device in ("", one.id)]
    if len(named) != 1:
        ids = ", ".join(one.id for one in known)
        what = f"has no device {said.device!r}" if said.device else "is of several devices"
        raise RecordingError(f"{found.source.file} {what}; name one of {ids} with ?device=")
    return named[0]


class Beginning:
    """When the recordings of one station begin, in the station's time; one for all its devices."""

    def __init__(self) -> None:
        self._known: dict[Path, int] = {}

    async def wait(self, said: Where, clock: Now) -> int:
        """Waits until the recording may begin; the time of its first moment."""
        key = said.start or said.path
        if said.start is None:
            return self._known.setdefault(key, clock.now_us())
        # another process makes the file
        while key not in self._known:
            found = await asyncio.to_thread(_begun, said.start, clock)
            if found is not None:
                self._known.setdefault(key, found)
                break
            await asyncio.sleep(LOOK_S)
        return self._known[key]


def _begun(start: Path, clock: Now) -> int | None:
    """The time in the file; an empty one gets the present time."""
    try:
        text = start.read_text(encoding="ascii").strip()
        if text:
            return int(text)
        now_us = clock.now_us()
        beside = start.with_name(f"{start.name}.new")
        beside.write_text(str(now_us), encoding="ascii")
        os.replace(beside, start)
        return now_us
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.error("%s: the beginning of the replay cannot be read: %s", start, error)
        return clock.now_us()


class ReplayKeeper:
    """Says what one device of a recording has said; a `vitals.station_device.Keeper`."""

    def __init__(
        self,
        device: str,
        url: str,
        clock: Now,
        on_events: OnEvents,
        on_link: OnLink,
        beginning: Beginning,
    ) -> None:
        self._device, self._said = device, where(url)
        self._clock, self._on_events, self._on_link = clock, on_events, on_link
        self._beginning = beginning
        self._heard_us: int | None = None
        self._why = ""

    async def run(self) -> None:
        """Plays the recording once, then stays silent until cancelled."""
        try:
            await self._play(await asyncio.to_thread(recording, self._said))
            why = OVER
        except VitalsError as error:
            log.error("%s", error, extra={"device": self._device})
            why = str(error)
        self._on_link(Link(self._device, self._clock.now_us(), "lost", detail=why))
        await asyncio.Event().wait()

    async def _play(self, found: Recording) -> None:
        self._on_link(Link(self._device, self._clock.now_us(), "connecting", detail=WAITING))
        began_us = await self._beginning.wait(self._said, self._clock)
        speed = float(getattr(self._clock, "speed", 1.0))
        packets = moments(
            found, _device(found, self._said).id, PACKET_S * max(1.0, min(speed, 4.0))
        )
        ahead_us = began_us - found.from_us
        link = Link(self._device, began_us, "connecting")
        for at_us, bodies in _together(packets):
            now_us = at_us + ahead_us
            # in pieces: the station's clock is not the one that sleeps
            while (wait_us := now_us - self._clock.now_us()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(min(1.0, wait_us / US / speed))
            missed = self._clock.now_us() - now_us > MISSED_US * max(1.0, speed)
            links = [body for body in bodies if isinstance(body, Link)]
            link = links[-1] if links else link
            if missed:
                continue
            if self._why:
                self._on_link(Link(self._device, now_us, "lost", detail=self._why))
                self._why, links = "", [link]
            elif self._heard_us is None:
                links = [link]  # it begins in the middle: what the link is now
            for one in links:
                self._on_link(replace(one, device=self._device, at_us=now_us))
            events: list[Numeric | Waveform | Notice] = [
                _now(body, self._device, ahead_us) for body in bodies if not isinstance(body, Link)
            ]
            if events:
                self._heard_us = now_us
                self._on_events(events)

    def status(self) -> LinkStatus:
        """How well it is heard."""
        return LinkStatus(self._heard_us)

    def reopen(self, why: str) -> None:
        """The next value comes on a new connection."""
        self._why = why

    def request(self, request: Request) -> None:
        """Refuses: nobody can ask a recording.

        Raises:
            CommandError: always.
        """
        raise CommandError("a recording cannot be asked to measure", device=self._device)


_Event = Numeric | Waveform


def _together(
    all_: Iterator[tuple[int, Numeric | Waveform | Link]],
) -> Iterator[tuple[int, list[Numeric | Waveform | Link]]]:
    """What comes at one moment."""
    at_us: int | None = None
    bodies: list[Numeric | Waveform | Link] = []
    for when, body in all_:
        if at_us is not None and when != at_us:
            yield at_us, bodies
            bodies = []
        at_us = when
        bodies.append(body)
    if at_us is not None:
        yield at_us, bodies


def _now(body: _Event, device: str, ahead_us: int) -> Numeric | Waveform:
    """A value as it would be measured now; its own time is the device's."""
    if isinstance(body, Waveform):
        return replace(body, device=device, start_us=body.start_us + ahead_us)
    theirs = body.at_us if body.device_at_us is None else body.device_at_us
    return replace(body, device=device, at_us=body.at_us + ahead_us, device_at_us=theirs)
