"""A station behind a cable, a lossy stretch of network, and a PostgreSQL with TLS: for outages.

Each function makes one outage and says what came of it, as numbers against their bars.
"""

from __future__ import annotations

import contextlib
import random
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from dashboard import tls
from tests.central.cluster import Cluster, Database
from tests.central.lossy import Lossy
from tests.central.netns import Cable
from tests.central.remote import Remote, differences
from tests.e2e.clinic import wait_for
from tests.faults.reached import Number
from vitals.central import sender_state

LATE_MS = 100.0
"""From a sample that is out of its limits to the alarm at the station's pages."""
CATCH_UP_S = 20.0
HANGING_S = 30.0
"""What a sender waits for an answer on a connection that is otherwise well."""
_RECORDS = re.compile(r" vitals[^\n]* record LOG: +disconnection:[^\n]* port=(\d+)")
ALARMS = 2
"""Heard at least during every outage."""


@dataclass
class Scene:
    """Everything that runs."""

    cable: Cable
    cluster: Cluster
    database: Database
    way: Lossy
    remote: Remote
    pause: threading.Event = field(default_factory=threading.Event)

    def last(self, seconds: float) -> None:
        """Lets the present state last so long, and until values and alarms have come."""
        before, heard = self.remote.recorded(), len(self.remote.heard.late_ms)
        ends = time.monotonic() + seconds
        wait_for(
            lambda: (
                time.monotonic() >= ends
                and self.remote.recorded()[1] > before[1]
                and len(self.remote.heard.late_ms) >= heard + ALARMS
            ),
            f"values and {ALARMS} alarms are recorded at the station",
            seconds + 60,
        )


@contextlib.contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """A station that sends, and a centre that has received."""
    with contextlib.ExitStack() as stack:
        cable = stack.enter_context(Cable())
        says = {"log_line_prefix": "%m [%p] %u@%d %a ", "log_disconnections": "on"}
        cluster = stack.enter_context(Cluster(durable=True, settings=says))
        made = tls.make(folder / "tls", [cable.server], datetime.now(UTC))
        files = {
            name: cluster.put(path.name, path.read_bytes())
            for name, path in (("ssl_cert_file", made.cert), ("ssl_key_file", made.key))
        }
        for name, value in (*files.items(), ("ssl", "on")):
            cluster.run(f"ALTER SYSTEM SET {name} = '{value}'")
        cluster.run("SELECT pg_reload_conf()")
        database = stack.enter_context(cluster.fresh_database())
        way = stack.enter_context(Lossy(cable.listen(), ("127.0.0.1", cluster.port)))
        words = conninfo_to_dict(database.station("st-1"))
        dsn = f"host={cable.server} port={way.port} dbname={database.name} user={words['user']}"
        remote = stack.enter_context(Remote(folder, cable, dsn, str(words["password"]), made.ca))
        try:
            remote.wait_until_sent(database)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{remote.sender.log.read_text()[-3000:]}") from error
        yield Scene(cable, cluster, database, way, remote)


@dataclass(frozen=True)
class Outcome:
    """What came of an outage.

    Attributes:
        name: of it.
        numbers: all of them must be kept.
        said: what the sender said of it at the station.
        also: in words.
    """

    name: str
    numbers: tuple[Number, ...]
    said: str
    also: str

    def check(self) -> None:
        """Fails where a bar was missed."""
        missed = [str(number) for number in self.numbers if not number.bearable]
        assert not missed, f"{self.name}: {'; '.join(missed)} ({self.also})"


def _outcome(
    scene: Scene, name: str, alarms: int, said: str, behind_s: float, more_s: float = 0.0
) -> Outcome:
    caught_s = scene.remote.wait_until_sent(scene.database)
    wrong = differences(scene.remote, scene.database)
    late = scene.remote.heard.late_ms[alarms:]
    rows, values = scene.remote.counted()
    said = said.replace(scene.database.name, "kap").replace(scene.cable.server, "its server")
    return Outcome(
        name,
        (
            Number(f"differences in {rows:,} audit rows and {values:,} values", len(wrong), 0),
            Number(f"worst of {len(late)} local alarms", max(late), LATE_MS, "ms", busy=10),
            Number("everything is there after", caught_s, CATCH_UP_S + more_s, "s", busy=2),
        ),
        said,
        "; ".join([f"{behind_s:.0f} s", f"median alarm {statistics.median(late):.0f} ms", *wrong]),
    )


def _said(scene: Scene) -> str:
    """The sender's sentence, as it stands at the station."""
    state = sender_state.read(Path(f"{scene.remote.store}.sender"))
    assert state.state != "refused", f"nobody has to do anything: {state.sentence}"
    return state.sentence


def away(
    scene: Scene, name: str, begin: Callable[[], None], end: Callable[[], None], seconds: float
) -> Outcome:
    """The centre cannot be reached for a while."""
    wait_for(lambda: not _said(scene), "the sender has nothing to say", 60)
    alarms, began = len(scene.remote.heard.late_ms), time.monotonic()
    begin()
    try:
        scene.last(seconds)
        said = wait_for(lambda: _said(scene), "the sender says it", 60)
    finally:
        end()
    return _outcome(scene, name, alarms, said, time.monotonic() - began)


def nothing(scene: Scene, seconds: float) -> Outcome:
    """Nothing is wrong: what all others are compared with."""
    alarms = len(scene.remote.heard.late_ms)
    scene.last(seconds)
    return _outcome(scene, "none, for comparison", alarms, "-", seconds)


def link_down(scene: Scene, seconds: float) -> Outcome:
    """The plug is pulled."""
    return away(scene, "link down", scene.cable.pull, scene.cable.plug, seconds)


def blackhole(scene: Scene, seconds: float) -> Outcome:
    """Packets vanish; nobody is told."""
    return away(scene, "blackhole", scene.cable.swallow, scene.cable.deliver, seconds)


def server_killed(scene: Scene, seconds: float) -> Outcome:
    """All of PostgreSQL dies by kill -9, and is started again."""
    return away(scene, "server kill -9", scene.cluster.kill9, scene.cluster.start, seconds)


def answers_lost(
    scene: Scene, seconds: float, share: float, least: int, *, hang: float = 0.0
) -> Outcome:
    """A share of answers is lost; their connections are cut, or hang for a share of them.

    `least` of them are about what is recorded: these are what makes a row come twice.
    """
    alarms, before = len(scene.remote.heard.late_ms), len(scene.way.lost)

    def lost() -> list[int]:
        """Those of the connection that sends what is recorded."""
        records = set(map(int, _RECORDS.findall(scene.cluster.log)))
        return [port for port in scene.way.lost[before:] if port in records]

    scene.way.loss, scene.way.hang = share, hang
    try:
        scene.last(seconds)
        wait_for(lambda: len(lost()) >= least, f"{least} answers about records are lost", 180)
    finally:
        scene.way.loss = 0.0
    all_lost = len(scene.way.lost) - before
    made = _outcome(
        scene, f"{share:.0%} of all answers lost", alarms, "-", seconds, HANGING_S if hang else 0
    )
    return Outcome(made.name, made.numbers, "-", f"{all_lost} lost; {made.also}")


def _wait_for_an_answer_on_its_way(scene: Scene) -> None:
    """Until the server has stored values of which the sender has not heard yet."""
    with psycopg.connect(scene.database.admin, autocommit=True) as admin:

        def stored() -> int:
            row = admin.execute("SELECT coalesce(max(last_seq), 0) FROM kap.block").fetchone()
            return int(row[0]) if row else 0

        before, ends = stored(), time.monotonic() + 30
        while stored() == before:
            assert time.monotonic() < ends, "nothing was stored for 30 s"
            scene.pause.wait(0.002)


def killed(scene: Scene, what: str, times: int) -> Outcome:
    """`station`, or `sender`, dies by kill -9: every other time just before it hears an answer."""
    alarms, rng = len(scene.remote.heard.late_ms), random.Random(times)  # noqa: S311 - no secret
    began = time.monotonic()
    scene.way.delay_s = 0.1
    try:
        for number in range(times):
            scene.remote.mark(f"{what} {number}")
            if number % 2:
                scene.pause.wait(rng.uniform(0.0, 0.6))
            else:
                _wait_for_an_answer_on_its_way(scene)
            if what == "sender":
                scene.remote.sender.kill9()
                scene.remote.sender.start()
                scene.remote.wait_until_sent(scene.database)
            else:
                scene.remote.station.kill9()
                scene.remote.start_station()
    finally:
        scene.way.delay_s = 0.0
    scene.last(2)
    took = time.monotonic() - began
    made = _outcome(scene, f"{what} kill -9 × {times}", alarms, "-", took)
    assert scene.remote.sender.runs, "the sender has ended"
    return made
