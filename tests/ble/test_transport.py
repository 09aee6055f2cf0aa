"""Devices by radio, from the air to the events: keeper, transport and driver on both stacks."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from devices import registry
from devices.driver import BleSettings
from devices.keeper import TICK_S
from devices.transports.ble_adapters import adapters, scans
from devices.transports.ble_faults import NO_SERVICE
from devices.transports.ble_link import NOT_THIS_KIND, WAITS, Limits
from tests.ble.conftest import Stack
from tests.ble.kept import QUICK, QUIET_S, Kept, kept, living, transport
from tests.loop import run, until
from vitals.errors import TransportError

CONTINUOUS = [
    name
    for name in registry.names()
    if (driver := registry.get(name)).transport == "ble" and driver.mode == "continuous"
]


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_device_streams_by_itself(stack: Stack, name: str) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device(name)
            async with living(ble), kept(ble, device) as one:
                channel = device.monitor.driver.channels[0]
                await until(lambda: len([v for v in one.values(channel) if v is not None]) >= 3)
                assert one.states[0] == "connecting"
                assert one.state == "streaming"
                assert {numeric.device for numeric in one.numerics} == {"d1"}

    run(main())


def test_a_chunk_is_stamped_when_it_arrives_and_names_its_characteristic(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            async with living(ble), kept(ble, device) as one:
                before_us = one.clock.now_us()
                await until(lambda: len(one.numerics) >= 3)
                times = [numeric.at_us for numeric in one.numerics]
                assert times == sorted(times)
                assert before_us <= times[0] <= times[-1] <= one.clock.now_us()

    run(main())


def test_a_device_that_ends_the_link_is_back_within_moments(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            async with living(ble), kept(ble, device) as one:
                for drops in range(1, 4):
                    await until(lambda: one.state == "streaming")
                    await device.peripheral.drop()
                    await until(lambda n=drops: one.states.count("lost") == n)
                    assert "ended the connection" in one.detail
                await until(lambda: one.state == "streaming")
                gap = [link.state for link in one.links]
                assert gap == ["connecting", *["streaming", "lost"] * 3, "streaming"]
                times = [link.at_us for link in one.links]
                assert times == sorted(times)

    run(main())


def test_out_of_range_is_a_gap_with_a_beginning_and_an_end(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")
                device.peripheral.fade()
                faded_us = one.clock.now_us()
                await until(lambda: one.state != "streaming")
                ended = one.links[-1]
                assert ended.state in ("silent", "lost")
                assert ended.at_us - faded_us < (QUIET_S + 1) * 1_000_000
                device.peripheral.time_out()
                await until(lambda: "has not been seen" in one.detail)
                assert one.state == "lost"
                numbers = len(one.numerics)
                device.peripheral.come_back()
                back_us = one.clock.now_us()
                await until(lambda: one.state == "streaming")
                assert one.links[-1].at_us - back_us < 5_000_000
                assert all(n.at_us > back_us for n in one.numerics[numbers:])

    run(main())


def test_a_zombie_that_is_still_connected_is_ended_and_connected_to_anew(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            async with kept(ble, device) as one:
                async with living(ble):
                    await until(lambda: len(one.numerics) >= 3)
                device.peripheral.mute = True  # it neither sends nor answers from here on
                await until(lambda: one.state in ("silent", "lost"))
                assert one.states[1:] in (["streaming", "silent"], ["streaming", "lost"])
                await until(lambda: not device.peripheral.connected)
                device.peripheral.mute = False
                async with living(ble):
                    await until(lambda: one.state == "streaming")

    run(main())


@pytest.mark.parametrize("name", CONTINUOUS)
def test_silence_is_noticed_within_ten_seconds(name: str) -> None:
    limits = Limits()
    assert registry.get(name).quiet_s + TICK_S + limits.close_s / 2 < 10.0
    assert limits.stream_s * 1.1 < 10.0  # the transport looks ten times in this


def test_a_slow_device_is_waited_for(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            device.peripheral.answer_after_s = 0.02
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")
                assert one.states == ["connecting", "streaming"]

    run(main())


def test_a_discovery_that_hangs_is_given_up_and_said(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            device.peripheral.mute = True
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "lost")
                assert "takes no connection" in one.detail
                device.peripheral.mute = False
                await until(lambda: one.state == "streaming")

    run(main())


def test_a_device_that_leaves_during_discovery_is_tried_again(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            device.peripheral.drop_at_request = 4
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "lost")
                assert "ended the connection" in one.detail, one.detail
                device.peripheral.drop_at_request = 0
                await until(lambda: one.state == "streaming")

    run(main())


def test_payloads_that_are_broken_are_counted_and_the_link_stays(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            uuid = _settings("ble-heart-rate").notify[0]
            async with kept(ble, device) as one:
                async with living(ble):
                    await until(lambda: one.state == "streaming")
                for data in (b"", b"\x01", b"\x10\x48\x03", b"\xff" * 3, b"\xaa" * 244):
                    await device.peripheral.send(uuid, data)
                async with living(ble):
                    await until(lambda: one.links[-1].rejected >= 4, 5)
                assert one.states[:2] == ["connecting", "streaming"]
                assert {link.state for link in one.links[1:]} == {"streaming"}

    run(main())


def test_a_device_that_claims_a_service_but_has_not_its_values_is_said(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            other = replace(
                registry.get("ble-heart-rate"),
                settings=replace(_settings("ble-heart-rate"), match=(_service("ble-plx"),)),
            )
            device = await ble.device(other)  # advertises 1822 and has 2A37 only
            async with living(ble), kept(ble, device, "ble-plx") as one:
                await until(lambda: one.state == "lost")
                # the battery, which both have, does not make it an oximeter
                assert NOT_THIS_KIND in one.detail
                assert one.numerics == []

    run(main())


def test_a_device_that_refuses_to_be_subscribed_to_is_said(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            device.peripheral.errors[_settings("ble-heart-rate").notify[0]] = 0x80
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "lost")
                assert "does not send its values" in one.detail
                device.peripheral.errors.clear()
                await until(lambda: one.state == "streaming")

    run(main())


def test_what_cannot_be_read_does_not_cost_the_stream(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            (battery,) = _settings("ble-heart-rate").read
            device.peripheral.errors[battery] = 0x0E
            async with living(ble), kept(ble, device) as one:
                await until(lambda: len(one.numerics) >= 3)
                assert one.states == ["connecting", "streaming"]
                assert f"{device.address}: {battery} is not read" in caplog.text

    run(main())


def test_a_device_that_demands_encryption_is_paired(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            device.peripheral.require_encryption(_settings("ble-heart-rate").notify[0])
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")
                assert device.peripheral.encrypted

    run(main())


def test_a_payload_of_another_characteristic_is_refused(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            # the driver also listens to the oximeter's values, which it cannot read
            wider = replace(
                registry.get("ble-heart-rate"),
                settings=replace(
                    _settings("ble-heart-rate"),
                    notify=(*_settings("ble-heart-rate").notify, _settings("ble-plx").notify[0]),
                ),
            )
            device = await ble.device(wider)
            async with kept(ble, device) as one:
                async with living(ble):
                    await until(lambda: one.state == "streaming")
                await until(lambda: device.peripheral.subscribed(_settings("ble-plx").notify[0]))
                await device.peripheral.send(_settings("ble-plx").notify[0], bytes(5))
                async with living(ble):
                    await until(lambda: one.links[-1].rejected == 1, 5)
                assert {numeric.channel for numeric in one.numerics} == {"hr"}

    run(main())


def test_bluetooth_that_is_switched_off_is_said_and_mended_by_itself(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")
                await ble.power(False)
                await until(lambda: "Bluetooth is off" in one.detail)
                assert one.state == "lost"
                await ble.power(True)
                await until(lambda: one.state == "streaming")

    run(main())


def test_bluetooth_that_goes_off_while_a_device_is_missed_is_said(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble, kept(ble, "C0:00:00:00:00:99", "ble-heart-rate") as one:
            await until(lambda: "has not been seen" in one.detail)
            await ble.power(False)
            await until(lambda: "Bluetooth is off" in one.detail)
            await ble.power(True)
            await until(lambda: "has not been seen" in one.detail)

    run(main())


def test_bluetooth_that_goes_off_is_said_although_there_is_patience_left(
    on_bluez: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.transports.ble_radio.CHECK_S", 0.1)
    patient = replace(QUICK, look_s=60.0)

    async def main() -> None:
        async with (
            on_bluez as ble,
            kept(ble, "C0:00:00:00:00:99", "ble-heart-rate", limits=patient) as one,
        ):
            assert ble.bluez is not None
            calls = ble.bluez.calls
            await until(lambda: "StartDiscovery" in calls)
            await ble.power(False)
            await until(lambda: "Bluetooth is off" in one.detail)

    run(main())


def test_a_scan_goes_on_after_the_adapter_was_off_for_a_moment(
    on_bluez: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.transports.ble_radio.CHECK_S", 0.1)
    monkeypatch.setattr("devices.transports.ble_radio.IDLE_S", 0.3)
    patient = replace(QUICK, look_s=60.0)

    async def main() -> None:
        async with on_bluez as ble:
            device = await ble.device("ble-heart-rate")
            await device.peripheral.hide()
            async with living(ble), kept(ble, device, limits=patient) as one:
                assert ble.bluez is not None
                calls = ble.bluez.calls
                await until(lambda: "StartDiscovery" in calls)
                await ble.power(False)
                await ble.power(True)
                await device.peripheral.advertise()
                await until(lambda: one.state == "streaming")

    run(main())


def test_bluetooths_service_is_restarted_and_devices_come_back(on_bluez: Stack, bus: str) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            device = await ble.device("ble-heart-rate")
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")
                assert ble.bluez is not None
                await ble.bluez.stop()
                await device.peripheral.drop()
                await until(lambda: one.detail == NO_SERVICE)
                await ble.bluez.start(bus)
                await until(lambda: one.state == "streaming")

    run(main())


def test_adapters_are_listed_and_one_that_is_not_there_is_said(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez:
            (here,) = await adapters()
            assert (here.name, here.address, here.powered) == ("hci0", "00:1A:7D:DA:71:01", True)
            with pytest.raises(TransportError, match="no Bluetooth adapter"):
                await scans("hci9")

    run(main())


def test_a_loss_is_logged_with_its_device_and_its_reason(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device("ble-heart-rate")
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")
                await device.peripheral.drop()
                await until(lambda: one.states.count("streaming") == 2)

    run(main())
    [said] = [r for r in caplog.records if "ended the connection" in r.getMessage()]
    assert said.levelname == "WARNING"
    assert said.device == "d1"  # type: ignore[attr-defined]


def test_a_device_that_the_system_forgets_is_found_again(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            device = await ble.device("ble-heart-rate")
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")
                assert ble.bluez is not None
                await ble.bluez.remove(device.address)
                await until(lambda: one.state == "lost")
                await until(lambda: one.state == "streaming")

    run(main())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Failed", "le-connection-abort-by-local"),
        ("Failed", "br-connection-canceled"),
        ("InProgress", "Operation already in progress"),
    ],
)
def test_connections_that_fail_at_first_come_about(on_bluez: Stack, name: str, words: str) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            device = await ble.device("ble-heart-rate")
            assert ble.bluez is not None
            ble.bluez.fail("Connect", name, words, times=2)
            async with living(ble), kept(ble, device) as one:
                await until(lambda: one.state == "streaming")

    run(main())


def test_a_disconnect_that_hangs_does_not_hold_up_the_next_attempt(
    on_bluez: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            device = await ble.device("ble-heart-rate")
            assert ble.bluez is not None
            async with kept(ble, device) as one:
                async with living(ble):
                    await until(lambda: one.state == "streaming")
                ble.bluez.silent.add("Disconnect")
                await until(lambda: one.state in ("silent", "lost"))
                since_us = one.links[-1].at_us
                await until(lambda: "does not disconnect" in caplog.text)
                assert device.address in caplog.text
                assert one.clock.now_us() - since_us < 2_000_000
                ble.bluez.silent.clear()
                async with living(ble):
                    await until(lambda: one.state == "streaming")

    run(main())


def test_a_link_that_a_killed_process_left_open_is_ended_first(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            device = await ble.device("ble-heart-rate")
            async with ble.client(await ble.find(device.address)):
                assert device.peripheral.connected  # and so it does not advertise
                async with living(ble), kept(ble, device) as one:
                    await until(lambda: one.state == "streaming")

    run(main())


def test_six_devices_on_one_adapter_are_all_heard(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            on = transport(ble)
            devices = [await ble.device("ble-heart-rate") for _ in range(6)]
            async with living(ble), contextlib.AsyncExitStack() as all_of_them:
                beds: list[Kept] = [
                    await all_of_them.enter_async_context(kept(ble, device, on=on))
                    for device in devices
                ]
                await until(lambda: all(len(one.numerics) >= 5 for one in beds))
                for device in devices:
                    await device.peripheral.drop()
                await until(lambda: all(one.states.count("streaming") >= 2 for one in beds))
                await until(lambda: all(one.state == "streaming" for one in beds))
            await on.close()

    run(main(), 40.0)


def test_one_that_hangs_in_discovery_does_not_starve_the_others(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            on = transport(ble)
            bad = await ble.device("ble-heart-rate")
            bad.peripheral.mute = True
            good = [await ble.device("ble-heart-rate") for _ in range(3)]
            async with living(ble), contextlib.AsyncExitStack() as all_of_them:
                one = await all_of_them.enter_async_context(kept(ble, bad, on=on))
                beds = [
                    await all_of_them.enter_async_context(kept(ble, device, on=on))
                    for device in good
                ]
                await until(lambda: all(bed.state == "streaming" for bed in beds))
                assert one.state != "streaming"
            await on.close()

    run(main())


# --- cuffs ------------------------------------------------------------------------------------


def test_a_cuff_is_waited_for_without_a_fault_and_heard_when_it_comes(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            cuff = await ble.device("ble-blood-pressure")
            async with kept(ble, cuff) as one:
                await until(lambda: WAITS in one.detail)
                assert set(one.states) == {"connecting"}
                await cuff.send(_reading())
                await until(lambda: len(one.values("nibp_sys")) == 1)
                await until(lambda: not cuff.peripheral.connected)
                await until(lambda: one.state == "connecting")
                assert one.detail == WAITS
                assert "lost" not in one.states
                assert one.values("nibp_sys") == [121.0]

    run(main())


def test_a_cuff_that_sends_its_memory_again_gives_nothing_twice(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            cuff = await ble.device("ble-blood-pressure")
            async with kept(ble, cuff) as one:
                for _ in range(3):
                    await cuff.send(_reading())
                    await until(lambda: not cuff.untold and not cuff.peripheral.connected)
                    await until(lambda: one.state == "connecting")
                assert one.values("nibp_sys") == [121.0]
                assert "lost" not in one.states
                await cuff.send(_reading(135))
                await until(lambda: one.values("nibp_sys") == [121.0, 135.0])

    run(main())


def test_a_cuff_that_stays_and_says_nothing_is_hung_up_on(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            cuff = await ble.device("ble-blood-pressure")
            async with kept(ble, cuff) as one:
                await cuff.peripheral.advertise()
                await until(lambda: cuff.peripheral.connected)
                await until(lambda: not cuff.peripheral.connected)
                await until(lambda: one.state == "connecting" and one.detail == WAITS)

    run(main())


def test_a_cuff_whose_pairing_fails_says_what_to_do(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            cuff = await ble.device("ble-blood-pressure")
            assert ble.bluez is not None
            ble.bluez.fail("Pair", "AuthenticationFailed", "Authentication Failed", times=5)
            async with kept(ble, cuff) as one:
                await cuff.send(_reading())
                await until(lambda: any("pairing mode" in link.detail for link in one.links))
                ble.bluez._errors["Pair"].clear()
                await until(lambda: one.values("nibp_sys") == [121.0])

    run(main())


def _settings(name: str) -> BleSettings:
    settings = registry.get(name).settings
    assert isinstance(settings, BleSettings)
    return settings


def _service(name: str) -> str:
    return next(match for match in _settings(name).match if not match.startswith("name:"))


def _reading(systolic: float = 121) -> list[tuple[str, bytes]]:
    values = {"nibp_sys": systolic, "nibp_dia": 79.0, "nibp_map": 93.0, "pr": 71.0}
    return registry.get("ble-blood-pressure").encode(values, ())
