"""The monitor behind a simulated Bluetooth device: packets in time, and what damages them."""

from __future__ import annotations

import pytest

from devices import registry
from devices.driver import BleSettings
from devices.gatt import BATTERY, BLOOD_PRESSURE, CUFF_PRESSURE, uuid
from simulators.ble.device import GattMonitor
from simulators.ble.gatt import profile
from simulators.ble.peripheral import advertising
from simulators.faults import LineFault
from simulators.patient import Patient
from tests.ble.wards import polled
from tests.devices.fake_driver import driver as fake
from vitals.errors import ConfigError


def monitor(name: str, *faults: LineFault) -> tuple[Patient, GattMonitor]:
    patient = Patient(1)
    return patient, GattMonitor(registry.get(name), patient, seed=3, faults=faults)


def advanced(patient: Patient, made: GattMonitor, dt_s: float) -> bytes:
    patient.advance(dt_s)
    return made.advance(dt_s)


def test_packets_leave_one_by_one_and_are_what_the_log_says() -> None:
    patient, made = monitor("viatom-pc60fw")
    counts, logged, taken = [], b"", b""
    for _ in range(20):
        logged += advanced(patient, made, 0.1)
        packets = made.take()
        counts.append(len(packets))
        taken += b"".join(payload for _, payload in packets)
    assert taken == logged != b""
    assert max(counts) <= 2
    assert sum(counts) >= 20
    assert made.take() == []


def test_the_way_time_is_cut_changes_no_number_of_packets() -> None:
    patient, made = monitor("ble-plx")
    advanced(patient, made, 60.0)
    assert len(made.take()) == 60


def test_a_fault_of_the_line_damages_packets_but_joins_none() -> None:
    sound = monitor("ble-plx")
    spoiled = monitor("ble-plx", LineFault("bit-flip", 60), LineFault("dropped-byte", 60))
    sizes = []
    for pair in (sound, spoiled):
        got = []
        for _ in range(120):
            advanced(*pair, 1.0)
            got += [payload for _, payload in pair[1].take()]
        sizes.append({len(payload) for payload in got})
        assert len(got) == 120
    (whole,) = sizes[0]
    assert sizes[1] == {whole, whole - 1}


def test_what_would_have_left_while_the_computer_slept_is_lost() -> None:
    patient, made = monitor("ble-plx")
    advanced(patient, made, 1.0)
    made.take()
    made.skip(3600.0)
    advanced(patient, made, 1.0)
    assert len(made.take()) == 1


def test_an_answer_comes_in_pieces_of_its_one_characteristic() -> None:
    patient = Patient(1)
    made = GattMonitor(polled(), patient)
    made.receive(b"?")
    advanced(patient, made, 0.1)
    assert [(source, len(payload)) for source, payload in made.take()] == [
        (uuid("fff1"), 20),
        (uuid("fff1"), 10),
    ]


def test_a_cuff_indicates_its_reading_and_notifies_the_rest() -> None:
    shown = profile(registry.get("ble-blood-pressure"))
    can = {c.uuid: c.can for found in shown.services.values() for c in found}
    assert can[BLOOD_PRESSURE] == {"indicate"}
    assert can[CUFF_PRESSURE] == {"notify"}
    assert can[BATTERY] == {"notify", "read"}
    assert shown.on_sight
    assert shown.bond


def test_a_device_known_by_name_alone_advertises_that_name() -> None:
    named = fake(transport="ble", settings=BleSettings(match=("name:Pulse",), notify=("fff1",)))
    shown = profile(named)
    assert shown.advertised == ()
    assert b"\x06\x09Pulse" in advertising(shown)
    assert uuid("fff1") in {c.uuid for found in shown.services.values() for c in found}


def test_a_monitor_with_a_cable_is_none_with_bluetooth() -> None:
    with pytest.raises(ConfigError, match="nonin-df2 is no monitor with Bluetooth LE"):
        profile(registry.get("nonin-df2"))
