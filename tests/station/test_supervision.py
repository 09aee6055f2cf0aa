"""Whom the supervisor blames, and when."""

from __future__ import annotations

import asyncio
import http.server
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loop import run, until
from vitals import crash_report, supervisor
from vitals.config import Config, parse
from vitals.sd_notify import Manager
from vitals.supervised import AGAIN_S, GRACE_S, RETRY_S, SHORT_LIFE_S, Child
from vitals.supervisor import WEB_KILL_S, Supervisor, _health


def test_a_station_that_dies_again_and_again_is_silent_all_the_time(tmp_path: Path) -> None:
    alarm = tmp_path / "alarm.txt"
    code = f"import sys; open({str(alarm)!r}, 'w').write(sys.argv[1])"
    config = parse(
        f'[station]\nalarm_command = [{sys.executable!r}, "-c", """{code}"""]\n'
        '[[room]]\nid = "room-1"\n',
        path=tmp_path / "clinic.toml",
    )

    async def main() -> None:
        watched = Supervisor(config, tmp_path / "clinic.toml")
        watched.station.argv = watched.web.argv = [sys.executable, "-c", "raise SystemExit(2)"]
        task = asyncio.create_task(watched.run())
        await asyncio.sleep(0)
        watched.station.alive()
        end = time.monotonic() + 15
        while not (alarm.exists() and alarm.read_text()):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        assert watched.station.starts > 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert "silent" in alarm.read_text()


def test_a_child_has_grace_to_start_and_none_later() -> None:
    child = Child("station", [], 5.0, first_started=100.0, started=100.0)
    assert child.silent_s(100.0 + GRACE_S) == 0.0
    assert child.silent_s(100.0 + GRACE_S + 4) == 4.0
    child.heard = 200.0
    assert child.silent_s(203.0) == 3.0
    child.started = 202.0
    assert child.silent_s(204.0) == 4.0, "a new start is no sign of life"


def test_what_has_started_once_is_not_waited_for_so_long_when_it_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    child = Child("station", [], 5.0, first_started=100.0, started=100.0)
    running = property(lambda self: 1)
    monkeypatch.setattr(Child, "pid", running)
    assert child.hung_s(100.0 + GRACE_S) == 0.0, "its first start"
    now[0] = 102.0
    child.alive()
    child.healthy, child.started = False, 200.0  # killed, and started again
    assert child.hung_s(200.0 + AGAIN_S) == 0.0
    assert child.hung_s(200.0 + AGAIN_S + 6) == 6.0, "it hangs as it starts"
    slow = Child("station", [], 5.0, started=72.0)
    slow.alive()
    assert slow.grace_s == GRACE_S, "a slow computer has more of it, and never more than at first"


def test_a_supervisor_that_was_stopped_itself_blames_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse('[[room]]\nid = "room-1"\n', path=tmp_path / "clinic.toml")
    watched = Supervisor(config, tmp_path / "clinic.toml")
    judged: list[float] = []

    async def judge(now: float) -> None:
        judged.append(now)

    monkeypatch.setattr(watched, "_judge", judge)
    times = iter([1000.0, 1012.0, 1012.1, 1012.2])
    monkeypatch.setattr(supervisor, "_now", lambda: next(times))
    monkeypatch.setattr(supervisor, "WATCH_S", 0.0)
    watched.station.heard = 999.9

    async def main() -> None:
        with pytest.raises(RuntimeError):  # the end of the times
            await watched._watch()

    asyncio.run(main())
    assert judged == [1012.1, 1012.2]
    assert watched.station.heard == 1012.0


@pytest.fixture
def foreign() -> Iterator[str]:
    """A server that is not ours: it answers everything with its own page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/healthz"
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_programs_answer_is_not_our_webs_health(
    foreign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _health(foreign) == {}
    monkeypatch.setenv("http_proxy", foreign)
    assert _health("http://127.0.0.1:9/healthz") == {}


SLEEP = [sys.executable, "-c", "import sys; sys.stdin.read()"]
"""Lives until its lifeline is cut."""


def clinic(folder: Path, code: str = "", mode: str = "real") -> Config:
    """A config whose alarm command runs `code`, with the sentence in `sys.argv[1]`."""
    command = f'[{sys.executable!r}, "-c", """{code}"""]' if code else "[]"
    return parse(
        f'[station]\nmode = "{mode}"\nalarm_command = {command}\n[[room]]\nid = "room-1"\n',
        path=folder / "clinic.toml",
    )


def heard_at(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_it_sounds_again_and_again_until_the_station_is_heard(tmp_path: Path) -> None:
    sounds = tmp_path / "sounds.txt"
    code = f"import sys; open({str(sounds)!r}, 'a').write(sys.argv[1] + chr(10))"

    async def main() -> None:
        watched = Supervisor(clinic(tmp_path, code, "demo"), tmp_path / "c.toml", sound_s=0.05)
        watched.station.heard = 100.0
        now = 103.0
        await watched._judge(now)
        while len(heard_at(sounds)) < 3:
            await asyncio.sleep(0.01)
            now += 0.1
            await watched._judge(now)
        watched.station.heard, watched.station.healthy = now, True
        await watched._judge(now)
        await until(lambda: not watched._loudspeaker._wanted)
        before = len(heard_at(sounds))
        await asyncio.sleep(0.3)
        assert len(heard_at(sounds)) == before, "the station was heard"
        await watched._loudspeaker.close()

    run(main(), 60)
    first, *_, last = heard_at(sounds)
    assert first == "DEMO: the station has been silent for 3 s: watch the monitors"
    assert last.startswith("DEMO: the station has been silent for ")


@pytest.mark.parametrize(
    ("code", "said"),
    [("", "set station.alarm_command"), ("raise SystemExit(3)", "exit code 3")],
)
def test_a_sound_that_nobody_heard_is_said_once(
    tmp_path: Path, code: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        watched = Supervisor(clinic(tmp_path, code), tmp_path / "c.toml", sound_s=0.02)
        watched.station.heard = 100.0
        await watched._judge(103.0)
        await until(lambda: said in caplog.text, 30)
        await asyncio.sleep(0.2)
        await watched._loudspeaker.close()

    run(main(), 60)
    assert caplog.text.count("was not sounded") == 1


def test_a_child_that_dies_young_waits_longer_each_time_and_no_longer_than_the_most() -> None:
    child = Child("station", [], 5.0)
    waits = [child.back_off(0.1) for _ in range(8)]
    assert waits[:3] == [RETRY_S[0], RETRY_S[0] * 2, RETRY_S[0] * 4]
    assert waits[-1] == max(waits) == RETRY_S[1]
    assert child.back_off(SHORT_LIFE_S) == 0.0, "a long life is followed by another at once"
    assert child.back_off(0.1) == RETRY_S[0]


class Told(Manager):
    """What systemd would be told."""

    def __init__(self) -> None:
        super().__init__("somewhere", 3.0)
        self.lines: list[str] = []

    def _send(self, line: str) -> None:
        self.lines.append(line)


def test_systemd_is_told_how_it_goes(tmp_path: Path) -> None:
    told = Told()
    watched = Supervisor(clinic(tmp_path), tmp_path / "c.toml", manager=told)

    async def main() -> None:
        watched.station.heard = watched.web.heard = watched.station.first_started = 100.0
        watched.station.healthy = watched.web.healthy = True
        await watched._judge(100.1)
        assert told.lines == [], "not ready yet"
        watched._ready = True
        await watched._judge(100.2)
        watched.web.heard = 104.0
        await watched._judge(104.0)
        watched.station.heard = 200.0
        await watched._judge(104.0 + WEB_KILL_S + 1)
        watched.web.heard = 200.0
        await watched._judge(200.0)
        await watched._loudspeaker.close()

    run(main())
    assert told.lines == [
        "READY=1",
        f"STATUS=pages at {watched.url}",
        "STATUS=the station is silent: watch the monitors",
        "STATUS=the pages do not answer; the station goes on",
        f"STATUS=pages at {watched.url}",
    ]


def test_a_start_that_takes_for_ever_does_not_get_the_supervisor_replaced(tmp_path: Path) -> None:
    told = Told()
    watched = Supervisor(clinic(tmp_path), tmp_path / "c.toml", manager=told)

    async def main() -> None:
        watched.station.first_started = 100.0
        await watched._judge(100.0 + GRACE_S)
        assert told.lines == []
        await watched._judge(100.1 + GRACE_S)
        await watched._loudspeaker.close()

    run(main())
    assert told.lines == ["READY=1"]


def test_signs_of_life_go_out_and_the_station_is_first_to_start_and_last_to_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, order = Told(), list[str]()
    stop = Child.stop

    async def stopped(child: Child) -> None:
        await stop(child)
        order.append(f"{child.name} stopped")

    monkeypatch.setattr(Child, "stop", stopped)
    watched = Supervisor(clinic(tmp_path), tmp_path / "c.toml", manager=told)
    watched.station.argv = watched.web.argv = SLEEP

    async def main() -> None:
        task = asyncio.create_task(watched.run())
        await until(lambda: watched.station.pid and watched.web.pid, 30)
        await until(lambda: told.lines.count("WATCHDOG=1") > 1, 30)
        assert watched.station.started <= watched.web.started
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with caplog.at_level("INFO"):
        run(main(), 90)
    assert order == ["web stopped", "station stopped"]
    assert told.lines[0] == "STATUS=starting"
    assert told.lines[-1] == "STOPPING=1"
    started = [line for line in caplog.messages if " started, process " in line]
    assert [line.split()[0] for line in started] == ["station", "web"]


def test_a_child_that_was_killed_leaves_a_crash_report(tmp_path: Path) -> None:
    watched = Supervisor(clinic(tmp_path), tmp_path / "c.toml")
    watched.station.argv = watched.web.argv = SLEEP
    folder = crash_report.folder_of(tmp_path / "vitals.db")

    async def main() -> None:
        task = asyncio.create_task(watched.run())
        await until(lambda: watched.station.pid and watched.web.pid, 30)
        assert watched.station.process is not None
        watched.station.process.kill()
        await until(lambda: list(folder.glob("*.json")), 30)
        await until(lambda: watched.station.starts == 2 and watched.station.pid, 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main(), 120)
    (report,) = folder.glob("*.json")
    assert '"ended": "signal SIGKILL"' in report.read_text()
    assert "-station-" in report.name


def test_a_child_that_hangs_is_asked_where_before_it_is_killed(tmp_path: Path) -> None:
    child = Child("station", SLEEP, 5.0)

    async def main() -> None:
        process = await child.start()
        child.heard, child.healthy = 1.0, True
        assert child.hung_s(7.0) == 6.0
        await child.kill(7.0)
        # a child that does not know the question ends by it
        assert await process.wait() in (-9, -(crash_report.SHOW_FRAMES or 9))
        assert child.hung
        assert child.hung_s(20.0) == 0.0, "it is dead"
        await child.start()
        assert not child.hung
        await child.stop()

    run(main(), 60)


def test_what_hangs_after_a_long_life_does_not_wait_to_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived: list[float] = []

    def back_off(child: Child, lived_s: float) -> float:
        lived.append(lived_s)
        return 0.0

    async def main() -> None:
        monkeypatch.setattr(Child, "back_off", back_off)
        watched = Supervisor(clinic(tmp_path), tmp_path / "c.toml")
        child = watched.station
        child.argv = SLEEP
        keeping = asyncio.create_task(watched._keep(child))
        for _ in range(2):
            await until(lambda: child.starts == len(lived) + 1, 30)
            child.alive()
            await asyncio.sleep(0.5)
            ended = len(lived)
            await child.kill(time.monotonic())
            await until(lambda: len(lived) > ended, 30)  # noqa: B023 - read before it changes
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await child.stop()

    run(main(), 60)
    assert min(lived) >= 0.5, "from its start, not from when it was killed"
