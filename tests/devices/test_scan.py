"""Scanning: over real pseudo-terminals, and on a port that records what it is sent."""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner

from devices import line as line_of
from devices import ports, registry, scan
from devices.cli_commands import _devices
from devices.cli_commands import drivers as drivers_command
from devices.cli_commands import scan as scan_command
from devices.driver import BleSettings, Driver, Request, SerialSettings
from devices.keeper import Keeper
from devices.scan import Found, examine, serial_drivers
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.devices.decoding import FakePatient
from tests.devices.pty_port import PtyPort
from tests.devices.streams import DRIVERS, SERIAL, stream, usual
from tests.devices.uart import heard_on
from tests.loop import run, until
from vitals.clock import ManualClock, Now
from vitals.config import load
from vitals.errors import CommandError, ConfigError, TransportError
from vitals.model import US, Chunk, StartNibp, StopNibp

pytestmark = pytest.mark.long

QUICK = {"listen_s": 0.05, "reply_s": 0.01}
USUAL = SerialSettings()


# --- real pseudo-terminals --------------------------------------------------------------------


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One monitor of each kind, plugged in."""
    folder = tmp_path_factory.mktemp("ports")
    patient = Patient(seed=1)
    ends = [
        PtyEndpoint(SimulatedMonitor(registry.get(name), patient, seed=i), folder / name)
        for i, name in enumerate(SERIAL)
    ]
    with Bedside(patient, ends):
        yield folder


@pytest.fixture(scope="module")
def scanned(ward: Path) -> dict[str, dict[str, object]]:
    """What `vitals scan --json` finds there: port's name -> what is said of it."""
    done = CliRunner().invoke(
        scan_command, ["--port", f"{ward}/*", "--seconds", "6", "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0
    said = json.loads(done.stdout)["ports"]
    return {Path(port["url"].removeprefix("serial://")).name: port for port in said}


@pytest.mark.parametrize("name", SERIAL)
def test_every_simulated_monitor_is_found_by_its_fingerprint_alone(
    scanned: dict[str, dict[str, object]], name: str
) -> None:
    found = scanned[name]
    assert found["state"] == "found", found
    (fit,) = found["fits"]  # type: ignore[misc]  # JSON
    assert fit["driver"] == name
    # A pty has no speed, so it fits on the driver's own line and needs no line in its url.
    assert fit["url"] == found["url"]


def test_a_port_that_another_program_has_is_busy_and_names_it(port: PtyPort) -> None:
    with serial.Serial(str(port.link), exclusive=True):
        found = asyncio.run(examine(port.url, DRIVERS, **QUICK))
    assert found.state == "busy"
    assert f"process {os.getpid()}" in found.detail or "already open" in found.detail


def test_a_silent_port_is_asked_once_it_was_listened_to(port: PtyPort) -> None:
    found = asyncio.run(examine(port.url, DRIVERS, **QUICK))
    assert (found.state, found.asked, found.heard) == ("silent", True, 0)
    assert port.received()


def test_a_port_that_is_not_there_says_so() -> None:
    found = asyncio.run(examine("serial:///dev/nonexistent", DRIVERS, **QUICK))
    assert found.state == "failed"
    assert "plug the adapter in" in found.detail


# --- a port in the test's own hand ------------------------------------------------------------


@dataclass
class Bench:
    """A port that records what it is sent, on which line; `device` answers.

    Attributes:
        opened: the lines on which it was opened, in order.
        written: (line, bytes) of every write.
    """

    device: Callable[[SerialSettings, bytes], bytes]
    streaming: tuple[Chunk, ...] = ()
    sent: SerialSettings = USUAL

    def __post_init__(self) -> None:
        self.opened: list[SerialSettings] = []
        self.written: list[tuple[SerialSettings, bytes]] = []
        self.broken: TransportError | None = None
        self.refuses: dict[SerialSettings, TransportError] = {}

    async def connect(
        self,
        url: str,
        settings: SerialSettings | BleSettings | None,
        on_chunk: Callable[[Chunk], None],
        now: Now,
    ) -> _Plug:
        assert isinstance(settings, SerialSettings)
        if settings in self.refuses:
            raise self.refuses[settings]
        self.opened.append(settings)
        for chunk in heard_on(self.streaming, self.sent, settings):
            on_chunk(chunk)
        return _Plug(self, settings, on_chunk)


class _Plug:
    def __init__(
        self, bench: Bench, line: SerialSettings, on_chunk: Callable[[Chunk], None]
    ) -> None:
        self._bench, self._line, self._on_chunk = bench, line, on_chunk

    async def write(self, data: bytes) -> None:
        self._bench.written.append((self._line, data))
        if answer := self._bench.device(self._line, data):
            self._on_chunk(Chunk(answer, 0))

    async def lost(self) -> TransportError:
        if self._bench.broken is not None:
            return self._bench.broken
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        """Nothing is held."""


def look(bench: Bench, *, ask: tuple[Driver, ...] | None = None) -> Found:
    return asyncio.run(
        examine(
            "serial:///dev/x", DRIVERS, ask=ask, connect=bench.connect, now=ManualClock(), **QUICK
        )
    )


def mute(line: SerialSettings, data: bytes) -> bytes:
    return b""


# --- what may be sent -------------------------------------------------------------------------

FORBIDDEN = {
    "DINAMAP: start, cancel": (b" NC", b" ND"),
    "SunTech: start adult, child, neonate, set inflation": (b":\x20", b":\x87", b":\x28", b":\x17"),
    "SunTech: abort, pneumatics, sleep, reset, calibrate, stasis": (
        b":\x79\x01", b":\x0c", b":\x81", b":\x8a", b":\x04", b":\x86",
    ),
    "Nonin: set format, long form, set time, Bluetooth timeout": (
        b"\x02\x70", b"\x02\x72", b"\x02\x75",
    ),
    "Contec V7: stop, storage, user, delete, clock": tuple(
        bytes((0x7D, 0x81, command))
        for command in (0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xAB, 0xAE, 0xB0, 0xB1, 0xB2, 0xB6)
    ),
    "Contec V5: stored data, delete": (b"\xf5", b"\xf2"),
    "Nellcor N-595: dialogue mode": (b"\x03\x03",),
}  # fmt: skip
"""What each kind of monitor must never be sent by somebody who only looks."""


def everything_sent() -> bytes:
    """All that a scan of a silent port ever sends, on all lines, in order."""
    bench = Bench(mute)
    look(bench)
    assert bench.written
    return b"".join(data for _, data in bench.written)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_scan_never_sends(what: str) -> None:
    sent = everything_sent()
    for command in FORBIDDEN[what]:
        assert command not in sent, command


def commands_of(driver: Driver, request: Request) -> bytes:
    """What a driver sends for a request, by its own decoder."""
    decoder = driver.decoder("d")
    out, now_us = b"", 0
    while (data := decoder.due(now_us)) and now_us < 60 * US:  # what it says by itself
        now_us += US
    try:
        decoder.request(request, now_us)
    except CommandError:
        return b""
    for _ in range(50):
        out = decoder.due(now_us)
        if out and out not in driver.probe:
            return out
        now_us += US // 4
    return data


@pytest.mark.parametrize("driver", DRIVERS, ids=SERIAL)
@pytest.mark.parametrize("request_", [StartNibp(), StopNibp()], ids=["start", "stop"])
def test_no_probe_is_a_command_of_a_cuff(driver: Driver, request_: Request) -> None:
    command = commands_of(driver, request_)
    wanted = "start_nibp" if isinstance(request_, StartNibp) else "stop_nibp"
    assert bool(command) == (wanted in driver.can)
    if command:
        assert command not in everything_sent()
        assert all(command not in other.probe for other in DRIVERS)


@pytest.mark.parametrize("name", SERIAL)
def test_no_monitor_inflates_when_it_is_sent_all_probes(name: str) -> None:
    monitor = SimulatedMonitor(registry.get(name), Patient(seed=1))
    monitor.receive(everything_sent())
    monitor.advance(2.0)
    assert not monitor.inflating


def test_only_the_probes_of_the_drivers_are_ever_written_each_on_its_line() -> None:
    bench = Bench(mute)
    look(bench)
    allowed = {(d.settings, message) for d in DRIVERS for message in d.probe}
    assert set(bench.written) == allowed


def test_a_format_that_the_oximeter_keeps_is_not_among_the_probes() -> None:
    assert registry.get("nonin-df8").probe == ()


def test_a_monitor_that_talks_is_sent_nothing() -> None:
    bench = Bench(mute, stream("nonin-df2"))
    assert look(bench).state == "found"
    assert bench.written == []


# --- how it looks -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERIAL)
def test_a_talking_monitor_is_found_on_its_line(name: str) -> None:
    bench = Bench(mute, stream(name), usual(name))
    found = look(bench)
    assert found.state == "found", found
    assert [(fit.driver.name, fit.line) for fit in found.fits] == [(name, usual(name))]


def test_a_line_that_is_not_the_drivers_own_goes_into_the_url() -> None:
    odd = SerialSettings(4800, parity="O")
    found = look(Bench(mute, stream("contec-v5"), odd))
    (fit,) = found.fits
    assert (fit.driver.name, fit.line) == ("contec-v5", odd)
    url = line_of.with_line("serial:///dev/x", fit.line, fit.driver.settings)
    assert url == "serial:///dev/x?line=4800,8O1"
    assert line_of.of(url, fit.driver.settings) == ("serial:///dev/x", odd)


def test_a_silent_port_is_not_listened_to_on_every_line() -> None:
    bench = Bench(mute)
    look(bench)
    asked = {driver.settings for driver in DRIVERS if driver.probe}
    assert len(bench.opened) == 1 + len(asked)


@pytest.mark.parametrize("name", [d.name for d in DRIVERS if d.probe and d.name != "nellcor"])
def test_a_monitor_that_only_answers_is_found_by_asking(name: str) -> None:
    driver = registry.get(name)

    def device(line: SerialSettings, data: bytes) -> bytes:
        if line != driver.settings or data not in driver.probe:
            return b""
        patient = FakePatient(spo2=97, pr=71, nibp_sys=120, nibp_dia=80, nibp_map=94)
        if name == "contec-v5":
            return b"".join(data for _, data in driver.encode({"spo2": 97, "pr": 71}, ()))
        responder = driver.responder(patient)
        return responder.receive(data, 0) + responder.poll(US) + responder.poll(2 * US)

    found = look(Bench(device))
    assert [fit.driver.name for fit in found.fits] == [name], found
    assert found.asked


def test_a_port_that_sends_back_what_it_is_sent_is_no_monitor() -> None:
    found = look(Bench(lambda line, data: data))
    assert found.state == "silent", found
    assert "loop-back" in found.detail


def test_an_echo_before_the_answer_does_not_hide_it() -> None:
    driver = registry.get("dinamap")
    monitor = driver.responder(FakePatient(spo2=97, pr=71))

    def device(line: SerialSettings, data: bytes) -> bytes:
        return data + (monitor.receive(data, 0) if line == driver.settings else b"")

    assert [fit.driver.name for fit in look(Bench(device)).fits] == ["dinamap"]


def test_two_that_fit_equally_are_unclear() -> None:
    twin = replace(registry.get("nonin-df2"), name="another-df2")
    bench = Bench(mute, stream("nonin-df2"))
    found = asyncio.run(
        examine("serial:///dev/x", (*DRIVERS, twin), connect=bench.connect, **QUICK)
    )
    assert found.state == "unclear"
    assert [fit.driver.name for fit in found.fits] == ["another-df2", "nonin-df2"]


def test_text_of_another_machine_is_unknown_and_heard_on_one_line_only() -> None:
    bench = Bench(mute, (Chunk(b"another machine, 36.6 C\r\n" * 8, 0),))
    found = look(bench)
    assert found.state == "unknown"
    assert "9600 baud" in found.detail


def test_a_port_that_breaks_while_it_is_listened_to_says_why() -> None:
    bench = Bench(mute)
    bench.broken = TransportError("/dev/x was unplugged; plug it in again")
    found = look(bench)
    assert (found.state, found.detail) == ("failed", "/dev/x was unplugged; plug it in again")


def test_a_port_without_permission_is_told_apart() -> None:
    bench = Bench(mute)
    error = TransportError("may not")
    error.__cause__ = PermissionError(13, "Permission denied")
    bench.refuses = dict.fromkeys(scan.lines(DRIVERS), error)
    assert look(bench).state == "forbidden"


def test_a_line_that_the_port_cannot_be_set_to_is_left_out() -> None:
    bench = Bench(mute)
    error = TransportError("no")
    error.__cause__ = OSError(22, "Invalid argument")
    bench.refuses = {SerialSettings(19200, parity="O"): error}
    assert look(bench).state == "silent"


def test_the_lines_begin_with_the_most_common() -> None:
    tried = scan.lines(serial_drivers())
    assert tried[0] == SerialSettings(9600)
    assert {line.baudrate for line in tried} == {4800, 9600, 19200, 115200}
    assert len(tried) == len(set(tried))


# --- names of ports ---------------------------------------------------------------------------


@dataclass
class Adapter:
    device: str
    vid: int | None = 0x0403
    pid: int | None = 0x6001
    serial_number: str | None = None
    product: str | None = "FT232R USB UART"


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    """/dev, with one adapter that has both links."""
    for folder in ("by-id", "by-path"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id" / "usb-FTDI_A9047K6-if00").symlink_to(tmp_path / "ttyUSB0")
    (tmp_path / "by-path" / "pci-usb-0:2").symlink_to(tmp_path / "ttyUSB0")
    return tmp_path


def listed(usb: Path, **facts: str | None) -> ports.Port:
    info = Adapter(str(usb / "ttyUSB0"), **facts)  # type: ignore[arg-type]
    (port,) = ports.find(infos=[info], by_id=usb / "by-id", by_path=usb / "by-path")
    return port


def test_an_adapter_with_a_serial_number_is_called_by_it(usb: Path) -> None:
    port = listed(usb, serial_number="A9047K6")
    assert port.url == f"serial://{usb}/by-id/usb-FTDI_A9047K6-if00"
    assert port.note == ""
    assert port.usb == "0403:6001"
    assert "FTDI" in port.adapter


def test_one_without_a_serial_number_is_called_by_its_socket(usb: Path) -> None:
    port = listed(usb)
    assert port.url == f"serial://{usb}/by-path/pci-usb-0:2"
    assert "keep it in this USB socket" in port.note


def test_one_without_any_link_keeps_its_name_with_a_warning(usb: Path) -> None:
    for folder in ("by-id", "by-path"):
        next((usb / folder).iterdir()).unlink()
    port = listed(usb)
    assert port.url == f"serial://{usb}/ttyUSB0"
    assert "may change" in port.note


def test_a_link_of_somebodys_own_is_kept(usb: Path) -> None:
    (usb / "oximeter").symlink_to(usb / "ttyUSB0")
    (port,) = ports.find([str(usb / "oxi*")], infos=[], by_id=usb / "by-id", by_path=usb)
    assert port.url == f"serial://{usb}/oximeter"
    assert port.device == str(usb / "ttyUSB0")


def test_a_converter_is_named_by_its_url() -> None:
    (port,) = ports.find(["socket://10.0.0.5:4001"], infos=[])
    assert port.url == "socket://10.0.0.5:4001"


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="no port is called /dev/nope"):
        ports.find(["/dev/nope*"], infos=[])


# --- the line in a url ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["4800", "4800,8X1", "4800 8N1", "", "96,8N1"])
def test_a_line_that_is_written_wrongly_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no line; write for example"):
        line_of.of(f"serial:///dev/x?line={text}", SerialSettings())


def test_a_driver_without_a_serial_line_takes_none() -> None:
    with pytest.raises(ConfigError, match="uses no serial line"):
        line_of.of("serial:///dev/x?line=4800,8O1", None)


def test_other_urls_are_left_alone() -> None:
    url = "rfc2217://10.0.0.5:4001?ign_set_control"
    assert line_of.of(url, SerialSettings()) == (url, SerialSettings())


# --- what people read -------------------------------------------------------------------------


def test_what_is_printed_can_be_pasted_into_a_config(ward: Path) -> None:
    done = CliRunner().invoke(scan_command, ["--port", f"{ward}/nonin-df2"], catch_exceptions=False)
    assert "found" in done.stdout
    assert "nonin-df2 at 9600 8N1" in done.stdout
    pasted = done.stdout[done.stdout.index("  [[room.device]]") :]
    parsed = tomllib.loads(f'[[room]]\nid = "room-1"\n{pasted}')
    (device,) = parsed["room"][0]["device"]
    assert device["driver"] == "nonin-df2"
    assert device["url"] == f"serial://{ward}/nonin-df2"


def test_a_keeper_opens_the_port_on_the_line_that_its_url_says() -> None:
    opened: list[tuple[str, object]] = []

    async def connect(url: str, settings: object, on_chunk: object, now: Now) -> _Plug:
        opened.append((url, settings))
        raise TransportError("enough")

    async def main() -> None:
        keeper = Keeper(
            "d1",
            registry.get("contec-v5"),
            "serial:///dev/x?line=4800,8O1",
            ManualClock(),
            lambda events: None,
            lambda link: None,
            connect,
        )
        task = asyncio.create_task(keeper.run())
        await until(lambda: opened)
        task.cancel()
        await asyncio.wait([task])

    run(main())
    assert opened == [("serial:///dev/x", SerialSettings(4800, parity="O"))]


CONFIG = """
[[room]]
id = "room-1"
  [[room.device]]
  id = "cuff"
  driver = "suntech"
  url = "serial:///dev/ttyS1?line={line}"
  [[room.device]]
  id = "ox"
  driver = "nonin-df2"
  url = "serial:///dev/ttyS2"
"""


def test_a_config_with_a_wrong_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clinic.toml"
    path.write_text(CONFIG.format(line="4800"))
    with pytest.raises(ConfigError, match=r"device 'cuff': .*is no line"):
        _devices(load(path), path)


def test_the_station_knows_which_device_only_speaks_when_it_measures(tmp_path: Path) -> None:
    path = tmp_path / "clinic.toml"
    path.write_text(CONFIG.format(line="4800,8N1"))
    known = _devices(load(path), path)
    assert (known["cuff"].spot, known["ox"].spot) == (True, False)


def test_the_drivers_are_listed_with_their_own_alarm_and_mode() -> None:
    done = CliRunner().invoke(drivers_command, ["--json"], catch_exceptions=False)
    said = {driver["name"]: driver for driver in json.loads(done.stdout)}
    assert set(said) == set(registry.names())
    assert (said["suntech"]["mode"], said["suntech"]["can"]) == (
        "spot",
        ["start_nibp", "stop_nibp"],
    )
    assert said["dinamap"]["own_alarm"] == "yes"
    table = CliRunner().invoke(drivers_command, [], catch_exceptions=False).stdout
    assert "OWN ALARM" in table
    assert "MODE" in table
