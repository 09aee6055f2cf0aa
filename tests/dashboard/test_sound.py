"""Whether an alarm would be heard: shown on the page, counted by the station, never assumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.live import UNHEARD_S, Ear
from tests.dashboard import ward
from tests.dashboard.devtools import Chromium, Tab, seconds_until
from tests.dashboard.ward import alarm, wait_until
from vitals.model import US

pytestmark = pytest.mark.usefixtures("without_charts")

# The page's own timers never fire again: worse than any throttling of a hidden tab.
NO_TIMERS = "window.setInterval = () => 0;"
# Counts the tones that the page starts.
TONES = """
window.__tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...a) {
  window.__tones += 1;
  return start.apply(this, a);
};
"""
# An output that claims to play, and does not move.
STILL = """
Object.defineProperty(BaseAudioContext.prototype, 'currentTime', {get: () => 1});
"""


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path) as browser:
        yield browser


def live(tab: Tab) -> None:
    tab.wait("Boolean(document.body && document.body.dataset.link === 'live')")
    tab.wait("Boolean(document.querySelector('.chip-sound[data-sound]'))")


def armed(tab: Tab) -> None:
    """Goes the way a nurse goes."""
    live(tab)
    tab.press("Arm sound")
    tab.press("I heard it")
    tab.wait("document.body.dataset.armed === 'yes'")


def chip(tab: Tab) -> str:
    return tab.text(".chip-sound")


def test_sound_that_the_browser_blocks_is_said_in_chip_and_banner(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    tab = chromium.tab(web.address)
    live(tab)
    assert tab.hook("sound") == "blocked"
    assert chip(tab) == "SOUND BLOCKED"
    assert "blocked by the browser" in tab.text(".banner-sound")
    station.publish(alarm("room-1"))
    tab.wait("document.body.dataset.sounding === 'high'")  # it should be heard, and cannot be
    assert tab.hook("sound") == "blocked"
    assert tab.hook("armed") == "no"
    assert station.armed == 0
    tab.wait("document.querySelector('.chip-armed').textContent === 'NO PAGE ARMED'")


def test_a_page_is_armed_only_when_somebody_has_heard_the_test_tone(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    tab = chromium.tab(web.address, TONES)
    live(tab)
    tab.press("Arm sound")
    tab.wait("__tones === 3")
    tab.wait("document.body.dataset.sound === 'unarmed'")
    assert chip(tab) == "SOUND NOT ARMED"
    assert tab.hook("armed") == "no"
    tab.press("Not heard")
    assert "loudspeaker" in tab.text(".banner-sound")
    assert (tab.hook("sound"), station.armed) == ("unarmed", 0)
    tab.press("Arm sound")
    tab.press("I heard it")
    tab.wait("document.body.dataset.armed === 'yes'")
    assert chip(tab) == "SOUND ON"
    assert tab.text(".banner-sound") == ""
    assert seconds_until(lambda: station.armed == 1) < 1
    tab.wait("document.querySelector('.chip-armed').textContent === 'SOUND ARMED ON 1 PAGE'")
    station.publish(alarm("room-1"))
    tab.wait("__tones === 16")  # two test tones, then the ten pulses of a high alarm


def test_a_confirmation_holds_for_this_loading_of_the_page_alone(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    tab = chromium.tab(web.address)
    armed(tab)
    wait_until(lambda: station.armed == 1)
    tab.ask("Page.reload")
    wait_until(lambda: station.armed == 0)
    live(tab)
    for kind in ("keyDown", "keyUp"):
        tab.ask("Input.dispatchKeyEvent", type=kind, key="Shift", code="ShiftLeft")
        tab.ask("Input.dispatchKeyEvent", type=kind, key="a", code="KeyA", text="a")
    tab.wait("document.body.dataset.sound === 'unarmed'")  # it could be heard, and nobody has
    assert (tab.hook("armed"), station.armed) == ("no", 0)


def test_a_page_that_leaves_is_told_at_once_and_not_with_the_next_second(
    two: Any, chromium: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    station, web = two
    first, second = chromium.tab(web.address), chromium.tab(web.address)
    monkeypatch.setattr("vitals.follower.AUDIENCE_S", 60.0)
    armed(second)
    chromium.front(first)
    armed(first)
    wait_until(lambda: station.armed == 2)
    second.ask("Page.navigate", url="about:blank")
    wait_until(lambda: station.armed == 1)


def test_the_armed_pages_of_all_screens_are_counted_and_a_closed_one_no_longer(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    first, second = chromium.tab(web.address), chromium.tab(web.address + "/room/room-2")
    armed(second)
    chromium.front(first)
    armed(first)
    wait_until(lambda: station.armed == 2)
    for tab in (first, second):
        tab.wait("document.querySelector('.chip-armed').textContent === 'SOUND ARMED ON 2 PAGES'")
    second.ask("Page.navigate", url="about:blank")
    assert seconds_until(lambda: station.armed == 1) < 3
    first.wait("document.querySelector('.chip-armed').textContent === 'SOUND ARMED ON 1 PAGE'")


def test_the_screen_inside_the_room_is_never_armed(two: Any, chromium: Chromium) -> None:
    station, web = two
    tab = chromium.tab(web.address)
    armed(tab)
    wait_until(lambda: station.armed == 1)
    tab.value("kv.go('/room/room-1/quiet')")
    wait_until(lambda: station.armed == 0)
    assert (tab.hook("sound"), tab.hook("armed")) == ("off", "no")


def test_an_output_that_only_claims_to_play_is_blocked(two: Any, chromium: Chromium) -> None:
    station, web = two
    tab = chromium.tab(web.address, STILL)
    live(tab)
    tab.press("Arm sound")
    tab.press("I heard it")
    tab.wait("document.body.dataset.sound === 'blocked'")
    wait_until(lambda: station.armed == 0)
    assert "blocked" in tab.text(".banner-sound")


def test_an_audio_pause_is_said_by_the_chip_and_the_page_stays_armed(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    tab = chromium.tab(web.address)
    armed(tab)
    until = station.now_us + 90 * US
    station.publish(alarm("room-1", signal="paused", signal_until_us=until, sounding=False))
    tab.wait("document.body.dataset.sound === 'paused'")
    assert chip(tab).startswith("AUDIO PAUSED 1:")
    assert tab.hook("armed") == "yes"  # any other alarm is heard


def test_a_hidden_page_stays_armed_says_so_in_its_title_and_afterwards_on_the_page(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    tab = chromium.tab(web.address)
    armed(tab)
    wait_until(lambda: station.armed == 1)
    chromium.front(chromium.tab("about:blank"))
    tab.wait("document.hidden && document.title.includes('HIDDEN')")
    station.publish(alarm("room-1"))
    tab.wait("document.body.dataset.sounding === 'high'")
    tab.value("window.__since = performance.now()")
    tab.wait("performance.now() - __since > 2500")
    assert (tab.hook("armed"), station.armed) == ("yes", 1)
    chromium.front(tab)
    tab.wait("!document.hidden && !document.title.includes('HIDDEN')")
    wait_until(lambda: "was hidden for" in tab.text(".banner-hidden"))
    tab.press("OK")
    assert tab.text(".banner-hidden") == ""


def test_a_hidden_page_whose_timers_stand_still_alarms_by_itself_after_4_s_of_silence(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    tab = chromium.tab(web.address, NO_TIMERS + TONES)
    armed(tab)
    chromium.front(chromium.tab("about:blank"))
    tab.wait("document.hidden")
    before = tab.value("__tones")
    station.beating = False
    assert 3 < seconds_until(lambda: tab.hook("sounding") == "high") < 6
    tab.wait(f"__tones === {before} + 10")
    assert tab.hook("armed") == "no"  # without its station it cannot be told of anything
    web.stop()
    tab.wait("document.body.dataset.link === 'lost'")
    assert tab.hook("sounding") == "high"
    web.start()


def test_what_a_person_entered_is_silent_on_that_persons_page_alone(
    two: Any, chromium: Chromium
) -> None:
    station, web = two
    mine, other = chromium.tab(web.address), chromium.tab(web.address)
    for tab in (mine, other):
        live(tab)
    station.publish(alarm("room-1", "symptom", text="SYMPTOM: Chest pain", entered_by="Anna"))
    for tab in (mine, other):
        tab.wait("document.body.dataset.sounding === 'high'")
    mine.value("kv.who.name = 'Anna'")  # both tabs share the browser's storage …
    mine.wait("!document.body.dataset.sounding")
    assert "entered by you: silent here" in mine.text(".ward .alarm-meta")
    station.publish(alarm("room-1", "symptom", condition="idle", sounding=False))
    mine.value("kv.who.name = ''")  # … and who has not given a name is nobody in particular
    station.publish(alarm("room-2", "symptom", text="SYMPTOM: Seizure", entered_by="nurse"))
    mine.wait("document.body.dataset.sounding === 'high'")


def test_a_page_that_is_silent_for_6_s_is_not_armed() -> None:
    ear = Ear(armed=True, heard_ns=0)
    assert UNHEARD_S == 6
    assert ear.hears(6_000_000_000)
    assert not ear.hears(6_000_000_001)
    assert not Ear(armed=False, heard_ns=0).hears(1)


def test_a_page_without_a_word_about_its_sound_is_not_armed(tmp_path: Path) -> None:
    """A page of an older version says nothing: it counts as a page, not as one that is heard."""
    from websockets.sync.client import connect

    with ward.ward(tmp_path, [ward.room(1)]) as (station, web):
        url = web.address.replace("http", "ws") + "/live"
        with connect(url, origin=web.address, proxy=None) as page:
            page.recv()
            wait_until(lambda: station.pages == 1)
            assert station.armed == 0
            page.send('{"t":"sound","armed":true,"why":""}')
            wait_until(lambda: station.armed == 1)
            page.send('{"t":"sound","armed":false,"why":"not confirmed"}')
            wait_until(lambda: station.armed == 0)
