"""`vitals scan` and `vitals doctor` with Bluetooth."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from devices import ble_scan, check_ble, check_station, doctor, registry
from devices.ble_scan import Around, Seen, ble_drivers, fitting, look
from devices.check import Check
from devices.cli_commands import scan as scan_command
from devices.driver import BleSettings
from devices.transports.ble_adapters import Adapter
from devices.transports.ble_faults import FORBIDDEN, NO_SERVICE
from simulators.ble.gatt import profile
from tests.ble.conftest import Stack
from tests.ble.fake_back_ends import World, raises
from tests.loop import run
from vitals import wire
from vitals.config import DeviceConfig, load
from vitals.errors import TransportError

NAMES = [driver.name for driver in ble_drivers()]
AMPLE = "C0:00:00:00:00:01"


# --- which driver fits ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_driver_fits_what_its_own_device_advertises(name: str) -> None:
    shown = profile(registry.get(name))
    best, _ = fitting(ble_drivers(), shown.name, shown.advertised)
    assert registry.get(name) in best


@pytest.mark.parametrize("name", NAMES)
def test_what_it_matches_is_written_so_that_it_can_be_compared(name: str) -> None:
    settings = registry.get(name).settings
    assert isinstance(settings, BleSettings)
    assert settings.match
    uuids = [*(m for m in settings.match if not m.startswith("name:")), *settings.notify]
    for uuid in (*uuids, *settings.read, *([settings.write] if settings.write else [])):
        assert len(uuid) == 36, uuid
        assert uuid == uuid.lower()


def test_a_vendors_own_service_says_more_than_a_standard_one() -> None:
    nonin, plx = registry.get("nonin-3230"), registry.get("ble-plx")
    shown = [*profile(nonin).advertised, *profile(plx).advertised]
    assert fitting([plx, nonin], "", shown) == ((nonin,), (plx,))


def test_a_name_says_more_than_a_service_and_only_by_its_beginning() -> None:
    plx = registry.get("ble-plx")
    assert isinstance(plx.settings, BleSettings)
    named = replace(plx, name="named", settings=replace(plx.settings, match=("name:BerryMed",)))
    shown = profile(plx).advertised
    assert fitting([plx, named], "BerryMed 12", shown) == ((named,), (plx,))
    assert fitting([plx, named], "My BerryMed", shown) == ((plx,), ())
    assert fitting([plx, named], "", []) == ((), ())


# --- looking round ----------------------------------------------------------------------------


def test_devices_on_the_air_are_listed_with_their_drivers(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap, oximeter = await ble.device("ble-heart-rate"), await ble.device("ble-plx")
            around = await look(5.0, backend=ble.scanner, enough=[strap.address, oximeter.address])
            assert around.problem == ""
            found = {one.address: [fit.name for fit in one.fits] for one in around.seen}
            assert found[strap.address] == ["ble-heart-rate"]
            assert found[oximeter.address] == ["ble-plx"]

    run(main())


def test_a_look_stops_when_it_has_seen_enough_or_its_time_is_over() -> None:
    async def main() -> None:
        world = World()
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        await look(60.0, backend=world.scanner, enough=[AMPLE])
        assert loop.time() - begin_s < 5
        world.advertises = False
        around = await look(0.3, backend=world.scanner, enough=[AMPLE])
        assert around == Around()
        assert not world.scanners, "the scan has ended"

    run(main())


def test_without_bluetooth_it_is_one_sentence() -> None:
    async def main() -> None:
        world = World()
        world.wrong["scan"] = raises(FileNotFoundError(2, "No such file or directory"))
        around = await look(0.3, backend=world.scanner)
        assert around.problem == NO_SERVICE
        (line,) = ble_scan.lines(around)
        assert line.startswith("No Bluetooth: ")
        assert ble_scan.config_lines(around) == []

    run(main())


def seen(address: str, driver: str, rssi: int = -60, **more: Any) -> Seen:
    return Seen(address, "", rssi, (registry.get(driver),), **more)


AROUND = Around(
    (
        seen("C0:00:00:00:00:01", "ble-heart-rate"),
        seen("C0:00:00:00:00:02", "ble-heart-rate", -90),
        replace(
            seen("C0:00:00:00:00:03", "ble-plx"),
            fits=(registry.get("ble-plx"), registry.get("nonin-3230")),
        ),
    ),
    frozenset({"C0:00:00:00:00:09"}),
)


def test_what_is_printed_can_be_pasted_into_a_config() -> None:
    pasted = "\n".join(ble_scan.config_lines(AROUND))
    parsed = tomllib.loads(f'[[room]]\nid = "room-1"\n{pasted}')
    devices = [DeviceConfig.model_validate(one) for one in parsed["room"][0]["device"]]
    assert [(one.id, one.driver, one.url) for one in devices] == [
        ("ble-heart-rate-1", "ble-heart-rate", "ble://C0:00:00:00:00:01"),
        ("ble-heart-rate-2", "ble-heart-rate", "ble://C0:00:00:00:00:02"),
        ("ble-plx", "ble-plx", "ble://C0:00:00:00:00:03"),
    ]
    assert '# or driver = "nonin-3230"' in pasted


def test_weak_ones_are_marked_and_others_are_counted_without_their_addresses() -> None:
    said = "\n".join(ble_scan.lines(AROUND))
    assert said.count("weak: bring it or the adapter nearer") == 1
    assert "1 other that no driver fits" in said
    assert "C0:00:00:00:00:09" not in said
    assert "C0:00:00:00:00:09" not in json.dumps(ble_scan.facts(AROUND))


def test_the_command_looks_for_both_and_prints_one_config(monkeypatch: pytest.MonkeyPatch) -> None:
    async def around(*_: object, **__: object) -> Around:
        return AROUND

    monkeypatch.setattr(ble_scan, "look", around)
    monkeypatch.setattr("devices.ports.find", lambda patterns: [])
    done = CliRunner().invoke(scan_command, [], catch_exceptions=False)
    assert "There is no serial port" in done.stdout
    assert 'url = "ble://C0:00:00:00:00:01"' in done.stdout
    said = json.loads(CliRunner().invoke(scan_command, ["--json"]).stdout)
    assert said["ports"] == []
    assert len(said["bluetooth"]["devices"]) == 3
    done = CliRunner().invoke(scan_command, ["--no-ble"], catch_exceptions=False)
    assert "Bluetooth" not in done.stdout


def test_a_computer_without_bluetooth_still_has_its_ports_scanned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/at/all")
    monkeypatch.setattr("devices.ports.find", lambda patterns: [])
    done = CliRunner().invoke(scan_command, [], catch_exceptions=False)
    assert done.exit_code == 0
    assert "No Bluetooth: no Bluetooth service runs" in done.stdout
    assert "There is no serial port" in done.stdout


# --- the doctor: the computer -----------------------------------------------------------------


def device(driver: str, url: str = f"ble://{AMPLE}") -> DeviceConfig:
    return DeviceConfig(id="d1", driver=driver, url=url)


HCI0 = Adapter("hci0", "00:1A:7D:DA:71:01", True)
WANTED = [device("ble-plx")]


def computer(
    here: Sequence[Adapter] | Exception,
    wanted: Sequence[DeviceConfig] = WANTED,
    **more: Any,
) -> list[Check]:
    async def ask() -> list[Adapter]:
        if isinstance(here, Exception):
            raise here
        return list(here)

    more = {"version": lambda: "bluetoothctl: 5.88", "platform": "linux"} | more
    return asyncio.run(check_ble.bluetooth(wanted, ask=ask, **more))


def test_an_adapter_that_is_on_is_named() -> None:
    adapter, bluez = computer([HCI0])
    assert (adapter.level, "hci0 (00:1A:7D:DA:71:01) is on" in adapter.text) == ("ok", True)
    assert (bluez.level, bluez.text) == ("ok", "BlueZ 5.88")


def test_several_adapters_are_told_with_the_one_that_is_used() -> None:
    adapter, _ = computer([HCI0, replace(HCI0, name="hci1", address="00:00:00:00:00:02")])
    assert "urls that name none use hci0" in adapter.text


def test_a_missing_adapter_fails_only_if_it_is_needed() -> None:
    (check,) = computer([])
    assert (check.level, "plug one in" in check.text) == ("fail", True)
    (check,) = computer([], [])
    assert check.level == "ok"
    (check,) = computer(TransportError(NO_SERVICE), [])
    assert check.level == "ok"


@pytest.mark.parametrize(
    ("hard", "soft", "words"),
    [("0", "0", "`bluetoothctl power on`"), ("0", "1", "`sudo rfkill unblock"), ("1", "1", "key")],
)
def test_an_adapter_that_is_off_says_how_to_switch_it_on(
    tmp_path: Path, hard: str, soft: str, words: str
) -> None:
    for n, kind in enumerate(("wlan", "bluetooth")):
        switch = tmp_path / f"rfkill{n}"
        switch.mkdir()
        for name, value in (("type", kind), ("hard", hard), ("soft", soft)):
            (switch / name).write_text(f"{value}\n")
    check = computer([replace(HCI0, powered=False)], rfkill=tmp_path)[0]
    assert check.level == "fail"
    assert words in check.text


def test_missing_rights_name_the_group_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "anna")
    monkeypatch.setattr("grp.getgrnam", lambda name: name)
    (check,) = computer(TransportError(FORBIDDEN))
    assert check.level == "fail"
    assert "`sudo usermod -aG bluetooth anna`, then log out and in" in check.text

    def none(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr("grp.getgrnam", none)
    (check,) = computer(TransportError(FORBIDDEN))
    assert '<policy user="anna">' in check.text


@pytest.mark.parametrize(
    ("said", "level", "words"),
    [
        ("bluetoothctl: 5.53", "warn", "too old to connect"),
        ("bluetoothctl: 5.72", "ok", "can get stuck"),
        ("bluetoothctl: 5.88", "ok", "BlueZ 5.88"),
        ("bluetoothctl: 6.01", "ok", "BlueZ 6.01"),
        ("", "warn", "not known"),
    ],
)
def test_the_age_of_bluez_is_judged(said: str, level: str, words: str) -> None:
    _, check = computer([HCI0], version=lambda: said)
    assert (check.level, words in check.text) == (level, True), check


@pytest.mark.parametrize(("platform", "words"), [("darwin", "name of its own"), ("win32", "pair")])
def test_other_systems_say_what_is_different_there(platform: str, words: str) -> None:
    (check,) = computer([], platform=platform)
    assert words in check.text
    assert computer([], [], platform=platform) == []


# --- the doctor: devices ----------------------------------------------------------------------


def judged(wanted: DeviceConfig, around: Around, **more: Any) -> Check:
    async def see(seconds: float = 1, *, adapter: str = "", enough: Sequence[str] = ()) -> Around:
        return around

    (check,) = asyncio.run(check_ble.devices([wanted], see=see, **more))
    return check


@pytest.mark.parametrize(
    ("driver", "around", "level", "words"),
    [
        ("ble-plx", Around((seen(AMPLE, "ble-plx"),)), "ok", "fits (-60 dBm)"),
        ("ble-plx", Around((seen(AMPLE, "ble-plx", -91),)), "warn", "heard weakly (-91 dBm)"),
        ("ble-plx", Around((seen(AMPLE, "ble-heart-rate"),)), "fail", "looks like ble-heart-rate"),
        (
            "ble-plx",
            Around((seen(AMPLE, "nonin-3230", also=(registry.get("ble-plx"),)),)),
            "ok", "ble-plx fits",
        ),
        ("ble-plx", Around(), "fail", "is not heard: is it on"),
        ("ble-plx", Around((), frozenset({AMPLE})), "warn", "is it the one?"),
        ("ble-plx", Around(problem="Bluetooth is off"), "fail", "Bluetooth is off"),
        ("ble-blood-pressure", Around(), "ok", "only when it has a measurement"),
        ("nonin-df2", Around(), "fail", "reads no Bluetooth device"),
    ],
)  # fmt: skip
def test_each_device_says_what_to_do(driver: str, around: Around, level: str, words: str) -> None:
    check = judged(device(driver), around)
    assert (check.level, words in check.text) == (level, True), check


def test_an_address_that_is_none_is_told() -> None:
    check = judged(device("ble-plx", "ble://Nonin3230"), Around())
    assert (check.level, "write it as ble://" in check.text) == ("fail", True)
    check = judged(device("ble-plx"), Around(), platform="darwin")
    assert (check.level, "macOS knows no such addresses" in check.text) == ("fail", True)


def test_a_running_stations_cuff_that_waits_is_well() -> None:
    def link(state: Any, detail: str) -> Check:
        room = wire.RoomMsg(
            id="r1",
            label="",
            devices=[wire.DeviceMsg(id="c1", driver="x", state=state, detail=detail)],
        )
        snapshot = wire.Snapshot(rooms=[room])
        (check,) = check_station.links(snapshot)
        return check

    assert link("connecting", "waits for a measurement: it is heard when").level == "ok"
    assert link("connecting", "").level == "warn"
    assert link("lost", "gone").level == "fail"


def test_the_doctor_of_a_config_with_a_radio_device_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/at/all")
    path = tmp_path / "clinic.toml"
    path.write_text(
        '[[room]]\nid = "r1"\n[[room.device]]\nid = "ox"\ndriver = "ble-plx"\n'
        f'url = "ble://{AMPLE}"\n'
    )
    checks = {check.name: check for check in asyncio.run(doctor.examine(load(path)))}
    assert checks["bluetooth"].level == "fail"
    assert checks["ox"].text == NO_SERVICE


def test_bleak_is_loaded_only_where_it_is_needed() -> None:
    code = (
        "import devices.station_process, devices.keeper, devices.cli_commands, devices.ble_scan, "
        "devices.check_ble, sys; from devices import registry; "
        "[registry.get(n) for n in registry.names()]; registry.transport('serial:///dev/x'); "
        "sys.exit('bleak' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
