"""`vitals central-demo`: a real PostgreSQL, two stations with simulated rooms, the central page.

Each station is what `vitals demo` runs, with its own record, pages and alarms, and a sender to one
PostgreSQL that lives in a folder of its own. Nothing is left when this process has ended.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulators.demo import Demo
from simulators.postgres import LocalPostgres
from vitals.central.connecting import load_psycopg
from vitals.page_port import free_port, open_page
from vitals.supervised import Child, vitals_argv

if TYPE_CHECKING:
    from vitals.central.stations import Login

log = logging.getLogger(__name__)

LOOK_S = 0.25
SEEDS_APART = 100
"""Between the patients of one station and those of the next."""


@dataclass(frozen=True, slots=True)
class Place:
    """A station of the demonstration."""

    id: str
    name: str
    site: str
    clinic: str


PLACES = (
    Place("harbour-1", "Ground floor", "North Shore", "Harbour clinic"),
    Place("vale-1", "Main house", "Vale", "Vale clinic"),
)


class CentralDemo:
    """Stations and the central page, on a PostgreSQL that runs.

    Attributes:
        stations: in the order of `PLACES`.
        url: of the central page.
    """

    def __init__(
        self, folder: Path, server: LocalPostgres, *, rooms: int, seed: int, speed: float, port: int
    ) -> None:
        """Makes the tables, who may write and read them, and everybody's config."""
        logins, viewer = _set_up(server)
        self.stations: list[Demo] = []
        for index, (place, login) in enumerate(zip(PLACES, logins, strict=True)):
            own = folder / place.id
            own.mkdir()
            self.stations.append(
                Demo(
                    own,
                    rooms=rooms,
                    seed=seed + SEEDS_APART * index,
                    speed=speed,
                    story=None,
                    port=free_port(0),
                    station=place.id,
                    more=_central(own, server, login) + "\n",
                )
            )
        config = folder / "central.toml"
        pages = f'folder = "central"\n\n[web]\nport = {port}\n'
        config.write_text(_central(folder, server, viewer) + pages, encoding="utf-8")
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._page = Child("central", vitals_argv("central", "--config", str(config)), 0.0)

    async def run(self, on_ready: Callable[[list[str]], None]) -> None:
        """Runs until cancelled; told the central address, then the stations' own."""
        up: list[asyncio.Future[str]] = [asyncio.Future() for _ in self.stations]
        try:
            async with asyncio.TaskGroup() as tasks:
                for station, ready in zip(self.stations, up, strict=True):
                    tasks.create_task(station.run(ready.set_result))
                tasks.create_task(self._keep())
                tasks.create_task(self._say(up, on_ready))
        finally:
            await self._page.stop()

    async def _keep(self) -> None:
        """Starts the central page again and again, as systemd would."""
        while True:
            process = await self._page.start()
            code = await process.wait()
            log.error("the central page ended with code %d: started again", code)
            await asyncio.sleep(self._page.back_off(0.0))

    async def _say(
        self, up: list[asyncio.Future[str]], on_ready: Callable[[list[str]], None]
    ) -> None:
        addresses = [await each for each in up]
        # another process: nothing here could wake us
        while not await asyncio.to_thread(self._answers):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        on_ready([self.url, *addresses])

    def _answers(self) -> bool:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2.0)
        try:
            line.request("GET", "/healthz")
            return bool(json.loads(line.getresponse().read())["link"] == "live")
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return False  # it is starting
        finally:
            line.close()


def _set_up(server: LocalPostgres) -> tuple[list[Login], Login]:
    """Tables, one login a station, and one that reads."""
    import psycopg

    from vitals.central.migrate import migrate
    from vitals.central.stations import add_station, add_viewer

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        migrate(connection)
        logins = [
            add_station(connection, place.id, name=place.name, site=place.site, clinic=place.clinic)
            for place in PLACES
        ]
        return logins, add_viewer(connection, "demo")


def _central(folder: Path, server: LocalPostgres, login: Login) -> str:
    """The table of a config; the password stands in a file of its own."""
    secret = folder / "central.password"
    secret.touch(mode=0o600)
    secret.write_text(login.password, encoding="utf-8")
    dsn = json.dumps(server.dsn(login.role))
    return f'[central]\ndsn = {dsn}\npassword = "file:{secret.name}"\n'


@click.command("central-demo")
@click.option("--rooms", default=3, show_default=True, type=click.IntRange(1, 16))
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 120))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--port", type=click.IntRange(1, 65535), help="Of the central page [default: 8050].")
@click.option("--open/--no-open", "show", default=True, help="Open the page in the browser.")
def central_demo(rooms: int, speed: float, seed: int, port: int | None, show: bool) -> None:
    """Try the central view: PostgreSQL, two stations with simulated rooms. Ctrl-C ends it."""
    import os

    from vitals.process import LEVEL, log_to_stderr, run_until_signal
    from vitals.selfcheck import check_install

    check_install()
    load_psycopg()
    os.environ.setdefault(LEVEL, "WARNING")
    log_to_stderr("central-demo")

    def ready(addresses: list[str]) -> None:
        page, *stations = addresses
        click.echo(f"kap-vitals central demo: {page}")
        for place, address in zip(PLACES, stations, strict=True):
            click.echo(f"  station {place.id} ({place.site}, {place.clinic}): {address}")
        click.echo("Simulated patients. A staff aid, not a medical device. Ctrl-C ends it.")
        if show:
            open_page(page)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kap-vitals-")))
        server = stack.enter_context(LocalPostgres())
        made = CentralDemo(
            folder.resolve(), server, rooms=rooms, seed=seed, speed=speed, port=free_port(port)
        )
        run_until_signal(lambda: made.run(ready))
