"""`vitals simulate`: what it prints, what it serves, and how it refuses."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import serial

from devices import registry
from devices.driver import Chunk
from devices.hl7 import Frames, answer, parse
from simulators.cli_commands import _told
from simulators.demo import Demo
from simulators.faults import KINDS, LineFault
from tests.simulators.bed import numerics
from vitals.cli import main
from vitals.errors import ConfigError


def values_from(url: str, driver: str) -> list[float | None]:
    """SpO2 as a station would get it, for as long as that takes (10 s at most)."""
    decoder = registry.get(driver).decoder("d")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        # A terminal that was readable and has nothing is an error to pyserial: opened again.
        with (
            contextlib.suppress(serial.SerialException),
            serial.serial_for_url(url.removeprefix("serial://"), timeout=0.05) as port,
        ):
            while time.monotonic() < deadline:
                port.write(decoder.due(time.monotonic_ns() // 1000))
                data = port.read(max(1, port.in_waiting))
                events = decoder.feed(Chunk(data, time.monotonic_ns() // 1000))
                if found := numerics(events, "spo2"):
                    return [e.value for e in found]
    return []


@pytest.mark.parametrize(
    ("driver", "where"),
    [("nonin-df2", "pty"), ("dinamap", "tcp"), ("contec-v7", "pty")],
)
def test_a_simulated_monitor_can_be_read_until_it_is_stopped(
    driver: str, where: str, tmp_path: Path
) -> None:
    link = tmp_path / "monitor"
    plug = ["--pty", str(link)] if where == "pty" else ["--tcp", "127.0.0.1:0"]
    command = [sys.executable, "-m", "vitals.cli", "simulate", driver, *plug, "--seed", "3"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f'driver = "{driver}"\n'
            found = re.fullmatch(r'url = "(.+)"\n', process.stdout.readline())
            assert found is not None
            assert values_from(found[1], driver)[0] in (95, 96, 97, 98, 99)
        finally:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Ctrl-C stops it" in said
    assert not os.path.lexists(link)


def test_sigterm_leaves_nothing_behind(tmp_path: Path) -> None:
    link = tmp_path / "monitor"
    command = [sys.executable, "-m", "vitals.cli", "simulate", "nonin-df2", "--pty", str(link)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0
    assert not os.path.lexists(link)


def test_it_stops_after_its_seconds_and_logs_the_wire(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "wire.log"
    link = tmp_path / "m"
    main(f"simulate nonin-df2 --pty {link} --speed 20 --seconds 0.3 --log {log}".split())
    assert f'url = "serial://{link}"' in capsys.readouterr().out
    lines = log.read_text().splitlines()
    assert lines
    assert all(re.fullmatch(r"\d+\.\d{3} nonin-df2 device( [0-9a-f]{2})+", s) for s in lines)
    assert float(lines[-1].split()[0]) == pytest.approx(6, abs=3)


def test_the_scenario_may_be_a_file_and_the_line_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = tmp_path / "mine.toml"
    story.write_text('description = "my own story"\nroute = "iv"\n')
    main(
        f"simulate nonin-df2 --tcp 127.0.0.1:0 --scenario {story} --route im --seconds 0 "
        "--fault stall:1 --fault bit-flip".split()
    )
    said = capsys.readouterr()
    assert "my own story" in said.err
    assert 'url = "socket://127.0.0.1:' in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nonin-asci", 'did you mean "nonin-ascii"'),
        ("hl7-oru", "name its port with --tcp"),
        ("hl7-oru --pty x", "name its port with --tcp"),
        ("hl7-oru --tcp no.such.host.invalid:2575", "there is no host"),
        ("nonin-df2 --fault swap", "`vitals demo` has them"),
        ("nonin-df2 --fault reboot:0", "times a minute"),
        ("nonin-df2 --scenario desaturatio", 'did you mean "desaturation"'),
        ("nonin-df2 --scenario none.toml", "cannot be read"),
        ("nonin-df2 --tcp nowhere", "HOST:PORT"),
        ("nonin-df2 --tcp 127.0.0.1:99999", "HOST:PORT"),
        ("nonin-df2 --tcp 127.0.0.1:0 --pty x", "choose one"),
        ("nonin-df2 --pty /no/such/folder/x", "cannot be made"),
        ("nonin-df2 --fault noisy", 'did you mean "noise"'),
        ("nonin-df2 --fault noise:often", "how often a minute"),
        ("nonin-df2 --log /no/such/folder/x", "log cannot be written"),
        ("nonin-df2 --speed 0", "--speed"),
        ("nonin-df2 --route oral", "--route"),
        ("nonin-df2 --seed many", "--seed"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["simulate", *arguments.split()])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert says in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_the_help_lists_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    main(["simulate", "--help"])
    said = capsys.readouterr().out
    for kind, does in KINDS.items():
        assert re.search(rf"^ +{kind} +{re.escape(does)}$", said, re.MULTILINE)


def test_an_hl7_monitor_dials_the_station_and_says_what_was_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    messages: list[bytes] = []

    def station(listening: socket.socket) -> None:
        gateway, _ = listening.accept()
        frames = Frames()
        with gateway, contextlib.suppress(ConnectionError):  # it may hang up on an answer
            while data := gateway.recv(65_536):
                for piece in frames.feed(data):
                    message = parse(piece) if isinstance(piece, bytes) else None
                    assert message is not None
                    messages.append(data)
                    gateway.sendall(answer(message, "", 0))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=station, args=(listening,))
        thread.start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        main(f"simulate hl7-oru --tcp {address} --speed 20 --seconds 0.6".split())
        thread.join()
    said = capsys.readouterr()
    assert said.out == f'driver = "hl7-oru"\nurl = "mllp-listen://{address}"\n'
    took = re.search(r"The station took (\d+) messages and refused 0\.", said.err)
    assert took is not None
    assert 3 <= int(took[1]) <= len(messages)


def test_what_fails_later_leaves_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConfigError("no bed is free")

    monkeypatch.setattr("simulators.cli_commands.Bedside", refuse)
    with pytest.raises(SystemExit):
        main(["simulate", "nonin-df2", "--pty", str(tmp_path / "m")])
    assert list(tmp_path.iterdir()) == []


def test_the_scenarios_own_dose_and_the_callers_route_stand(tmp_path: Path) -> None:
    story = tmp_path / "mine.toml"
    story.write_text('dose_at_s = 30\nroute = "iv"\n')
    told = _told(str(story), "im", 60)
    assert (told.dose_at_s, told.route) == (30, "im")
    told = _told("calm", None, 60)
    assert (told.dose_at_s, told.route) == (60, None)


def test_the_demo_swaps_monitors_and_spoils_lines_when_asked(tmp_path: Path) -> None:
    made = Demo(
        tmp_path,
        rooms=1,
        seed=1,
        speed=1.0,
        story="calm",
        port=8050,
        faults=[LineFault("reboot", 6)],
        swaps_per_minute=6,
    )
    (room,) = made.rooms
    try:
        names = set()
        for _ in range(600):
            room.bedside.advance(0.1)
            names.add(room.bedside.endpoints[0].monitor.name)
        assert names == {"nonin-df2", "dinamap"}
        assert any(end.monitor._line.reboots for end in room.bedside.endpoints)
    finally:
        room.bedside.stop()


def test_a_fault_that_the_demo_does_not_know_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["demo", "--fault", "swaps"])
    assert left.value.code == 2
    assert "there is no fault" in capsys.readouterr().err
