"""A clinic of a test's own: monitors on ptys in this process, `vitals run` as another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Page

from devices import registry
from simulators import scenario
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.e2e.clinic import Program, free_port, wait_for
from vitals import wire
from vitals.errors import FeedError
from vitals.follower import ask

START = bytes.fromhex("7d81a1808080808080")
"""What makes a Contec talk."""
FALL = scenario.parse(
    '[[event]]\nat_s = 0\nkind = "desaturation"\nlasting_s = 900\nto = 80\nrise_s = 4\n',
    path="fall",
)
"""SpO2 falls to 80 % within 4 s."""


class Noise:
    """A line without a device: random bytes, as fast as 9600 baud carries them."""

    inflating = False
    unplugged = False
    bytes_per_s = 960

    def __init__(self, name: str) -> None:
        self.name = name
        self._rng = random.Random(name)  # noqa: S311 - no secret
        self._owed = 0.0

    def receive(self, data: bytes) -> None:
        return

    def advance(self, dt_s: float) -> bytes:
        self._owed += dt_s * self.bytes_per_s
        now, self._owed = int(self._owed), self._owed % 1
        return self._rng.randbytes(now)

    def skip(self, dt_s: float) -> None:
        return


class Talkative(SimulatedMonitor):
    """A Contec that was started by another program: it talks to whoever listens."""

    def advance(self, dt_s: float) -> bytes:
        self.receive(START)
        return super().advance(dt_s)


class Ward:
    """Plugs of one patient's bed, each with its room, and the part of a config that names them."""

    def __init__(self, folder: Path, *, speed: float = 1.0) -> None:
        self.patient = Patient(7)
        self.plugs: dict[str, PtyEndpoint] = {}
        self.speed = speed
        self._folder = folder
        self._rooms: list[str] = []
        self._bedside: Bedside | None = None

    def room(self, room: str, driver: str, monitor: object = None) -> str:
        """A room with one monitor, of the driver's kind unless another one is given."""
        link = self._folder / f"{room}.port"
        if monitor is None:
            monitor = SimulatedMonitor(registry.get(driver), self.patient, name=room)
        self.plugs[room] = PtyEndpoint(monitor, link)  # type: ignore[arg-type]
        self._rooms.append(
            f'[[room]]\nid = "{room}"\n  [[room.device]]\n  id = "{room}-dev"\n'
            f'  driver = "{driver}"\n  url = "{self.plugs[room].url}"\n'
        )
        return room

    def toml(self, port: int, store: str) -> str:
        return (
            f'[station]\nid = "e2e"\nmode = "test"\nspeed = {self.speed:g}\n'
            f"store = {json.dumps(store)}\n[web]\nport = {port}\n" + "\n".join(self._rooms)
        )

    def start(self) -> None:
        self._bedside = Bedside(self.patient, list(self.plugs.values()), speed=self.speed)
        self._bedside.start()

    def fall(self) -> None:
        """SpO2 falls from now on."""
        assert self._bedside is not None
        self._bedside.play(FALL)

    def stop(self) -> None:
        if self._bedside is not None:
            self._bedside.stop()


class Clinic(Program):
    """`vitals run` for a ward."""

    def __init__(self, folder: Path, ward: Ward, *, store: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        where = store or folder / "vitals.db"
        (folder / "clinic.toml").write_text(ward.toml(self.port, str(where)))
        super().__init__(folder, "run", "--config", "clinic.toml")
        self.store = where
        self.feed = Path(f"{where}.feed")

    def up(self) -> None:
        """Waits until it says where its page is."""
        wait_for(lambda: self.url in self.said() or self.process.poll() is not None, "address")
        assert self.process.poll() is None, self.said()

    def tell(self, *commands: tuple[str, str, dict[str, str]]) -> list[wire.ResultMsg]:
        """(kind, room, args) -> results; waits for a station."""
        messages = [
            wire.CommandMsg(
                id=str(uuid.uuid4()), kind=kind, room=room, name="Ann", role="nurse", args=args
            )
            for kind, room, args in commands
        ]

        def told() -> list[wire.ResultMsg] | None:
            # Playwright's own loop runs in this thread
            with contextlib.suppress(FeedError), ThreadPoolExecutor(1) as thread:
                return thread.submit(lambda: asyncio.run(ask(self.feed, messages))).result()
            return None

        return wait_for(told, "the station answers")

    def open_sessions(self, rooms: Iterable[str]) -> dict[str, str]:
        """Opens a session in each room; room -> session id."""
        args = {"subject_ref": "P-1", "route": "iv"}
        results = self.tell(*(("open_session", room, args) for room in rooms))
        assert all(result.ok and result.recorded for result in results), results
        return {s.session.room: s.session.id for s in self.reader.open_sessions()}


@contextlib.contextmanager
def running(folder: Path, ward: Ward, *, store: Path | None = None) -> Iterator[Clinic]:
    """A ward and its program, both ended at the end."""
    ward.start()
    clinic = None
    try:
        clinic = Clinic(folder, ward, store=store)
        clinic.up()
        yield clinic
    finally:
        if clinic is not None:
            clinic.stop()
        ward.stop()


WATCH = """
room => {
  window.seen = {link: [document.body.dataset.link], states: []};
  const note = () => {
    window.seen.link.push(document.body.dataset.link);
    const number = document.querySelector(`[data-room=${room}] [data-channel=spo2]`);
    window.seen.states.push([Date.now() / 1000, number.dataset.state, number.textContent,
                             Number(number.dataset.atUs) / 1e6]);
  };
  note();
  new MutationObserver(note).observe(document.body,
    {attributes: true, childList: true, characterData: true, subtree: true});
}
"""


class Watch:
    """Follows a room's SpO2 on a page from now on; nothing on the screen escapes it."""

    def __init__(self, page: Page, room: str) -> None:
        self._page = page
        page.wait_for_selector(fresh(room))
        page.evaluate(WATCH, room)

    def seen(self) -> list[tuple[float, str, str, float]]:
        """(wall s, state, text, time of the sample in s) at every change of the page."""
        return [tuple(each) for each in self._page.evaluate("window.seen.states")]

    def always_live(self) -> bool:
        """Whether the number was never anything but fresh, and the page never lost its station."""
        links = set(self._page.evaluate("window.seen.link"))
        return links == {"live"} and {state for _, state, *_ in self.seen()} == {"fresh"}


def fresh(room: str) -> str:
    return f"[data-room={room}] [data-channel=spo2][data-state=fresh]"


def none(room: str) -> str:
    return f"[data-room={room}] [data-channel=spo2][data-state=none]"
