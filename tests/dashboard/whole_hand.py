"""A person's hand at a room's page: its taps are counted, and time is the station's."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import OpenPage
from tests.e2e.wards import Clinic
from vitals.model import US

ROOM = "room-1"
BOUNCE_MS = 450
_LATEST_S = 60
_MINUTE_US = 60 * US


class Hand:
    """Somebody at room 1.

    Attributes:
        page: the page.
        taps: what was tapped, in order.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.taps: list[str] = []
        self._tapped_ms = 0.0

    @classmethod
    def at(cls, open_page: OpenPage, clinic: Clinic, name: str) -> Hand:
        """Opens the page under a name and arms its sound, as at the beginning of a shift."""
        page = open_page(f"{clinic.url}/room/{ROOM}", size=(1280, 800))
        expect(page.locator("body")).to_have_attribute("data-link", "live", timeout=20_000)
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Your name").press("Enter")
        page.get_by_role("button", name="Arm sound").click()
        page.get_by_role("button", name="I heard it").click()
        expect(page.locator("body")).to_have_attribute("data-armed", "yes")
        return cls(page)

    def tap(self, what: Locator) -> None:
        """One tap."""
        what.click()
        self._tapped_ms = float(self.page.evaluate("performance.now()"))
        self.taps.append(str(what))

    def press(self, name: str) -> None:
        """A tap on a button of the form that is open; waits until the form has gone.

        No finger is there sooner: the page takes that for the bounce of the tap that opened it.
        """
        self._wait("ms => performance.now() > ms", self._tapped_ms + BOUNCE_MS)
        self.tap(self.button(name, self.form))
        expect(self.form).to_have_count(0)

    def button(self, name: str, within: Locator | None = None) -> Locator:
        """A button by the whole of its name."""
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def act(self, kind: str) -> Locator:
        """What does an act now: while a form is open, its own button."""
        return self.page.locator(f'[data-act="{kind}"]:visible')

    @property
    def form(self) -> Locator:
        """The form that is open."""
        return self.page.get_by_role("dialog")

    def confirmed(self, kind: str) -> None:
        """The two taps of an act that is confirmed; waits until it is done."""
        self.tap(self.act(kind))
        self.press(self.form.locator(f'[data-act="{kind}"]').inner_text())

    def open(self, route: str) -> None:
        """Opens a session."""
        self.tap(self.page.get_by_label("Pseudonym"))
        self.page.keyboard.type("KV-0417")
        self.tap(self.page.locator(f'[data-route="{route}"]'))
        expect(self.page.get_by_role("tab", name="Check-in")).to_have_attribute(
            "aria-selected", "true"
        )

    def all_no(self) -> None:
        """Nothing to be looked at: one tap a group."""
        for group in ("drugs", "conditions"):
            self.tap(self.button("All no", self.page.locator(f'[data-group="{group}"]')))

    def answer(self, item: str, said: str) -> None:
        """Answers one question of the check-in by a tap."""
        place = self.page.locator(f'[data-checkin="{item}"]')
        self.tap(self.button(said, place))
        expect(place).to_have_attribute("data-saving", "done")

    def write(self, item: str, words: str) -> None:
        """Writes the answer to one question of the check-in."""
        place = self.page.locator(f'[data-checkin="{item}"]')
        self.tap(place.locator("input"))
        self.page.keyboard.type(words)
        self.page.keyboard.press("Enter")
        expect(place).to_have_attribute("data-saving", "done")

    def gate_go(self) -> None:
        """Goes on when two good readings are there."""
        gate = self.page.locator("[data-gate]")
        expect(gate).to_have_attribute("data-gate", "clear", timeout=_LATEST_S * 1000)
        self.until_done("nibp-baseline-2")
        self.tap(self.button("Go", gate))
        expect(gate).to_have_attribute("data-decision", "go")

    def tab(self, name: str) -> None:
        self.tap(self.page.get_by_role("tab", name=name))

    # --- time -----------------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """The station's time as the page knows it."""
        return int(self.page.evaluate("kv.clock.nowUs()"))

    def until(self, minutes: float) -> None:
        """Waits until so many minutes have passed since the dose."""
        self._wait(
            "us => kv.clock.nowUs() >= kv.model.rooms.get('room-1').session.dose_us + us",
            minutes * _MINUTE_US,
        )

    def until_state(self, what: str, *states: str) -> None:
        """Waits until a reading of the due list is in one of the states."""
        self._wait(
            "([what, states]) => {"
            " const due = kv.model.rooms.get('room-1').due.get(what);"
            " return Boolean(due) && states.includes(due.state); }",
            [what, list(states)],
        )

    def until_done(self, what: str) -> None:
        """Waits until a reading has been taken."""
        self.until_state(what, "done")

    def until_rung(self, rule: str, priority: str) -> None:
        """Waits until an alarm is on with that priority."""
        self._wait(
            "([rule, priority]) => kv.model.alarms(kv.model.rooms.get('room-1')).some(each =>"
            " each.rule === rule && each.priority === priority && each.condition === 'active')",
            [rule, priority],
        )

    def _wait(self, condition: str, told: object) -> None:
        self.page.wait_for_function(condition, arg=told, polling=20, timeout=_LATEST_S * 1000)


def seen_elsewhere(clinic: Clinic) -> None:
    """The other screen acknowledges what only this computer's haste has raised.

    At such a speed a stall of a quarter of a second is a lost signal of 40 s.
    """
    for rule in ("signal-lost", "no-sound"):
        clinic.tell(("acknowledge", ROOM, {"rule": rule}))
