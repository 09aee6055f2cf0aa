"""What comes in at the ports is not what was expected: nothing is invented, and it is said.

One clinic for all of it: what is wrong in one room must not be felt in another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from devices import registry
from devices.conversation import NOT_UNDERSTOOD
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from tests.e2e.wards import Clinic, Noise, Talkative, Ward, Watch, fresh, none, running

GARBAGE = ("noise-nonin", "noise-contec", "noise-dinamap")
WRONG = ("contec-hears-nonin", "nonin-hears-contec")


@dataclass
class Ports:
    ward: Ward
    clinic: Clinic
    sessions: dict[str, str]


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    folder = tmp_path_factory.mktemp("ports")
    ward = Ward(folder)
    nonin, contec = registry.get("nonin-df2"), registry.get("contec-v7")
    rooms = [
        ward.room("good", "nonin-df2"),
        ward.room("loose", "contec-v7"),
        ward.room("absent", "nonin-df2"),
        *(ward.room(room, driver, Noise(room)) for room, driver in zip(
            GARBAGE, ("nonin-df2", "contec-v7", "dinamap"), strict=True)),
        ward.room(WRONG[0], "contec-v7", SimulatedMonitor(nonin, ward.patient)),
        ward.room(WRONG[1], "nonin-df2", Talkative(contec, ward.patient)),
    ]  # fmt: skip
    ward.plugs["absent"].unplug()
    with running(folder, ward) as clinic:
        yield Ports(ward, clinic, clinic.open_sessions(rooms))


def blamed(devices: Page, room: str, sentence: str) -> None:
    """The devices page says what is wrong."""
    expect(devices.locator(f"tr[data-device={room}-dev]")).to_contain_text(sentence, timeout=8_000)


def test_bytes_that_mean_nothing_show_no_number_and_are_named(
    ports: Ports, new_page: Callable[..., Page]
) -> None:
    overview, devices = new_page(1920, 1080), new_page()
    overview.goto(ports.clinic.url)
    watch = Watch(overview, "good")
    devices.goto(f"{ports.clinic.url}/devices")
    # the good one among them streams, whatever the others send
    overview.locator("[data-room=good] [data-channel=spo2][data-state=fresh]").wait_for()
    for room in (*GARBAGE, *WRONG):
        blamed(devices, room, NOT_UNDERSTOOD)
        expect(overview.locator(none(room))).to_have_text("--")
        overview.wait_for_selector(f"[data-room={room}] [data-alarm]")
        assert f"{NOT_UNDERSTOOD} [{room}-dev]" in ports.clinic.said()
        assert f"link streaming  [{room}-dev]" not in ports.clinic.said()
        assert ports.clinic.reader.channels(ports.sessions[room]) == []
    assert watch.always_live()


def test_what_means_nothing_is_the_cause_that_the_alarm_names(
    ports: Ports, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.goto(f"{ports.clinic.url}/room/{WRONG[0]}")
    alarm = page.locator("[data-alarm=spo2-no-data]")
    expect(alarm).to_contain_text(NOT_UNDERSTOOD, timeout=10_000)
    assert page.locator("[data-alarm^=link-lost]").count() == 0  # one cause, one alarm


def test_a_port_that_is_not_there_is_named_and_is_live_when_it_comes(
    ports: Ports, new_page: Callable[..., Page]
) -> None:
    overview, devices = new_page(1920, 1080), new_page()
    overview.goto(ports.clinic.url)
    watch = Watch(overview, "good")
    devices.goto(f"{ports.clinic.url}/devices")
    blamed(devices, "absent", "absent.port is not there: plug the adapter in")
    expect(overview.locator(none("absent"))).to_have_text("--")

    plugged_s = time.monotonic()
    ports.ward.plugs["absent"].replug()
    overview.wait_for_selector(fresh("absent"), timeout=8_000)
    assert time.monotonic() - plugged_s < 6.0
    assert watch.always_live()


@pytest.mark.long
def test_an_unplugged_monitor_is_blank_in_five_seconds_alarms_and_comes_back(
    ports: Ports, new_page: Callable[..., Page]
) -> None:
    overview, other = new_page(1920, 1080), new_page(1920, 1080)
    overview.goto(ports.clinic.url)
    other.goto(ports.clinic.url)
    loose, good = Watch(overview, "loose"), Watch(other, "good")
    plug: PtyEndpoint = ports.ward.plugs["loose"]
    plug.unplug()
    overview.wait_for_selector(none("loose"), timeout=8_000)
    seen = loose.seen()
    blank_s, _, text, sample_s = next(each for each in seen if each[1] == "none")
    assert text == "--"
    assert blank_s - sample_s < 5.5
    assert not any(state == "fresh" for at, state, *_ in seen if at - sample_s > 3.5)
    alarm = overview.locator("[data-room=loose] [data-alarm=spo2-no-data]")
    expect(alarm).to_contain_text("link lost", timeout=3_000)
    expect(alarm).to_contain_text("loose.port is not there: plug the adapter in")

    plugged_s = time.monotonic()
    plug.replug()
    overview.wait_for_selector(fresh("loose"), timeout=8_000)
    assert time.monotonic() - plugged_s < 6.0
    expect(alarm).to_have_count(0)
    # nothing was shown twice or made up for the time without a monitor
    kept = ports.clinic.reader.numerics(ports.sessions["loose"], "spo2").at_us / 1e6
    assert not ((kept > sample_s) & (kept < time.time() - (time.monotonic() - plugged_s))).any()
    assert good.always_live()
