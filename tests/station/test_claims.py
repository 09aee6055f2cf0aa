"""What a station remembers of the boxes on its ports, and what it refuses."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from vitals.claims import SPARE, Claims

ROOMS = {"r1-ox": "room-1", "r2-ox": "room-2"}
LABELS = {"room-1": "Room 1", "room-2": "Room 2"}
REFUSED = (
    "another monitor is on this port (it was last in Room 2): "
    "check the labels, then claim it on /devices"
)
Start = Callable[..., Claims]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts anew, as after a restart; the one before is closed in order."""
    running: list[Claims] = []

    def start_one(rooms: dict[str, str] = ROOMS) -> Claims:
        for before in running:
            before.close()
        running[:] = [Claims(tmp_path / "v.db.devices.json", rooms, LABELS)]
        return running[0]

    return start_one


def test_the_first_box_of_a_device_is_taken_silently_and_known_again(start: Start) -> None:
    claims = start()
    assert claims.admit("r1-ox", "usb A") == ""
    claims = start()
    assert claims.admit("r1-ox", "usb A") == ""
    assert claims.admit("r1-ox", "usb B") != ""


def test_monitors_that_have_changed_places_are_both_refused_and_say_where_they_were(
    start: Start,
) -> None:
    claims = start()
    claims.admit("r1-ox", "usb A")
    claims.admit("r2-ox", "usb B")
    claims = start()
    assert claims.admit("r1-ox", "usb B") == REFUSED
    assert claims.admit("r2-ox", "usb A") == REFUSED.replace("Room 2", "Room 1")
    assert claims.strangers == {"r1-ox": "usb B", "r2-ox": "usb A"}
    assert "it was never here before" in claims.admit("r1-ox", "usb C")


def test_a_claim_ends_the_refusal_and_the_box_is_nobody_elses(start: Start) -> None:
    claims = start()
    claims.admit("r1-ox", "usb A")
    claims.admit("r2-ox", "usb B")
    claims.admit("r1-ox", "usb B")
    claims.claim("r1-ox", "nurse A")
    assert claims.strangers == {}
    claims = start()
    assert claims.admit("r1-ox", "usb B") == ""
    # plugged back in room 2: it is room 1's by now
    assert claims.admit("r2-ox", "usb B") == REFUSED.replace("Room 2", "Room 1")
    # nor is what comes to its port taken as if nothing had ever been there
    assert claims.admit("r2-ox", "usb C") != ""


def test_a_new_device_does_not_silently_take_a_box_that_is_another_ones(start: Start) -> None:
    start().admit("r2-ox", "usb B")
    assert start().admit("r1-ox", "usb B") == REFUSED
    # unless the config no longer has that other one: it was given another name
    assert start({"r1-ox": "room-1"}).admit("r1-ox", "usb B") == ""


def test_an_empty_port_says_nothing_about_boxes(start: Start) -> None:
    claims = start()
    claims.admit("r1-ox", "usb A")
    claims.admit("r1-ox", "usb B")
    assert claims.admit("r1-ox", "") == ""
    assert claims.strangers == {}


def test_a_move_outlives_a_restart_until_the_config_says_otherwise(start: Start) -> None:
    claims = start()
    assert claims.room_of("r1-ox") == "room-1"
    claims.place("r1-ox", "room-2")
    claims.place("r2-ox", SPARE)
    claims = start()
    assert (claims.room_of("r1-ox"), claims.room_of("r2-ox")) == ("room-2", SPARE)
    moved = start({"r1-ox": "room-2", "r2-ox": "room-1"})
    assert (moved.room_of("r1-ox"), moved.room_of("r2-ox")) == ("room-2", "room-1")


def test_only_its_owner_may_read_the_file_and_none_is_left_half_written(
    start: Start, tmp_path: Path
) -> None:
    claims = start()
    for box in "ABC":
        claims.admit("r1-ox", f"usb {box}")
        claims.admit("r2-ox", f"usb {box}2")
    claims.close()
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["devices"]["r1-ox"]["identity"] == "usb A"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"v": 2}', '{"v": 1, "devices": {"r1-ox": {"room": 7}}}', "\xff\x00"]
)
def test_a_damaged_file_is_begun_anew_and_says_so(start: Start, tmp_path: Path, text: str) -> None:
    path = tmp_path / "v.db.devices.json"
    path.write_bytes(text.encode("latin-1"))
    claims = start()
    assert str(path) in claims.damaged
    assert "check the labels" in claims.damaged
    assert claims.room_of("r1-ox") == "room-1"
    assert claims.admit("r1-ox", "usb B") == ""
    again = start()
    assert again.damaged == ""
    assert again.admit("r1-ox", "usb A") != ""
