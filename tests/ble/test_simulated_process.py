"""Simulated Bluetooth in another process: HCI over TCP, the `ble-sim` scheme, plug, command."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from devices import registry
from devices.driver import Driver, Event
from devices.gatt import HEART_RATE
from devices.keeper import Keeper
from simulators import ble
from simulators.ble.back_end import backends
from simulators.ble.device import BleDevice, GattMonitor
from simulators.ble.endpoint import Air, BleEndpoint
from simulators.ble.hci_tcp import RadioServer, dial
from simulators.ble.radio import Radio
from simulators.ble.transport import connect, parts
from simulators.demo import Demo
from simulators.patient import Patient
from tests.ble.wards import Heard
from tests.loop import run, until
from vitals.cli import main as command
from vitals.clock import ManualClock
from vitals.errors import ConfigError, InstallError, TransportError
from vitals.model import Link, Numeric


class Station:
    """What a keeper reports."""

    def __init__(self, driver: Driver, url: str) -> None:
        self.links: list[Link] = []
        self.numerics: list[Numeric] = []
        self.keeper = Keeper(
            "d",
            driver,
            url,
            ManualClock(1_800_000_000_000_000),
            self._events,
            self.links.append,
            connect,
            back_off_s=(0.01, 0.05),
        )

    def _events(self, events: list[Event]) -> None:
        self.numerics += [event for event in events if isinstance(event, Numeric)]

    async def __aenter__(self) -> Station:
        self._task = asyncio.create_task(self.keeper.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def state(self) -> str:
        return self.links[-1].state if self.links else ""


@pytest.fixture
def air() -> Iterator[Air]:
    with Air() as made:
        yield made


def strap_on(air: Air, patient: Patient) -> BleEndpoint:
    return BleEndpoint(GattMonitor(registry.get("ble-heart-rate"), patient), air)


def beat(patient: Patient, endpoint: BleEndpoint, seconds: float) -> None:
    """What a bedside does in this time."""
    patient.advance(seconds)
    endpoint.monitor.receive(endpoint.read())
    endpoint.write(endpoint.monitor.advance(seconds))


def test_two_stations_use_the_same_air_and_each_vanishes_with_its_connection() -> None:
    async def main() -> None:
        radio = Radio()
        server = RadioServer(radio)
        port = await server.start("127.0.0.1", 0)
        monitor = GattMonitor(registry.get("ble-heart-rate"), Patient(1))
        strap = BleDevice(radio, monitor, "C0:00:00:00:00:01", interval_ms=20)
        await strap.start()
        one, other = await dial("127.0.0.1", port), await dial("127.0.0.1", port)
        heard = Heard()
        scanner, client = backends(one)
        found = await BleakScanner.find_device_by_address(strap.address, backend=scanner)
        connected = BleakClient(found, backend=client)
        await connected.connect()
        await connected.start_notify(HEART_RATE, heard)
        await strap.peripheral.send(HEART_RATE, b"x")
        await until(lambda: heard.data == [b"x"])

        await one.close()  # killed: it does not even say goodbye
        await until(lambda: not strap.peripheral.connected)
        assert not connected.is_connected
        scanner, client = backends(other)
        found = await BleakScanner.find_device_by_address(strap.address, backend=scanner)
        async with BleakClient(found, backend=client) as connected:
            assert connected.is_connected
            await server.stop()
            await until(lambda: not connected.is_connected)
        with pytest.raises(BleakError):
            await BleakClient(found, backend=client).connect()
        await strap.stop()
        await other.close()

    run(main())


def test_a_keeper_streams_over_tcp_and_comes_back_after_a_fade(
    air: Air, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.ble.endpoint.SUPERVISION_S", 0.05)
    patient = Patient(1)
    endpoint = strap_on(air, patient)

    async def main() -> None:
        async with Station(registry.get("ble-heart-rate"), endpoint.url) as station:

            async def streams() -> None:
                before = len(station.numerics)
                async with asyncio.timeout(15):
                    while len(station.numerics) < before + 3:
                        beat(patient, endpoint, 1.0)
                        await asyncio.sleep(0.02)
                assert station.state == "streaming"
                assert station.numerics[-1].value == pytest.approx(patient.value("hr"), abs=3)

            await streams()
            endpoint.unplug()
            await until(lambda: station.state != "streaming")
            endpoint.replug()
            await streams()

    try:
        run(main())
    finally:
        endpoint.stop()
        endpoint.stop()  # as the bedside and the command both do


def test_a_keeper_says_that_no_simulator_runs_and_finds_it_when_it_does() -> None:
    with Air() as air:
        port = air.port
    patient = Patient(1)
    url = f"ble-sim://127.0.0.1:{port}/C0:00:00:00:00:01"

    async def main() -> None:
        async with Station(registry.get("ble-heart-rate"), url) as station:
            await until(lambda: station.state == "lost")
            assert "no simulator answers" in station.links[-1].detail
            with Air(port=port) as air:
                endpoint = strap_on(air, patient)
                async with asyncio.timeout(15):
                    while station.state != "streaming":
                        beat(patient, endpoint, 1.0)
                        await asyncio.sleep(0.02)
                endpoint.stop()
            await until(lambda: station.state == "lost", 15)

    run(main(), 40)


@pytest.mark.parametrize(
    "url", ["ble-sim://", "ble-sim://127.0.0.1", "ble-sim://h:x/C0", "ble-sim://h:1/"]
)
def test_a_wrong_url_is_one_sentence_that_says_what_to_do(url: str) -> None:
    with pytest.raises(TransportError, match="vitals simulate"):
        parts(url)


def test_without_bumble_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.ble.importlib.util.find_spec", lambda name: None)
    assert not ble.installed()
    with pytest.raises(InstallError, match=r"kap-vitals\[sim\]"):
        ble.require()


def test_the_package_and_the_commands_load_no_bumble() -> None:
    program = (
        "import sys, simulators.ble, simulators.cli_commands, simulators.demo, "
        "simulators.ble.transport; print([m for m in sys.modules if m.startswith('bumble')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigError, match="choose another port"),
    ):
        Air(port=taken.getsockname()[1])


def test_the_command_prints_a_url_by_which_a_station_reads_the_device() -> None:
    args = [sys.executable, "-m", "vitals.cli", "simulate", "ble-plx", "--ble", "--seed", "3"]
    with subprocess.Popen(
        args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'driver = "ble-plx"\n'
        found = re.fullmatch(r'url = "(.+)"\n', process.stdout.readline())
        assert found is not None

        async def main() -> None:
            async with Station(registry.get("ble-plx"), found[1]) as station:
                await until(lambda: any(n.channel == "spo2" for n in station.numerics), 15)

        try:
            run(main())
        finally:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=15)
    assert process.returncode == 0
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nonin-df2", "--ble"], "no Bluetooth device"),
        (["ble-plx", "--pty", "link"], "has no cable"),
        (["ble-plx", "--tcp", "nowhere"], "HOST:PORT"),
    ],
)
def test_what_does_not_go_together_is_refused(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command(["simulate", *args])
    assert left.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("rooms", "on_air"), [(1, []), (3, ["room-3"])])
def test_the_last_room_of_the_demo_is_on_bluetooth(
    rooms: int, on_air: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.ble.installed", lambda: True)
    made = Demo(tmp_path, rooms=rooms, seed=1, speed=1.0, story=None, port=8050)
    try:
        urls = {room.id: [end.url for end in room.bedside.endpoints] for room in made.rooms}
        assert [room for room, found in urls.items() if "ble-sim" in found[0]] == on_air
        assert all(json.dumps(url) in made.config_path.read_text() for url in urls["room-1"])
        for room in made.rooms:
            room.bedside.advance(0.1)
    finally:
        made.stop()


def test_the_demo_stays_on_cables_where_bluetooth_cannot_be_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.ble.installed", lambda: False)
    made = Demo(tmp_path, rooms=2, seed=1, speed=1.0, story=None, port=8050)
    try:
        assert "ble-sim" not in made.config_path.read_text()
    finally:
        made.stop()
