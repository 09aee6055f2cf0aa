"""`vitals web` as a process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dashboard import cli_commands
from tests.dashboard.ward import wait_until
from tests.e2e.clinic import free_port
from vitals import cli

ROOT = Path(__file__).parents[2]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Starts the command and yields it with the address it printed; it always ends."""
    command = [sys.executable, "-m", "vitals.cli", "web", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as web:
        try:
            assert web.stdout is not None
            yield web, web.stdout.readline().strip()
        finally:
            web.kill()


def test_it_prints_its_address_and_answers_there_without_a_station(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    with running("--store", str(store), "--port", "0") as (web, address):
        assert address.startswith("http://127.0.0.1:")
        assert address.endswith("/")
        with urllib.request.urlopen(address + "healthz", timeout=10) as answer:  # noqa: S310
            health = json.load(answer)
        assert health["ok"]
        assert health["link"] == "stale"
        web.send_signal(signal.SIGTERM)
        assert web.wait(15) in (0, -signal.SIGTERM)


def test_host_and_port_come_from_the_config(tmp_path: Path) -> None:
    config = tmp_path / "clinic.toml"
    port = free_port()
    config.write_text(f'[web]\nhost = "localhost"\nport = {port}\n[[room]]\nid = "r1"\n')
    with running("--config", str(config)) as (_, address):
        assert address == f"http://127.0.0.1:{port}/"


def test_the_command_line_may_ask_for_any_port(tmp_path: Path) -> None:
    config = tmp_path / "clinic.toml"
    config.write_text('[web]\nport = 1\n[[room]]\nid = "r1"\n')
    with running("--config", str(config), "--port", "0") as (_, address):
        assert address.startswith("http://127.0.0.1:")
        assert address != "http://127.0.0.1:1/"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main(["web", *arguments])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_port_that_is_taken_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refused(capsys, "--store", str(tmp_path / "v.db"), "--port", port)
    assert f"port {port} cannot be used" in said
    assert said.count("\n") == 1


def test_a_host_that_others_can_reach_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "--store", str(tmp_path / "v.db"), "--host", "0.0.0.0")  # noqa: S104
    assert said.startswith("vitals: --host: ")
    assert "'0.0.0.0' is reachable from other computers" in said


def test_no_station_at_all_is_a_question_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--config" in refused(capsys)


def test_a_task_that_dies_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(_self: object) -> None:
        raise RuntimeError("the follower is broken")

    monkeypatch.setattr("vitals.follower.Follower.run", dies)
    listener = cli_commands.listen("127.0.0.1", 0)
    with pytest.raises(cli_commands.WebError, match="follower task has ended"):
        cli_commands.serve(tmp_path / "v.db.feed", tmp_path / "v.db", listener)
    assert listener.fileno() == -1, "its port is left open"


def test_no_answer_waits_for_an_acknowledgement() -> None:
    """asyncio switches Nagle's algorithm off only where the socket names its protocol."""
    with (
        cli_commands.listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()[:2]),
        listener.accept()[0] as accepted,
    ):
        assert accepted.proto == socket.IPPROTO_TCP


def test_the_feed_file_is_beside_the_store(tmp_path: Path) -> None:
    from tests.dashboard import ward

    store = tmp_path / "vitals.db"
    station = ward.Station(Path(f"{store}.feed"), [ward.room(1)]).start()
    try:
        with running("--store", str(store), "--port", "0") as (_, address):

            def link() -> str:
                with urllib.request.urlopen(address + "healthz", timeout=10) as answer:  # noqa: S310
                    word: str = json.load(answer)["link"]
                return word

            wait_until(lambda: link() == "live")
    finally:
        station.stop()
