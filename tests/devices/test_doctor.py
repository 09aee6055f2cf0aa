"""The doctor, in real situations: ports that are silent, busy, wrong; clocks, disks, stations."""

from __future__ import annotations

import asyncio
import grp
import http.server
import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner

from devices import check_computer, check_ports, check_station, doctor, registry
from devices.check import Check
from devices.cli_commands import doctor as command
from devices.fingerprint import Fit
from devices.scan import Found
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.devices.pty_port import PtyPort
from tests.feed.station import Station
from tests.loop import run
from tests.store.build import fill
from vitals import wire
from vitals.cli import main
from vitals.config import Config, DeviceConfig, load
from vitals.store.claim import Claim

pytestmark = pytest.mark.long

CLINIC = """
[station]
store = "vitals.db"
{station}
[web]
port = {port}
[[room]]
id = "room-1"
{devices}
"""


def clinic(
    folder: Path, *devices: tuple[str, str], station: str = "", port: int = 8050
) -> tuple[Path, Config]:
    """A config with devices (driver, url), named after their drivers."""
    rows = [
        f'[[room.device]]\nid = "d{i}"\ndriver = "{driver}"\nurl = "{url}"'
        for i, (driver, url) in enumerate(devices, 1)
    ]
    path = folder / "clinic.toml"
    path.write_text(CLINIC.format(station=station, port=port, devices="\n".join(rows)))
    return path, load(path)


def device(driver: str, url: str) -> DeviceConfig:
    return DeviceConfig(id="d1", driver=driver, url=url)


def looked(config: DeviceConfig, **more: object) -> Check:
    checks = asyncio.run(check_ports.device(config, **more))  # type: ignore[arg-type]
    return checks[-1]


# --- ports, over real pseudo-terminals --------------------------------------------------------


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("ports")
    patient = Patient(seed=1)
    names = ("nonin-df2", "masimo-ascii1", "suntech")
    ends = [
        PtyEndpoint(SimulatedMonitor(registry.get(name), patient, seed=i), folder / name)
        for i, name in enumerate(names)
    ]
    with Bedside(patient, ends):
        yield folder


def test_a_monitor_that_fits_is_well(ward: Path) -> None:
    check = looked(device("nonin-df2", f"serial://{ward}/nonin-df2"))
    assert check.level == "ok"
    assert "nonin-df2 fits" in check.text


def test_a_cuff_at_rest_is_well_as_it_answers(ward: Path) -> None:
    assert looked(device("suntech", f"serial://{ward}/suntech")).level == "ok"


def test_a_driver_that_does_not_fit_is_told_which_would(ward: Path) -> None:
    check = looked(device("nonin-df2", f"serial://{ward}/masimo-ascii1"))
    assert check.level == "fail"
    assert "looks like masimo-ascii1" in check.text


def test_a_busy_port_names_the_program(port: PtyPort) -> None:
    with serial.Serial(str(port.link), exclusive=True):
        check = looked(device("nonin-df2", port.url))
    assert check.level == "fail"
    assert "open" in check.text or "in use by" in check.text


def test_a_port_that_is_not_plugged_in_fails() -> None:
    check = looked(device("nonin-df2", "serial:///dev/nonexistent"))
    assert check.level == "fail"
    assert "plug the adapter in" in check.text


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    check = looked(device("nonin-df2", f"serial://{tmp_path}/x"))
    assert (check.level, "no serial port" in check.text) == ("fail", True)


def test_what_connects_by_itself_is_not_tried() -> None:
    check = looked(device("hl7-oru", "mllp-listen://127.0.0.1:2575"))
    assert (check.level, "not tried" in check.text) == ("ok", True)


# --- ports, as a look at them might end -------------------------------------------------------


def ended(found: Found, driver: str = "nonin-df2") -> Check:
    async def look(*_: object, **__: object) -> Found:
        return found

    return looked(device(driver, "socket://10.0.0.5:4001"), look=look)


def fit(name: str, *, sure: bool = True) -> Fit:
    driver = registry.get(name)
    settings = driver.settings
    assert settings is not None
    return Fit(driver, settings, 12, 1, sure)  # type: ignore[arg-type]  # serial, all of them


@pytest.mark.parametrize(
    ("found", "driver", "level", "word"),
    [
        (Found("silent", asked=True), "nonin-df2", "fail", "silent"),
        (Found("silent", asked=True), "suntech", "warn", "silent"),
        (Found("unknown", (), "masimo-ascii1: set it to ASCII 1"), "masimo-ascii1", "fail", "ASC"),
        (Found("unknown", (), "", 800), "nellcor", "fail", "800 bytes"),
        (Found("probably", (fit("nonin-df2", sure=False),)), "nonin-df2", "warn", "little"),
        (Found("found", (fit("dinamap"),)), "nonin-df2", "fail", "looks like dinamap"),
        (Found("forbidden", (), "may not"), "nonin-df2", "fail", "may not"),
        (
            Found("unclear", (fit("nonin-df2"), fit("nonin-df7"))),
            "dinamap", "fail", "looks like nonin-df2 or nonin-df7",
        ),
    ],
)  # fmt: skip
def test_each_end_of_a_look_says_what_to_do(
    found: Found, driver: str, level: str, word: str
) -> None:
    check = ended(found, driver)
    assert check.level == level
    assert word in check.text


def test_another_line_than_the_config_says_is_told_as_it_is_written() -> None:
    driver = registry.get("contec-v5")
    odd = Fit(driver, check_ports.lines([driver])[1], 90, 0, True)
    check = ended(Found("found", (odd,)), "contec-v5")
    assert (check.level, "?line=4800,8O1" in check.text) == ("fail", True)


# --- who may open a port ----------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "ttyUSB0"
    path.touch()
    path.chmod(0o660)
    return path


def refused(path: str, mode: int) -> bool:
    return False


def test_the_group_and_the_command_are_named(node: Path) -> None:
    group = grp.getgrgid(node.stat().st_gid).gr_name
    check = check_ports.permission("d1", str(node), user="anna", may=refused)
    assert check is not None
    assert check.level == "fail"
    assert f"`sudo usermod -aG {group} anna`, then log out and in" in check.text


def test_a_member_since_the_last_login_only_has_to_log_in_again(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gid = node.stat().st_gid
    fresh = grp.struct_group(("dialout", "x", gid, ["anna"]))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: fresh)
    check = check_ports.permission("d1", str(node), user="anna", may=refused, groups=[])
    assert check is not None
    assert "usermod" not in check.text
    assert "log out and in" in check.text


def test_a_port_of_its_owner_only_needs_a_rule(node: Path) -> None:
    node.chmod(0o600)
    check = check_ports.permission("d1", str(node), user="anna", may=refused)
    assert check is not None
    assert "udev rule" in check.text


def test_a_port_that_may_be_opened_is_no_check(node: Path) -> None:
    assert check_ports.permission("d1", str(node)) is None


def test_a_device_without_permission_is_not_opened(port: PtyPort) -> None:
    check = looked(device("nonin-df2", port.url), may=refused)
    assert check.level == "fail"
    assert "/dev/pts/" in check.text or str(port.link) in check.text


def test_a_name_that_may_change_is_warned_of(
    port: PtyPort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.path.realpath(port.link)
    folder = tmp_path / "by-id"
    folder.mkdir()
    (folder / "usb-FTDI_A9047K6").symlink_to(real)
    monkeypatch.setattr(check_ports, "BY_ID", folder)
    checks = asyncio.run(check_ports.device(device("nonin-df2", f"serial://{real}"), may=refused))
    assert [check.level for check in checks] == ["warn", "fail"]
    assert f"use serial://{folder}/usb-FTDI_A9047K6" in checks[0].text


def test_ports_without_a_config_are_only_asked_whether_they_may_be_opened(node: Path) -> None:
    assert [check.level for check in check_ports.listed([str(node)])] == ["ok"]
    assert [check.level for check in check_ports.listed([str(node)], may=refused)] == ["fail"]
    assert [check.level for check in check_ports.listed([])] == ["warn"]


# --- the computer -----------------------------------------------------------------------------


def test_this_installation_is_whole() -> None:
    assert check_computer.python().level == "ok"


def test_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["click>=8", "no-such-package>=1", 'pytest>=9; extra == "test"']
    monkeypatch.setattr(check_computer.metadata, "requires", lambda name: needs)
    check = check_computer.python()
    assert check.level == "fail"
    assert "no-such-package missing" in check.text


@pytest.mark.parametrize(("kept", "level"), [(True, "ok"), (False, "warn"), (None, "warn")])
def test_a_clock_that_nothing_keeps_right_is_warned_of(kept: bool | None, level: str) -> None:
    assert check_computer.clock(synchronised=lambda: kept).level == level


@pytest.mark.parametrize("year", [1970, 2000, 2099])
def test_a_clock_that_cannot_be_right_fails(year: int) -> None:
    check = check_computer.clock(lambda: datetime(year, 1, 1, tzinfo=UTC), lambda: True)
    assert check.level == "fail"
    assert f"{year}-01-01" in check.text


def test_the_system_is_asked_whether_the_clock_is_kept() -> None:
    assert check_computer._synchronised() in (True, False, None)
    if sys.platform == "linux":
        assert check_computer._adjtimex() is not None


def test_utc_is_warned_of_and_another_zone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        check = check_computer.time_zone()
        assert check.level == "ok"
        assert "UTC+0" in check.text
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
        assert check_computer.time_zone().level == "warn"
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


@pytest.mark.parametrize(
    ("free", "flush_s", "level"),
    [
        (50 << 30, 0.002, "ok"),
        (1 << 30, 0.002, "warn"),
        (100 << 20, 0.002, "fail"),
        (50 << 30, 0.08, "warn"),
        (50 << 30, 0.8, "fail"),
    ],
)
def test_a_full_or_slow_disk_is_told(tmp_path: Path, free: int, flush_s: float, level: str) -> None:
    check = check_computer.disk(tmp_path, lambda folder: free, lambda folder: [flush_s] * 5)
    assert check.level == level


def test_the_real_disk_is_measured_and_nothing_is_left_there(tmp_path: Path) -> None:
    check = check_computer.disk(tmp_path)
    assert "ms" in check.text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    check = check_computer.disk(tmp_path / "gone")
    assert check.level == "fail"


def test_a_computer_without_a_browser_is_warned_of() -> None:
    assert check_computer.browser(lambda name: None).level == "warn"
    assert check_computer.browser(lambda name: f"/usr/bin/{name}").level == "ok"


# --- the record -------------------------------------------------------------------------------


def test_a_record_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    check = check_station.store(config)
    assert (check.level, "will be made" in check.text) == ("ok", True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clinic.toml"]


def test_a_record_can_be_opened(tmp_path: Path) -> None:
    fill(tmp_path / "vitals.db")
    _, config = clinic(tmp_path)
    assert check_station.store(config).level == "ok"


def test_a_file_that_is_no_record_fails(tmp_path: Path) -> None:
    (tmp_path / "vitals.db").write_bytes(b"something else" * 400)
    _, config = clinic(tmp_path)
    assert check_station.store(config).level == "fail"


def test_a_record_of_another_station_is_told(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    claim = Claim(config.station.store)
    try:
        check = check_station.store(config)
    finally:
        claim.release()
    assert check.level == "warn"
    assert f"process {os.getpid()}" in check.text


# --- a running station ------------------------------------------------------------------------


def while_running(config: Config, does: Callable[[Station], None]) -> tuple[Check, list[Check]]:
    """What is said of a station that runs, and of its devices."""
    said: list[object] = []

    async def main() -> None:
        station = Station(config.feed_file)
        room = wire.RoomMsg(
            id="room-1", label="Room 1", devices=[wire.DeviceMsg(id="d1", driver="nonin-df2")]
        )
        station.hub.reset(wire.Snapshot(beat=wire.BeatMsg(now_us=1), rooms=[room]))
        does(station)
        async with station.server:
            check, snapshot = await check_station.station(config)
            said.append(check)
            said.append(check_station.links(snapshot) if snapshot else [])

    run(main())
    check, links = said
    assert isinstance(check, Check)
    assert isinstance(links, list)
    return check, links


def link(**facts: object) -> Callable[[Station], None]:
    def does(station: Station) -> None:
        facts_ = {"room": "room-1", "device": "d1", "at_us": 1} | facts
        station.hub.publish(wire.LinkMsg(**facts_))  # type: ignore[arg-type]

    return does


def test_no_station_is_no_fault(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    check, snapshot = asyncio.run(check_station.station(config))
    assert (check.level, snapshot) == ("ok", None)


def test_a_running_station_says_how_its_devices_are(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    check, (d1,) = while_running(config, link(state="streaming", rejected=3))
    assert check.level == "ok"
    assert (d1.name, d1.level) == ("d1", "ok")
    assert "3 refused" in d1.text


def test_a_device_that_is_lost_fails_with_the_reason(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    _, (d1,) = while_running(config, link(state="lost", detail="it was unplugged"))
    assert (d1.level, "it was unplugged" in d1.text) == ("fail", True)


def test_a_wrong_mode_comes_from_the_device_itself(tmp_path: Path) -> None:
    def does(station: Station) -> None:
        link(state="streaming")(station)
        station.hub.publish(
            wire.NoticeMsg(
                room="room-1", device="d1", at_us=2, code="wrong_mode", detail="set it to ASCII 1"
            )
        )

    _, config = clinic(tmp_path)
    _, (d1,) = while_running(config, does)
    assert (d1.level, d1.text) == ("fail", "set it to ASCII 1")


def test_a_station_that_does_not_record_fails(tmp_path: Path) -> None:
    def does(station: Station) -> None:
        station.hub.publish(wire.BeatMsg(now_us=1, recording=False, detail="the disk is full"))

    _, config = clinic(tmp_path)
    check, _ = while_running(config, does)
    assert check.level == "fail"
    assert "the disk is full" in check.text


def test_a_station_that_is_gone_though_its_file_is_there_fails(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    config.feed_file.write_text('{"port":1,"token":"x","pid":1,"v":1}')
    check, snapshot = asyncio.run(check_station.station(config))
    assert (check.level, snapshot) == ("fail", None)


# --- pages ------------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Callable[[bytes], int]]:
    """Serves one answer on a free port, which is returned."""
    servers: list[http.server.HTTPServer] = []

    def serve(answer: bytes) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ({"link": "live"}, "ok"),
        ({"link": "stale", "trouble": "no station is running"}, "fail"),
        ({"hello": "printer"}, "fail"),
    ],
)
def test_pages_are_asked_how_they_are(
    tmp_path: Path, served: Callable[[bytes], int], answer: dict[str, str], level: str
) -> None:
    _, config = clinic(tmp_path, port=served(json.dumps(answer).encode()))
    assert check_station.web(config, expected=True).level == level


def test_no_pages_are_a_fault_only_beside_a_running_station(tmp_path: Path) -> None:
    _, config = clinic(tmp_path, port=1)
    assert check_station.web(config, expected=False).level == "ok"
    assert check_station.web(config, expected=True).level == "fail"


# --- sound and escalation ---------------------------------------------------------------------


def sound(folder: Path, program: str, *, play: bool = False) -> Check:
    _, config = clinic(folder, station=f"alarm_command = {json.dumps([program])}")
    return asyncio.run(check_station.sound(config, play=play))


def script(folder: Path, text: str) -> str:
    path = folder / "sound.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_no_sound_at_all_is_warned_of(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    assert asyncio.run(check_station.sound(config, play=False)).level == "warn"


def test_a_program_that_is_not_there_fails(tmp_path: Path) -> None:
    assert sound(tmp_path, "no-such-program").level == "fail"


def test_the_sound_is_made_only_when_asked_for(tmp_path: Path) -> None:
    program = script(tmp_path, f'echo "$1" > {tmp_path}/said')
    assert "--sound" in sound(tmp_path, program).text
    assert not (tmp_path / "said").exists()
    assert "did you hear it" in sound(tmp_path, program, play=True).text
    assert "test of the alarm sound" in (tmp_path / "said").read_text()


def test_a_sound_that_fails_says_why(tmp_path: Path) -> None:
    check = sound(tmp_path, script(tmp_path, "echo no card >&2; exit 3"), play=True)
    assert check.level == "fail"
    assert "no card" in check.text


def test_steps_that_reach_nobody_are_told_each(tmp_path: Path) -> None:
    _, config = clinic(tmp_path)
    checks = check_station.escalation(config)
    assert [check.level for check in checks] == ["warn", "warn"]
    assert not any("alarm_command" in check.text for check in checks)


# --- the whole list ---------------------------------------------------------------------------


def test_the_list_is_one_line_each_and_ends_with_a_sum() -> None:
    lines = doctor.table([Check("clock", "ok", "12:00"), Check("d1", "fail", "silent\nnow")])
    assert lines == ["ok    clock  12:00", "fail  d1     silent now", "", "1 fail, 0 warn, 1 ok"]


def test_the_exit_code_says_whether_anything_failed(ward: Path, tmp_path: Path) -> None:
    good, _ = clinic(tmp_path, ("nonin-df2", f"serial://{ward}/nonin-df2"), port=1)
    done = CliRunner().invoke(command, ["--config", str(good), "--json"], catch_exceptions=False)
    checks = {check["name"]: check["level"] for check in json.loads(done.stdout)["checks"]}
    assert checks["d1"] == "ok"
    assert {"python", "clock", "time zone", "disk", "store", "station", "web", "sound"} <= {*checks}
    assert {"escalation", "browser"} <= {*checks}
    assert done.exit_code == 0
    assert json.loads(done.stdout)["ok"] is True
    bad, _ = clinic(tmp_path, ("nonin-df2", f"serial://{tmp_path}/gone"), port=1)
    done = CliRunner().invoke(command, ["--config", str(bad)], catch_exceptions=False)
    assert done.exit_code == 1
    assert "fail  d1" in done.stdout


def test_without_a_config_the_computer_is_checked_all_the_same() -> None:
    done = CliRunner().invoke(command, [], catch_exceptions=False)
    assert "python" in done.stdout
    assert "give --config" in done.stdout


def test_a_config_that_cannot_be_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clinic.toml").write_text("[statoin]")
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--config", str(tmp_path / "clinic.toml")])
    assert end.value.code == 2
    assert "did you mean" in capsys.readouterr().err
