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

from vitals import supervisor
from vitals.config import parse
from vitals.supervisor import GRACE_S, Child, Supervisor, _health


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
