"""What tells one box from another on the same link, and what only names a place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from devices.identity import identity


@dataclass
class Listed:
    """A port as pyserial lists it."""

    device: str
    vid: int | None = 0x0403
    pid: int | None = 0x6001
    serial_number: str | None = None
    product: str | None = None


@pytest.fixture
def port(tmp_path: Path) -> Path:
    """A device file and a link that names it."""
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-path").symlink_to(tmp_path / "ttyUSB0")
    return tmp_path / "ttyUSB0"


def test_an_adapter_is_its_serial_number_by_whichever_name_the_port_is_called(port: Path) -> None:
    listed = [Listed(str(port), serial_number="AB0C")]
    for name in (port, port.parent / "by-path"):
        for query in ("", "?line=4800,8O1"):
            assert identity(f"serial://{name}{query}", lambda: listed) == "usb 0403:6001 AB0C"


def test_two_adapters_without_a_number_are_never_taken_for_one_another(port: Path) -> None:
    other = port.parent / "ttyUSB1"
    other.touch()
    listed = [Listed(str(port)), Listed(str(other))]
    one, two = (identity(f"serial://{name}", lambda: listed) for name in (port, other))
    assert one.startswith("usb 0403:6001 at ")
    assert one != two


def test_a_port_of_the_mainboard_is_its_place_and_one_that_is_gone_is_nothing(port: Path) -> None:
    assert identity(f"serial://{port}", lambda: [Listed(str(port), None, None)]).endswith("ttyUSB0")
    assert identity(f"serial://{port}", lambda: []) == f"serial://{port}"
    assert identity(f"serial://{port.parent}/ttyUSB7", lambda: []) == ""


def test_a_radio_is_its_address_in_any_spelling() -> None:
    def never() -> list[Listed]:
        raise AssertionError("no port is asked for")

    assert identity("ble://c0:26:df:01:02:03", never) == "ble C0:26:DF:01:02:03"
    assert identity("socket://10.0.0.7:4001?x=1", never) == "socket://10.0.0.7:4001"
