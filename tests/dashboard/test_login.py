"""Sign-in, lock, PIN, emergency access and their ends, at the running server."""

from __future__ import annotations

import concurrent.futures
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from dashboard.screens import PIN_TRIES
from tests.dashboard import people, ward
from tests.dashboard.people import PASSWORD, PIN, Browser
from vitals.model import US

pytestmark = pytest.mark.long

NewBrowser = Callable[..., Browser]


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Any]:
    with people.clinic(tmp_path) as pair:
        yield pair


@pytest.fixture
def new_browser(clinic: Any) -> Iterator[NewBrowser]:
    opened: list[Browser] = []

    def new(user: str = "", source: str = "127.0.0.1") -> Browser:
        opened.append(Browser(clinic[1], source))
        if user:
            assert opened[-1].sign_in(user).status == 200
        return opened[-1]

    yield new
    for browser in opened:
        browser.close()


def told(station: Any) -> list[dict[str, Any]]:
    """What the station was given for the record, less what made the accounts."""
    events = {c.id: c for c in station.commands if c.kind == "web_event"}.values()
    assert {(event.role, event.room) for event in events} <= {("system", "")}
    made = ("account_added", "pin_changed")
    return [event.args for event in events if event.args["what"] not in made]


def kinds(station: Any) -> list[str]:
    return [event["what"] for event in told(station)]


def forward(web: Any, seconds: float) -> None:
    """Lets time pass for the people of a server."""
    clock = web.server.auth._clock
    moved = type(clock)(clock.anchor_us + round(seconds * US), clock.anchor_mono_ns)
    web.server.auth._clock = moved


# --- in and out --------------------------------------------------------------------------------


def test_signing_in_gives_new_ids_and_ends_the_old_ones(
    clinic: Any, new_browser: NewBrowser
) -> None:
    _, web = clinic
    browser = new_browser("ann")
    before = dict(browser.cookies)
    live = browser.live()
    assert browser.sign_in("bea").status == 200
    assert browser.screen != next(v for n, v in before.items() if "-screen-" in n)
    assert live.cut_after_s() < 1.0
    assert live.socket.close_code == 4401
    assert browser.get("/auth/who").json["user"] == "bea"
    browser.cookies = before
    assert browser.get("/auth/who").status == 401
    web.stop()
    web.start()
    browser.close()
    assert browser.get("/auth/who").status == 401


def test_an_id_that_somebody_has_planted_is_never_taken(new_browser: NewBrowser) -> None:
    browser = new_browser()
    name = next(name for name in new_browser("ann").cookies if "-screen-" in name)
    browser.cookies[name] = "planted"
    assert browser.sign_in("ann").status == 200
    assert browser.screen != "planted"
    thief = new_browser()
    thief.cookies[name] = "planted"
    assert thief.get("/auth/who").status == 401


def test_signing_out_cuts_the_sockets_of_that_browser_within_a_second(
    clinic: Any, new_browser: NewBrowser
) -> None:
    ann, bea = new_browser("ann"), new_browser("bea")
    tabs, other = [ann.live(), ann.live()], bea.live()
    assert ann.post("/auth/logout").status == 200
    assert all(tab.cut_after_s() < 1.0 for tab in tabs)
    with pytest.raises(InvalidStatus):
        ann.live()
    assert ann.get("/api/v1/state").status == 401
    assert "-screen-" not in "".join(ann.cookies)
    assert other.command("start_nibp", "room-1", device="cuff")["ok"]
    ward.wait_until(lambda: kinds(clinic[0])[-1] == "logout")


def test_a_session_survives_a_restart_of_the_web(clinic: Any, new_browser: NewBrowser) -> None:
    _, web = clinic
    ann = new_browser("ann")
    web.stop()
    web.start()
    ann.close()
    assert ann.get("/auth/who").json["state"] == "open"


def test_a_session_that_the_server_no_longer_knows_must_sign_in_again(
    clinic: Any, new_browser: NewBrowser, tmp_path: Path
) -> None:
    ann = new_browser("ann")
    live = ann.live()
    with people.accounts_of(tmp_path / "ward.db") as accounts:
        accounts.connection.execute("DELETE FROM screen")
    assert live.cut_after_s() < 1.0
    assert ann.get("/api/v1/state").status == 401
    assert ann.sign_in("ann").status == 200
    assert ann.live().rooms == ["room-1", "room-2"]


def test_a_disabled_account_is_out_within_a_second_and_does_not_come_in_again(
    clinic: Any, new_browser: NewBrowser, tmp_path: Path
) -> None:
    ann = new_browser("ann")
    live = ann.live()
    start = time.monotonic()
    with people.accounts_of(tmp_path / "ward.db") as accounts:
        accounts.set_disabled(accounts.person("ann"), True, people.now_us(), "t")
    live.cut_after_s()
    assert time.monotonic() - start < 1.0
    assert ann.get("/api/v1/state").status == 401
    answer = ann.sign_in("ann")
    assert (answer.status, answer.error) == (
        403, "this account is disabled; ask the one who runs the accounts",
    )  # fmt: skip
    wrong = ann.sign_in("ann", "not the password")
    assert wrong.error == "the user name or the password is wrong"  # and no more to strangers
    colleague = new_browser("bea")
    assert "ann" not in [p["user"] for p in colleague.get("/auth/who").json["people"]]
    assert colleague.post("/auth/unlock", {"user": "ann", "pin": PIN}).status == 403


def test_a_new_role_cuts_the_socket_within_a_second_and_is_in_force(
    clinic: Any, new_browser: NewBrowser, tmp_path: Path
) -> None:
    station, _ = clinic
    ann, bea = new_browser("ann"), new_browser("bea")
    live, other = ann.live(), bea.live()
    start = time.monotonic()
    with people.accounts_of(tmp_path / "ward.db") as accounts:
        accounts.change(
            accounts.person("ann"), name=None, role="clinician", rooms=["room-2"],
            now_us=people.now_us(), by="t",
        )  # fmt: skip
    live.cut_after_s()
    assert time.monotonic() - start < 1.0
    again = ann.live()
    assert (again.who["role"], again.rooms) == ("clinician", ["room-2"])
    again.command("acknowledge", "room-2", rule="spo2-low")
    assert station.commands[-1].role == "clinician"
    assert other.command("start_nibp", "room-1", device="cuff")["ok"]


def test_a_new_password_signs_out_everywhere(new_browser: NewBrowser, tmp_path: Path) -> None:
    ann = new_browser("ann")
    with people.accounts_of(tmp_path / "ward.db") as accounts:
        person = accounts.person("ann")
        accounts.set_password(person, accounts.hashes(person.id)[0], people.now_us(), "t")
    ward.wait_until(lambda: ann.get("/auth/who").status == 401)


# --- lock and PIN ------------------------------------------------------------------------------


def test_a_locked_screen_shows_everything_and_does_nothing(
    clinic: Any, new_browser: NewBrowser
) -> None:
    station, _ = clinic
    ann = new_browser("ann")
    live = ann.live()
    assert ann.post("/auth/lock").status == 200
    live.until(lambda: live.who["state"] == "locked")
    station.vitals("room-1", spo2=92)
    live.until(lambda: any(m.get("value") == 92 for m in live.seen))
    result = live.command("start_nibp", "room-1", device="cuff")
    assert (result["ok"], result["locked"]) == (False, True)
    assert ann.get("/api/v1/state").status == 200
    for path in ("sessions", "sessions/x", "sessions/x/figure"):
        assert ann.get(f"/api/v1/{path}").status == 423
    assert [c.kind for c in station.commands if c.kind != "web_event"] == []
    assert ann.post("/auth/unlock", {"user": "ann", "pin": PIN}).status == 200
    live.until(lambda: live.who["state"] == "open")
    assert live.command("start_nibp", "room-1", device="cuff")["ok"]
    ward.wait_until(lambda: kinds(station) == ["login", "lock", "unlock"])


def test_a_screen_that_nobody_touches_locks_and_a_touch_keeps_it_open(
    clinic: Any, new_browser: NewBrowser
) -> None:
    station, web = clinic
    ann, bea = new_browser("ann"), new_browser("bea")
    idle, used = ann.live(), bea.live()
    forward(web, 400)
    used.socket.send('{"t":"active"}')
    used.command("start_nibp", "room-1", device="cuff")
    forward(web, 250)
    idle.until(lambda: idle.who["state"] == "locked")
    assert bea.get("/auth/who").json["state"] == "open"
    ward.wait_until(lambda: "auto_lock" in kinds(station))


def test_the_live_view_of_a_screen_goes_on_for_days(clinic: Any, new_browser: NewBrowser) -> None:
    station, web = clinic
    live = new_browser("ann").live()
    forward(web, 6 * 86_400)
    live.until(lambda: live.who["state"] == "locked")
    station.vitals("room-1", spo2=91)
    live.until(lambda: any(m.get("value") == 91 for m in live.seen))


def test_another_person_takes_over_with_a_pin_and_sees_their_own_rooms(
    clinic: Any, new_browser: NewBrowser
) -> None:
    station, _ = clinic
    ann = new_browser("ann")
    live = ann.live()
    assert ann.post("/auth/unlock", {"user": "theo", "pin": PIN}).status == 200
    live.until(lambda: live.who["user"] == "theo")
    live.until(lambda: live.rooms == ["room-1"])
    live.command("mark", "room-1", text="calm")
    mark = next(c for c in station.commands if c.kind == "mark")
    assert (mark.name, mark.role) == ("Theo L.", "therapist")
    ward.wait_until(lambda: kinds(station)[-1] == "switch")
    assert (told(station)[-1]["user"], told(station)[-1]["name"]) == ("theo", "Theo L.")


def test_five_wrong_pins_at_a_screen_need_a_password_even_for_others(
    clinic: Any, new_browser: NewBrowser
) -> None:
    ann = new_browser("ann")
    ann.post("/auth/lock")
    for user in ("ann", "bea", "theo", "ann", "bea"):
        answer = ann.post("/auth/unlock", {"user": user, "pin": "9999"})
        assert answer.status == 401
    for user in ("ann", "theo"):
        answer = ann.post("/auth/unlock", {"user": user, "pin": PIN})
        assert (answer.status, answer.error) == (403, "5 wrong PINs; sign in with a password")
    assert "5 wrong PINs" in ann.get("/auth/who").json["no_pin"]
    assert ann.sign_in("ann").status == 200
    assert ann.get("/auth/who").json["no_pin"] == ""
    station, _ = clinic
    ward.wait_until(lambda: kinds(station).count("pin_wrong") == 5)


def test_wrong_pins_of_one_person_count_at_all_screens_together(new_browser: NewBrowser) -> None:
    bea, theo = new_browser("bea"), new_browser("theo")
    for screen in (bea, theo, bea, theo, bea):
        screen.post("/auth/unlock", {"user": "ann", "pin": "9999"})
    assert theo.post("/auth/unlock", {"user": "ann", "pin": PIN}).status == 403
    assert "ann" not in [p["user"] for p in theo.get("/auth/who").json["people"]]
    assert theo.post("/auth/unlock", {"user": "theo", "pin": PIN}).status == 200
    new_browser("ann")  # the password makes good for it
    assert theo.post("/auth/unlock", {"user": "ann", "pin": PIN}).status == 200


def test_pins_that_are_tried_all_at_once_are_still_only_five(
    clinic: Any, new_browser: NewBrowser
) -> None:
    _, web = clinic
    ann = new_browser("ann")
    ann.post("/auth/lock")
    checked = web.server.auth.checker.checked

    def guess(number: int) -> int:
        other = Browser(web)
        other.cookies = dict(ann.cookies)
        try:
            return other.post("/auth/unlock", {"user": "ann", "pin": f"{7000 + number}"}).status
        finally:
            other.close()

    with concurrent.futures.ThreadPoolExecutor(12) as guesses:
        answers = list(guesses.map(guess, range(12)))
    assert answers.count(401) == PIN_TRIES
    assert web.server.auth.checker.checked - checked == PIN_TRIES


def test_a_pin_is_enough_for_twelve_hours_after_a_password_and_no_longer(
    clinic: Any, new_browser: NewBrowser
) -> None:
    _, web = clinic
    ann = new_browser("ann")
    forward(web, 11.9 * 3600)
    assert ann.post("/auth/unlock", {"user": "ann", "pin": PIN}).status == 200
    forward(web, 0.2 * 3600)
    answer = ann.post("/auth/unlock", {"user": "ann", "pin": PIN})
    assert (answer.status, "12 h" in answer.error) == (403, True)
    assert ann.get("/api/v1/state").status == 200  # the live view goes on


def test_a_screen_that_was_left_open_is_locked_after_a_restart(
    clinic: Any, new_browser: NewBrowser, tmp_path: Path
) -> None:
    _, web = clinic
    ann = new_browser("ann")
    web.stop()
    with people.accounts_of(tmp_path / "ward.db") as accounts:
        accounts.connection.execute("UPDATE screen SET active_us = active_us - 700 * 1000000")
    web.start()
    ann.close()
    assert ann.get("/auth/who").json["state"] == "locked"


# --- emergency access --------------------------------------------------------------------------


def test_emergency_access_lets_anybody_act_for_fifteen_minutes_seen_by_all_and_recorded(
    clinic: Any, new_browser: NewBrowser
) -> None:
    station, web = clinic
    theo, bea = new_browser("theo"), new_browser("bea")
    here, elsewhere = theo.live(), bea.live()
    theo.post("/auth/lock")
    assert theo.post("/auth/emergency", {"reason": " "}).status == 400
    assert theo.post("/auth/emergency", {"reason": "he does not wake up"}).status == 200
    here.until(lambda: here.who["state"] == "emergency")
    assert here.who["role"] == "nurse"
    assert here.command("start_nibp", "room-1", device="cuff")["ok"]
    assert not here.command("start_nibp", "room-2", device="cuff")["ok"]  # still Theo's rooms
    acted = next(command for command in station.commands if command.kind == "start_nibp")
    assert (acted.name, acted.role) == (here.who["name"], "nurse")
    assert acted.name.startswith("EMERGENCY ")
    elsewhere.until(lambda: elsewhere.who["emergencies"])
    (shown,) = elsewhere.who["emergencies"]
    assert (shown["reason"], shown["here"]) == ("he does not wake up", False)
    assert 890 < shown["left_s"] <= 900
    ward.wait_until(lambda: "emergency_access" in kinds(station))
    (event,) = [e for e in told(station) if e["what"] == "emergency_access"]
    assert (event["reason"], event["given"], event["user"]) == (
        "he does not wake up", acted.name, "theo",
    )  # fmt: skip
    forward(web, 901)
    here.until(lambda: here.who["state"] == "locked")
    elsewhere.until(lambda: not elsewhere.who["emergencies"])
    assert here.command("start_nibp", "room-1", device="cuff")["locked"]
    ward.wait_until(lambda: "emergency_access_ended" in kinds(station))


def test_emergency_access_is_for_a_locked_screen_alone(new_browser: NewBrowser) -> None:
    answer = new_browser("theo").post("/auth/emergency", {"reason": "curious"})
    assert answer.status == 409
    assert new_browser().post("/auth/emergency", {"reason": "curious"}).status == 401


def test_emergency_access_does_not_wait_for_a_database_that_is_stuck(
    clinic: Any, new_browser: NewBrowser, tmp_path: Path
) -> None:
    theo = new_browser("theo")
    live = theo.live()
    theo.post("/auth/lock")
    with (
        people.accounts_of(tmp_path / "ward.db") as accounts,
        accounts.changing(),
        concurrent.futures.ThreadPoolExecutor(1) as asking,
    ):
        asked = asking.submit(theo.post, "/auth/emergency", {"reason": "not breathing"})
        live.until(lambda: live.who["state"] == "emergency", 2.0)
        assert live.command("start_nibp", "room-1", device="cuff")["ok"]
        assert asked.result().status == 200


# --- the record --------------------------------------------------------------------------------


def test_what_happens_while_the_station_is_away_is_told_when_it_is_back(
    clinic: Any, new_browser: NewBrowser
) -> None:
    station, web = clinic
    ward.wait_until(lambda: len(station.commands) >= 6)  # the accounts themselves
    station.hang_up(1.5)
    ward.wait_until(lambda: web.server.hub.link == "stale")
    ann = new_browser("ann")
    ann.post("/auth/lock")
    ann.post("/auth/unlock", {"user": "ann", "pin": PIN})
    ward.wait_until(lambda: kinds(station) == ["login", "lock", "unlock"])


def test_what_is_not_recorded_is_told_again_with_the_same_id(
    clinic: Any, new_browser: NewBrowser
) -> None:
    station, web = clinic
    ward.wait_until(lambda: web.server.hub.link == "live" and len(station.commands) >= 6)
    station.answer.recorded = False
    new_browser("ann")
    ward.wait_until(lambda: "login" in kinds(station))
    (first,) = [c for c in station.commands if c.args["what"] == "login"]
    station.answer.recorded = True
    station._done.clear()
    ward.wait_until(lambda: [c.id for c in station.commands].count(first.id) > 1)
    assert kinds(station) == ["login"]


# --- guessing ----------------------------------------------------------------------------------


def test_ten_thousand_wrong_passwords_slow_nobody_down_and_lock_nobody_out(
    clinic: Any, new_browser: NewBrowser
) -> None:
    station, web = clinic
    colleague = new_browser("bea")
    at_home = new_browser("ann")  # a browser that Ann has used before
    live = colleague.live()
    tried, answers, sign_ins, late = 10_000, [], [], []

    def attack(number: int) -> list[int]:
        browser = Browser(web)
        body = {"user": "ann", "password": "wrong"}
        try:
            return [browser.post("/login", body).status for _ in range(number)]
        finally:
            browser.close()

    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as attackers:
        attacks = [attackers.submit(attack, tried // 4) for _ in range(4)]
        while not all(each.done() for each in attacks):
            for user in ("theo", "bea"):  # from the same address, in a browser that is not known
                stranger = Browser(web)
                began = time.monotonic()
                assert stranger.sign_in(user).status == 200
                sign_ins.append(time.monotonic() - began)
                stranger.close()
            began = time.monotonic()
            assert at_home.sign_in("ann").status == 200
            sign_ins.append(time.monotonic() - began)
            began = time.monotonic()
            assert live.command("start_nibp", "room-1", device="cuff")["ok"]
            late.append(time.monotonic() - began)
        for each in attacks:
            answers += each.result()
    took_s = time.monotonic() - start
    assert len(answers) == tried
    assert set(answers) == {401, 429}
    checked = answers.count(401)
    assert checked <= 5 + 4 + took_s / 2  # a few at first, then one in up to half a minute
    assert max(sign_ins) < 5.0
    assert statistics.median(late) < 0.5

    right = Browser(web)
    blocked = right.sign_in("ann")  # Ann herself, at a new browser at the attacker's own address
    assert blocked.status == 429
    assert 0 < blocked.json["wait_s"] <= 30
    assert "try again in" in blocked.error
    forward(web, 31)
    assert right.sign_in("ann").status == 200
    right.close()
    failed = [event for event in told(station) if event["what"] == "login_failed"]
    assert len(failed) <= 3 + took_s / 60  # ten thousand tries are not ten thousand rows


def test_many_names_from_one_address_are_slowed_down_too(
    clinic: Any, new_browser: NewBrowser
) -> None:
    _, web = clinic
    at_home = new_browser("ann")
    auth = web.server.auth
    keys = [("address", "127.0.0.1")]
    for _ in range(70):
        auth._throttle.wrong(keys, auth._clock.now_us())
    assert new_browser().sign_in("bea").status == 429
    assert at_home.sign_in("ann").status == 200
    elsewhere = new_browser(source="127.0.0.2")
    assert elsewhere.sign_in("bea").status == 200


def test_a_user_who_does_not_exist_takes_as_long_and_sounds_the_same(
    new_browser: NewBrowser,
) -> None:
    def asked(user: str) -> tuple[float, str]:
        browser = new_browser()
        began = time.monotonic()
        answer = browser.sign_in(user, "wrong wrong wrong")
        return time.monotonic() - began, json.dumps([answer.status, answer.json])

    # In turns: what else the computer does meanwhile makes both slow.
    pairs = [(asked("ann"), asked("nobody")) for _ in range(3)]
    there, not_there = zip(*pairs, strict=True)
    assert {said for _, said in there} == {said for _, said in not_there}
    shortest = [min(seconds for seconds, _ in each) for each in (there, not_there)]
    assert 0.5 < shortest[0] / shortest[1] < 2.0


def test_a_form_that_is_too_long_is_refused(new_browser: NewBrowser) -> None:
    assert new_browser().sign_in("ann", "x" * 10_000).status == 413
    assert new_browser().post("/login", {}).status == 401


def test_logs_name_nobody(
    clinic: Any, new_browser: NewBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ann = new_browser("ann")
    ann.post("/auth/lock")
    ann.post("/auth/unlock", {"user": "bea", "pin": "9999"})
    ann.post("/auth/emergency", {"reason": "Mr Smith fell"})
    new_browser().sign_in("theo", "wrong")
    new_browser().sign_in("my password by mistake", "wrong")
    assert "emergency access at screen" in caplog.text
    secrets = ("Ann", "Bea", "Theo", "theo", "Smith", "by mistake", PASSWORD, ann.screen)
    ours = [
        r.getMessage() for r in caplog.records if r.name.split(".")[0] in ("dashboard", "vitals")
    ]
    for secret in secrets:
        assert not [line for line in ours if secret in line]
    station, _ = clinic
    ward.wait_until(lambda: kinds(station).count("login_failed") == 2)
    assert {e["user"] for e in told(station) if e["what"] == "login_failed"} == {"theo", "unknown"}
