"""`replay://` devices: times, gaps, speed, restarts, what a config may say."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from devices import check_ports
from devices.cli_commands import check_config
from devices.transports import replay
from devices.transports.replay import Beginning, ReplayKeeper, Where, where
from tests.recordings.files import DEMO_1, START_US, VitalFile
from vitals.config import DeviceConfig
from vitals.errors import CommandError, ConfigError
from vitals.model import US, Link, Notice, Numeric, StartNibp, Waveform

NOW_US = 1_800_000_000 * US
DEADLINE_S = 30.0


class Hurry:
    """A clock that runs as quickly as it is asked: every look moves it by 20 ms."""

    speed = 1e6

    def __init__(self) -> None:
        self._now_us = NOW_US

    def now_us(self) -> int:
        self._now_us += 20_000
        return self._now_us


class Heard:
    """Everything that a keeper says."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.events: list[Numeric | Waveform | Notice] = []

    def numbers(self, channel: str) -> list[Numeric]:
        return [e for e in self.events if isinstance(e, Numeric) and e.channel == channel]


def play(url: str, clock: Hurry | None = None, beginning: Beginning | None = None) -> Heard:
    """Plays a recording to its end."""
    heard = Heard()
    clock = clock or Hurry()
    keeper = ReplayKeeper(
        "bed-1", url, clock, heard.events.extend, heard.links.append, beginning or Beginning()
    )

    async def whole() -> None:
        task = asyncio.create_task(keeper.run())
        end = time.monotonic() + DEADLINE_S
        while not (heard.links and heard.links[-1].state == "lost"):
            assert time.monotonic() < end, heard.links
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(whole())
    return heard


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    replay._read.cache_clear()
    yield
    replay._read.cache_clear()


@pytest.fixture
def gap(tmp_path: Path) -> Path:
    """Ten seconds, ten of silence, ten seconds."""
    file = VitalFile()
    hr = file.track("HR")
    for second in [*range(10), *range(20, 30)]:
        file.number(hr, second, 60 + second)
    return file.save(tmp_path / "gap.vital")


def test_values_come_at_their_times_and_keep_their_own(gap: Path) -> None:
    heard = play(Where(gap).url)
    hr = heard.numbers("hr")
    assert [n.value for n in hr] == [60.0 + s for s in (*range(10), *range(20, 30))]
    offsets = [n.at_us - hr[0].at_us for n in hr]
    assert offsets == [s * US for s in (*range(10), *range(20, 30))]
    assert hr[0].at_us >= NOW_US
    assert [n.device_at_us for n in hr][:2] == [START_US, START_US + US]
    assert {n.device for n in hr} == {"bed-1"}


def test_a_gap_is_a_silent_link(gap: Path) -> None:
    heard = play(Where(gap).url)
    states = [(link.state, link.detail) for link in heard.links]
    assert states == [
        ("connecting", replay.WAITING),
        ("streaming", ""),
        ("silent", ""),
        ("streaming", ""),
        ("lost", replay.OVER),
    ]
    first = heard.numbers("hr")[0].at_us
    assert heard.links[2].at_us - first == 12 * US
    assert heard.links[3].at_us - first == 20 * US


def test_waveforms_of_a_real_recording_are_whole() -> None:
    heard = play(Where(DEMO_1, "Intellivue").url)
    pleth = [e for e in heard.events if isinstance(e, Waveform) and e.channel == "pleth"]
    assert sum(wave.values.size for wave in pleth) == 3200
    assert all(wave.device == "bed-1" for wave in pleth)


def test_it_waits_for_its_start_and_a_restart_goes_on_where_it_was(
    gap: Path, tmp_path: Path
) -> None:
    start = tmp_path / "begun"
    start.touch()
    url = Where(gap, start=start).url
    whole = play(url)
    began_us = int(start.read_text())
    assert whole.numbers("hr")[0].at_us == began_us
    later = Hurry()
    later._now_us = began_us + 25 * US
    later.speed = 0.001  # what was long ago is missed, not said late
    heard = Heard()

    async def rest() -> None:
        keeper = ReplayKeeper(
            "bed-1", url, later, heard.events.extend, heard.links.append, Beginning()
        )
        task = asyncio.create_task(keeper.run())
        end = time.monotonic() + DEADLINE_S
        while not heard.events:
            assert time.monotonic() < end
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(rest())
    first = heard.numbers("hr")[0]
    assert first.value is not None
    assert first.value >= 80
    assert first.at_us - began_us == (first.value - 60) * US
    assert [link.state for link in heard.links] == ["connecting", "streaming"]


def test_nothing_is_said_before_the_start(gap: Path, tmp_path: Path) -> None:
    heard = Heard()
    url = Where(gap, start=tmp_path / "never").url

    async def some() -> None:
        keeper = ReplayKeeper(
            "b", url, Hurry(), heard.events.extend, heard.links.append, Beginning()
        )
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(0.3)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(some())
    assert not heard.events
    assert [link.detail for link in heard.links] == [replay.WAITING]


def test_devices_of_one_recording_begin_together(tmp_path: Path) -> None:
    beginning, clock = Beginning(), Hurry()
    said = Where(tmp_path / "x.vital")

    async def both() -> tuple[int, int]:
        return await beginning.wait(said, clock), await beginning.wait(said, clock)

    first, second = asyncio.run(both())
    assert first == second


def test_a_recording_cannot_be_asked_to_measure(gap: Path) -> None:
    keeper = ReplayKeeper("cuff", Where(gap).url, Hurry(), print, print, Beginning())
    with pytest.raises(CommandError, match="cuff: a recording cannot be asked to measure"):
        keeper.request(StartNibp())


def test_a_link_that_is_opened_anew_is_told(gap: Path) -> None:
    heard = Heard()
    keeper = ReplayKeeper(
        "b", Where(gap).url, Hurry(), heard.events.extend, heard.links.append, Beginning()
    )
    keeper.reopen("moved")

    async def whole() -> None:
        task = asyncio.create_task(keeper.run())
        end = time.monotonic() + DEADLINE_S
        while len(heard.links) < 3:
            assert time.monotonic() < end
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(whole())
    assert [(link.state, link.detail) for link in heard.links[1:3]] == [
        ("lost", "moved"),
        ("streaming", ""),
    ]


def test_a_file_that_goes_away_is_a_lost_device_not_a_lost_station(tmp_path: Path) -> None:
    heard = play(Where(tmp_path / "gone.vital").url)
    assert "it cannot be read" in heard.links[-1].detail


# --- what a config may say ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        Where(Path("/a b/ü.vital")),
        Where(Path("/x.csv"), "bed 1/ä", Path("/m&p.toml"), Path("/s#t"), 5, 9),
    ],
)
def test_a_url_says_what_it_was_made_of(said: Where) -> None:
    assert where(said.url) == said


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("replay:///x.vital?speed=2", "knows no 'speed'"),
        ("replay://", "name a file"),
        ("replay:///x.vital?from=noon", "from and to are microseconds"),
    ],
)
def test_a_url_that_cannot_be_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        where(url)


def test_the_station_learns_channels_and_period_from_the_file() -> None:
    config = DeviceConfig(id="bed", driver="replay", url=Where(DEMO_1).url)
    device = replay.station_device(config)
    assert device.channels == (
        "hr", "pr", "spo2", "nibp_sys", "nibp_dia", "nibp_map", "pi", "rr", "pleth", "ecg",
    )  # fmt: skip
    assert (device.period_s, device.spot, device.can) == (1.024, False, frozenset())
    assert device.title == "REPLAY of test_intellivue_demo1.vital"


def config_of(folder: Path, url: str, mode: str = "test") -> Path:
    path = folder / "clinic.toml"
    path.write_text(
        f'[station]\nmode = "{mode}"\n[[room]]\nid = "r"\n[[room.device]]\nid = "bed"\n'
        f'driver = "replay"\nurl = "{url}"\n'
    )
    return path


def test_a_recording_is_a_device_of_a_checked_config(tmp_path: Path) -> None:
    done = CliRunner().invoke(check_config, [str(config_of(tmp_path, Where(DEMO_1).url))])
    assert done.exception is None, done.output
    assert "replay" in done.output


def test_the_doctor_says_that_it_is_a_recording() -> None:
    config = DeviceConfig(id="bed", driver="replay", url=Where(DEMO_1).url)
    (check,) = asyncio.run(check_ports.device(config))
    assert (check.level, check.text) == ("ok", "a recording speaks instead of a monitor")


@pytest.mark.parametrize(
    ("url", "mode", "why"),
    [
        (Where(DEMO_1).url, "real", "a recording is no patient"),
        (Where(DEMO_1, "Other").url, "test", "has no device 'Other'; name one of Intellivue"),
        ("replay:///gone.vital", "test", "it cannot be read"),
    ],
)
def test_a_config_with_a_wrong_recording_is_refused(
    tmp_path: Path, url: str, mode: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        CliRunner().invoke(
            check_config,
            [str(config_of(tmp_path, url, mode))],
            catch_exceptions=False,
            standalone_mode=False,
        )
    assert "room 'r', device 'bed'" in str(refused.value)
