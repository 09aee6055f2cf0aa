"""Devices of a station: how each is heard, which box is which, and what a move of one does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.station.clinic import Clinic, running
from tests.station.two_rooms import CONFIG, DEVICES
from vitals import wire
from vitals.device_status import DeviceStatuses, short
from vitals.model import Notice, StartNibp
from vitals.station_device import LinkStatus


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def heard(clinic: Clinic) -> list[Any]:
    """A page's mailbox."""
    box = clinic.hub.subscribe()
    found: list[Any] = []

    async def read() -> None:
        while True:
            frame = msgspec.json.decode(await box.take(), type=list[wire.Down])
            found.extend(frame)

    found.append(asyncio.create_task(read()))
    return found


def of(found: list[Any], kind: type) -> list[Any]:
    return [message for message in found if isinstance(message, kind)]


def devices(clinic: Clinic, room: str) -> list[str]:
    return [d.id for r in clinic.hub.snapshot().rooms if r.id == room for d in r.devices]


# --- status -----------------------------------------------------------------------------------


def test_how_a_device_is_heard_is_told_when_it_changes_and_stays_in_the_snapshot(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            found = heard(clinic)
            clinic.keepers["ox1"].known = LinkStatus(123, 4, 1, -61)
            clinic.say(Notice("ox1", clinic.clock.now_us(), "low_battery", detail="at 12 %"))

            def told() -> list[Any]:
                messages = of(found, wire.DeviceStatusMsg)
                return [m for m in messages if m.device == "ox1" and m.heard_us == 123]

            await clinic.until(told, "the status")
            (status,) = told()
            assert (status.room, status.rejected, status.reconnects) == ("room-1", 4, 1)
            assert (status.battery, status.signal, status.stranger) == ("12 %", -61, "")
            room = clinic.hub.snapshot().rooms[0]
            assert room.devices[0].status == status
            assert room.devices[0].url == "usb-FTDI_AB1-if00-port0"
            assert room.sources == {"pr": ["ox1", "cuff1"]}
            found[0].cancel()
        kinds = {row.kind for row in clinic.reader.audit(None)}
        assert "device" not in kinds

    run(main())


def test_what_has_not_changed_is_not_told_again() -> None:
    class Kept:
        known = LinkStatus()

        def status(self) -> LinkStatus:
            return self.known

    kept: Any = Kept()
    strangers: dict[str, str] = {}
    statuses = DeviceStatuses({"ox": kept}, strangers)
    assert len(list(statuses.changed({"ox": "room-1"}))) == 1
    assert list(statuses.changed({"ox": "room-1"})) == []
    kept.known = LinkStatus(heard_us=5)
    assert [m.heard_us for m in statuses.changed({"ox": "room-1"})] == [5]
    strangers["ox"] = "usb B"
    assert [m.stranger for m in statuses.changed({"ox": "room-1"})] == ["usb B"]
    assert [m.room for m in statuses.changed({"ox": "room-2"})] == ["room-2"]


@pytest.mark.parametrize(
    ("notices", "battery"),
    [
        ([("low_battery", True, "")], "low"),
        ([("low_battery", True, "15 %")], "15 %"),
        ([("low_battery", True, "3.1 V left")], "3.1 V"),
        ([("low_battery", True, ""), ("low_battery", False, "")], None),
        ([("low_battery", True, "15 %"), ("low_battery", False, "the link has ended")], None),
        ([("low_battery", False, "85 %")], "85 %"),
        ([("sensor_off", True, "85 %")], None),
    ],
)
def test_a_battery_is_told_in_the_devices_own_words(
    notices: list[tuple[str, bool, str]], battery: str | None
) -> None:
    kept: Any = type("Kept", (), {"status": lambda self: LinkStatus()})()
    statuses = DeviceStatuses({"ox": kept}, {})
    for code, active, detail in notices:
        statuses.notice(Notice("ox", 1, code, active, detail))
    assert [m.battery for m in statuses.changed({"ox": "room-1"})] == [battery]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("serial:///dev/serial/by-id/usb-FTDI_AB-if00?line=4800,8O1", "usb-FTDI_AB-if00"),
        ("serial://COM3", "COM3"),
        ("rfc2217://h:1?ign_set_control", "rfc2217://h:1"),
        ("ble://AA:BB:CC:DD:EE:FF", "ble://AA:BB:CC:DD:EE:FF"),
    ],
)
def test_a_link_is_named_without_its_folders(url: str, name: str) -> None:
    assert short(url) == name


# --- which box is which -----------------------------------------------------------------------


def test_identify_tells_every_page_for_ten_seconds_and_is_recorded(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            found = heard(clinic)
            before = clinic.clock.now_us()
            assert (await clinic.act("identify", device="ox2")).ok
            await clinic.until(lambda: of(found, wire.IdentifyMsg), "the message")
            (message,) = of(found, wire.IdentifyMsg)
            assert (message.room, message.device, message.by) == ("room-2", "ox2", "nurse A")
            assert 10e6 <= message.until_us - before < 12e6
            refused = await clinic.act("identify", device="ox7")
            assert (refused.ok, refused.error) == (False, "there is no device 'ox7' here")
            rows = [row for row in clinic.reader.audit(None) if row.kind == "command"]
            assert [(r.actor, r.body["args"], r.body["ok"]) for r in rows] == [
                ("nurse A", {"device": "ox2"}, True),
                ("nurse A", {"device": "ox7"}, False),
            ]
            found[0].cancel()

    run(main())


def test_a_swapped_box_is_claimed_by_a_nurse_and_by_nobody_less(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            claims = clinic.station.claims
            assert "nothing to claim" in (await clinic.act("claim_device", device="ox1")).error
            claims.admit("ox1", "usb A")
            claims.admit("ox2", "usb B")
            assert "it was last in Room 2" in claims.admit("ox1", "usb B")
            refused = await clinic.act("claim_device", role="therapist", device="ox1")
            assert refused.error == "a therapist may not claim_device"
            stale = await clinic.act("claim_device", device="ox1", identity="usb C")
            assert "look again" in stale.error
            assert claims.admit("ox1", "usb B") != ""
            assert (await clinic.act("claim_device", device="ox1", identity="usb B")).ok
            assert claims.admit("ox1", "usb B") == ""
            row = clinic.reader.audit(None)[-1]
            assert (row.actor, row.body["command"], row.body["args"]["identity"]) == (
                "nurse A",
                "claim_device",
                "usb B",
            )

    run(main())


def test_lost_claims_are_recorded_when_the_station_starts(tmp_path: Path) -> None:
    (tmp_path / "vitals.db.devices.json").write_text("{")

    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            await clinic.until(
                lambda: any(
                    row.body.get("event") == "claims_lost" for row in clinic.reader.audit(None)
                ),
                "the event",
            )

    run(main())


# --- moves ------------------------------------------------------------------------------------


async def moved(clinic: Clinic, device: str, to: str, **more: Any) -> str:
    """Why it was refused."""
    result = await clinic.act("rebind_device", device=device, to_room=to, **more)
    assert result.ok == (not result.error)
    return result.error


def test_a_moved_device_speaks_for_its_new_room_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            for device in ("ox1", "ox2"):
                clinic.link(device)
            clinic.link("ox2", "silent")
            for room in ("room-1", "room-2"):
                opened = await clinic.act("open_session", room=room, subject_ref="P", route="iv")
                assert opened.ok
            assert await moved(clinic, "ox1", "room-2") == ""
            assert clinic.keepers["ox1"].reopened == ["it was moved to Room 2"]
            assert devices(clinic, "room-1") == ["cuff1"]
            assert devices(clinic, "room-2") == ["cuff2", "ox1"]
            assert devices(clinic, "-") == ["ox2"]
            clinic.value("spo2", 91, "ox1")
            clinic.value("spo2", 80, "ox2")
            one, two, _spare = clinic.hub.snapshot().rooms
            assert [n.value for n in one.numerics] == []
            assert [(n.value, n.device) for n in two.numerics] == [(91, "ox1")]
            assert two.sources == {"pr": ["cuff2", "ox1"]}
            sessions = {s.session.room: s.session.id for s in clinic.reader.open_sessions()}
            await clinic.until(
                lambda: clinic.reader.numerics(sessions["room-2"], "spo2").at_us.size, "rows"
            )
            assert clinic.reader.numerics(sessions["room-1"], "spo2").at_us.size == 0
            kinds = [r.kind for r in clinic.reader.audit(sessions["room-2"])]
            assert kinds.count("unbind") == kinds.count("bind") == 1

    run(main())


def test_a_device_that_is_heard_is_not_displaced_and_one_that_is_not_makes_place(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            clinic.link("ox2")
            assert "Room 2 has ox2" in await moved(clinic, "ox1", "room-2")
            assert devices(clinic, "room-1") == ["ox1", "cuff1"]
            for state in ("lost", "silent"):
                clinic.link("ox2", state)
                assert await moved(clinic, "ox1", "room-2") == ""
                assert devices(clinic, "-") == ["ox2"]
                assert await moved(clinic, "ox1", "room-1") == ""
                assert await moved(clinic, "ox2", "room-2") == ""
            assert [room.id for room in clinic.hub.snapshot().rooms] == ["room-1", "room-2"]

    run(main())


@pytest.mark.parametrize(
    ("to", "role", "why"),
    [
        ("room-9", "nurse", "there is no room 'room-9' here"),
        ("room-1", "nurse", "ox1 is in Room 1 already"),
        ("", "nurse", "name the room"),
        ("-", "nurse", "there is no room '-' here"),
        ("room-2", "therapist", "a therapist may not rebind_device"),
    ],
)
def test_a_move_that_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, to: str, role: str, why: str
) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            assert await moved(clinic, "ox1", to, role=role) == why
            assert devices(clinic, "room-1") == ["ox1", "cuff1"]

    run(main())


def test_a_device_in_no_room_speaks_for_nobody_and_can_be_brought_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            assert await moved(clinic, "ox1", "room-2") == ""
            clinic.link("ox2")
            clinic.say(Notice("ox2", clinic.clock.now_us(), "sensor_off"))
            clinic.value("spo2", 80, "ox2")
            spare = clinic.hub.snapshot().rooms[-1]
            assert (spare.label, spare.devices[0].state, spare.notices) == (
                "No room",
                "streaming",
                [],
            )
            assert spare.numerics == []
            assert await moved(clinic, "ox2", "room-1") == ""
            clinic.value("spo2", 97, "ox2")
            assert [n.value for n in clinic.hub.snapshot().rooms[0].numerics] == [97]

    run(main())


def test_a_moved_cuff_takes_the_readings_of_its_new_room(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            clinic.link("cuff1")
            clinic.link("cuff2", "lost")
            assert await moved(clinic, "cuff1", "room-2") == ""
            assert not (await clinic.act("start_nibp", room="room-1")).ok
            assert (await clinic.act("start_nibp", room="room-2")).ok
            assert clinic.keepers["cuff1"].asked == [StartNibp()]

    run(main())


def test_a_move_outlives_a_restart_in_mid_session(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            await clinic.act("open_session", room="room-2", subject_ref="P", route="iv")
            assert await moved(clinic, "ox1", "room-2") == ""
        async with running(tmp_path, CONFIG, DEVICES) as clinic:
            assert devices(clinic, "room-1") == ["cuff1"]
            assert devices(clinic, "room-2") == ["cuff2", "ox1"]
            assert devices(clinic, "-") == ["ox2"]
            clinic.value("spo2", 96, "ox1")
            room = next(r for r in clinic.hub.snapshot().rooms if r.id == "room-2")
            assert room.session is not None
            assert room.session.subject_ref == "P"
            assert [n.value for n in room.numerics] == [96]

    run(main())
