"""A config that cannot be used: one sentence, exit code 2, and nothing was started."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.clinic import VITALS, free_port
from vitals.cli import main

pytestmark = pytest.mark.long

DEVICE = '[[room]]\nid = "r1"\n[[room.device]]\nid = "d1"\ndriver = "nonin-df2"\nurl = "{url}"\n'
ROOM = DEVICE.format(url="serial:///dev/nothing")
RULE = 'version = "mine-1"\n[[rule]]\nid = "spo2-low"\nchannel = "spo2"\nside = "low"\n'
LEVELS = "level = [{{ priority = 'medium', {} }}, {{ priority = 'high', limit = 88 }}]\n"
ALL = ("check-config", "station", "web", "run")
DEVICES = ("check-config", "station", "run")
"""The web knows neither drivers nor alarm limits."""

EVERYWHERE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "unknown key": ('[station]\nstroe = "x.db"\n' + ROOM, 'did you mean "store"', ALL),
    "not TOML": ("[station\n", "is not valid TOML", ALL),
    "unknown driver": (ROOM.replace("df2", "fd2"), 'did you mean "nonin-df2"', DEVICES),
    "no such profile": ('[station]\nprofile = "no.toml"\n' + ROOM, "No such file", DEVICES),
    "no folder for the record": ('[station]\nstore = "no/v.db"\n' + ROOM, "no folder", DEVICES),
    "any port": ("[web]\nport = 0\n" + ROOM, "or equal to 1", ALL),
}
"""What is wrong -> config, words of the sentence, commands that must refuse it."""

BROKEN = {
    "unknown table": ('[statoin]\nid = "x"\n' + ROOM, 'did you mean "station"'),
    "unknown key for a needed one": (ROOM.replace("driver", "drivr"), 'mean "driver"'),
    "unknown scheme": (DEVICE.format(url="seral:///x"), 'did you mean "serial"'),
    "a room twice": (ROOM + ROOM, "'r1' is used twice"),
    "a device twice": (ROOM + ROOM.replace("r1", "r2"), "'d1' is used twice"),
    "no room": ('[station]\nid = "s"\n', "there is none; add a [[room]]"),
    "a link twice": (ROOM + ROOM.replace("r1", "r2").replace("d1", "d2"), "link of its own"),
    "wrong type": ("[web]\nport = true\n" + ROOM, "web.port"),
    "not a list": ("room = 5\n", "room: input should be a valid list"),
    "open to the network": ('[web]\nhost = "0.0.0.0"\n' + ROOM, "use 127.0.0.1"),
    "speed in real mode": ("[station]\nspeed = 10\n" + ROOM, "station.speed: only a demo"),
    "a folder as record": ('[station]\nstore = "."\n' + ROOM, "is a folder"),
}

BROKEN_PROFILES = {
    "not TOML": ("version =", "is not valid TOML"),
    "no rules": ('version = "mine-1"', "at least one [[rule]]"),
    "one table for a list": (RULE.replace("[[rule]]", "[rule]"), "at least one [[rule]]"),
    "unknown key": (RULE + "levl = []\n", "there is no key 'levl'"),
    "unknown key of a level": (RULE + LEVELS.format("limt = 92"), "a level has no key 'limt'"),
    "wrong order of limits": (RULE + LEVELS.format("limit = 85"), "mildest to the worst"),
    "a text for a time": (RULE + LEVELS.format("limit = 92, hold_s = '10'"), "not '10'"),
    "no number": (RULE + LEVELS.format("limit = nan"), "limit cannot be nan"),
    "a time before": (RULE + LEVELS.format("limit = 92, hold_s = -1"), "hold_s cannot be -1"),
    "clears beyond its limit": (RULE + LEVELS.format("limit = 92, clear = 90"), "beyond"),
    "levels that are none": (RULE + "level = 7\n", "[[rule.level]]"),
    "beyond a hard bound": (RULE + LEVELS.replace("88", "84").format("limit = 92"), "85 to 92 %"),
}


def refusals(folder: Path, *commands: str) -> dict[str, tuple[int, str, str]]:
    """Runs all commands at once; command -> (exit code, stdout, stderr)."""
    running = {}
    for command in commands:
        where = ["clinic.toml"] if command == "check-config" else ["--config", "clinic.toml"]
        running[command] = subprocess.Popen(
            [*VITALS, command, *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
    try:
        said = {command: process.communicate(timeout=20) for command, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return {command: (running[command].returncode, *said[command]) for command in commands}


def all_refuse(folder: Path, words: str, *commands: str) -> None:
    before = sorted(folder.iterdir())
    for command, (code, out, err) in refusals(folder, *commands).items():
        assert code == 2, f"{command}: {code} {out} {err}"
        assert err.startswith("vitals: "), f"{command}: {err}"
        assert err.count("\n") == 1, f"{command} says more than a sentence: {err}"
        assert words in err, f"{command}: {err}"
        assert out == ""
    assert sorted(folder.iterdir()) == before, "something was started"


def sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `vitals check-config` says on stderr."""
    with pytest.raises(SystemExit) as ended:
        main(["check-config", str(folder / "clinic.toml")])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("vitals: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("fault", EVERYWHERE)
def test_every_command_refuses_a_broken_config_before_it_starts_anything(
    fault: str, tmp_path: Path
) -> None:
    text, words, commands = EVERYWHERE[fault]
    (tmp_path / "clinic.toml").write_text(text)
    all_refuse(tmp_path, words, *commands)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_config_is_refused_in_one_sentence(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, words = BROKEN[fault]
    (tmp_path / "clinic.toml").write_text(text)
    assert words in sentence(tmp_path, capsys)


@pytest.mark.parametrize("fault", BROKEN_PROFILES)
def test_a_broken_profile_is_refused_in_one_sentence(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, words = BROKEN_PROFILES[fault]
    (tmp_path / "clinic.toml").write_text('[station]\nprofile = "mine.toml"\n' + ROOM)
    (tmp_path / "mine.toml").write_text(text)
    assert words in sentence(tmp_path, capsys)


def test_a_broken_profile_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "clinic.toml").write_text('[station]\nprofile = "mine.toml"\n' + ROOM)
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    all_refuse(tmp_path, "not UTF-8", *DEVICES)


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_a_config_that_is_no_file_is_refused_in_one_sentence(what: str, tmp_path: Path) -> None:
    if what == "folder":
        (tmp_path / "clinic.toml").mkdir()
    all_refuse(tmp_path, "clinic.toml: cannot be read", *ALL)


def test_a_port_that_is_taken_is_refused_in_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "clinic.toml").write_text(f"[web]\nport = {port}\n{ROOM}")
    with socket.create_server(("127.0.0.1", port)):
        all_refuse(tmp_path, f"port {port} cannot be used", "web", "run")
