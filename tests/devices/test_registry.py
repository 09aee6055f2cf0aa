"""Drivers are found by their files; what cannot be found is answered with the nearest name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import devices.drivers
from devices import cli_commands, registry
from devices.keeper import Keeper
from vitals.clock import ManualClock
from vitals.config import parse
from vitals.errors import ConfigError, InstallError

TOY = '''
"""One byte a second."""
from devices.driver import Driver, SerialSettings
from devices.framing import StreamDecoder
DRIVER = Driver(
    name={name!r}, transport="serial", title="Toy", channels=("pr",),
    settings=SerialSettings(), decoder=lambda device: StreamDecoder(device, 1),
    encode=lambda values, flags: [("", bytes([int(values["pr"])]))],
)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second place for driver files, forgotten afterwards."""
    path = [*devices.drivers.__path__, str(tmp_path)]
    monkeypatch.setattr(devices.drivers, "__path__", path)
    forget()
    yield tmp_path
    for module in [m for m in sys.modules if m.startswith("devices.drivers.toy")]:
        del sys.modules[module]
        delattr(devices.drivers, module.rpartition(".")[2])
    forget()


def forget() -> None:
    for cached in (registry._shipped, registry.names, registry.get):
        cached.cache_clear()


def test_a_new_driver_is_one_file(folder: Path) -> None:
    assert "toy-one" not in registry.names()
    (folder / "toy_one.py").write_text(TOY.format(name="toy-one"))
    forget()
    assert "toy-one" in registry.names()
    assert registry.get("toy-one").encode({"pr": 72}, ()) == [("", b"H")]


def test_a_new_driver_file_is_listed_configured_and_kept_without_another_edit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "toy_one.py").write_text(TOY.format(name="toy-one"))
    forget()
    cli_commands.drivers([], standalone_mode=False)
    assert "toy-one" in capsys.readouterr().out
    text = (
        '[[room]]\nid = "r"\n[[room.device]]\nid = "d"\ndriver = "toy-one"\nurl = "serial://COM3"\n'
    )
    path = folder / "clinic.toml"
    known = cli_commands._devices(parse(text, path=path), path)
    assert (known["d"].title, known["d"].channels) == ("Toy", ("pr",))
    driver = registry.get(known["d"].driver)
    Keeper("d", driver, "serial://COM3", ManualClock(), [].extend, [].append)


def test_a_file_whose_driver_has_another_name_is_refused(folder: Path) -> None:
    (folder / "toy_two.py").write_text(TOY.format(name="toy-too"))
    forget()
    with pytest.raises(InstallError, match="'toy-two' is broken"):
        registry.get("toy-two")


def test_names_are_sorted_and_each_can_be_got() -> None:
    assert list(registry.names()) == sorted(registry.names())
    assert {"contec-v7", "dinamap", "nonin-df2"} <= set(registry.names())
    assert all(registry.get(name).name == name for name in registry.names())


@pytest.mark.parametrize(
    ("asked", "meant"), [("nonin-df22", "nonin-df2"), ("dynamap", "dinamap"), ("contec", "contec")]
)
def test_an_unknown_driver_is_answered_with_the_nearest(asked: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f'{asked}.*did you mean "{meant}') as error:
        registry.get(asked)
    assert error.value.key == "driver"


def test_an_unknown_driver_that_is_like_none_suggests_none() -> None:
    with pytest.raises(ConfigError, match=r"there is no driver 'xyzzy'$"):
        registry.get("xyzzy")


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r'did you mean "serial".*known are .*socket'):
        registry.transport("seriall:///dev/ttyUSB0")
