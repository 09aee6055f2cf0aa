"""The penetration list, part two: what somebody who is in may not see, and not do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.dashboard import people
from tests.dashboard.people import Browser, Live
from tests.security.conftest import NewBrowser
from tests.security.house import post_json
from vitals.session.permissions import EXPORT_NAMES, MAY, WEB_EVENT

ACTS = sorted(set(MAY) - {EXPORT_NAMES})
LOCKED_TOO = {"call_nurse", "emergency"}
OWN, OTHER = "room-1", "room-2"
SECRETS = ("KV-0002", "room-2", "Room 2", "ox2", "cuff2", "113.0", "secret of room 2")
"""What tells of the other room, in the record or live."""

People = Callable[[str], Browser]


@pytest.fixture(scope="module")
def other(house: Any) -> str:
    """The session of the room that Nora, Theo and Cleo may not see; it has been closed."""
    clinic, _ = house
    clinic.done("close_session", OTHER, reason="the next one")
    clinic.done("open_session", OTHER, subject_ref="KV-0002", route="iv")
    clinic.pressure(113, 71, OTHER)
    clinic.skip(0.5)
    uuid = str(clinic.session(OTHER).id)
    clinic.done("mark", OTHER, text="secret of room 2")
    return uuid


@pytest.fixture(scope="module")
def lines(signed_in: People) -> Callable[[str], Live]:
    """One socket of each person for the whole file."""
    open_now: dict[str, Live] = {}

    def of(user: str) -> Live:
        if user not in open_now:
            open_now[user] = signed_in(user).live()
        return open_now[user]

    return of


_ids = itertools.count()


def send(live: Live, kind: str, /, room: str = OWN, ident: str = "", **args: Any) -> Any:
    """The answer to a command that claims everything that a page could claim."""
    ident = ident or f"tried-{next(_ids)}"
    claims = {"name": "Dr Somebody", "role": "admin", "identity": "account"}
    body = {"t": "command", "id": ident, "kind": kind, "room": room, "args": args}
    live.socket.send(json.dumps({**body, **claims}))

    def answers() -> list[Any]:
        return [each for each in live.seen if each["t"] == "result" and each["id"] == ident]

    live.until(answers, 30)
    answer = answers()[0]
    live.seen.remove(answer)
    return answer


def seen_by_the_station(house: Any) -> set[str]:
    return {f"{each.kind} in {each.room}" for each in house[0].commands}


# --- rooms --------------------------------------------------------------------------------------


def routes(described: Any) -> list[tuple[str, str]]:
    return [
        (method.upper(), "/api" + path if not path.startswith("/api") else path)
        for path, methods in described["paths"].items()
        for method in methods
        if method in ("get", "post", "delete", "put", "patch")
    ]


def test_no_route_of_the_api_opens_a_session_of_another_room(signed_in: People, other: str) -> None:
    ann, nora = signed_in("ann"), signed_in("nora")
    asked = [each for each in routes(ann.get("/api/v1/openapi.json").json) if "{" in each[1]]
    assert len(asked) >= 14
    for method, path in asked:
        there = path.replace("{uuid}", other).replace("{room}", OTHER).replace("{job_id}", "x")
        query = "?channel=spo2&from_us=0&to_us=1&px=10" if "wave" in path else ""
        answer = nora.ask(method, there + query, X_CSRFToken=nora.csrf, Origin=nora.origin)
        assert answer.status in (400, 404), (method, path, answer.text[:200])
        told = answer.text.replace(other, "").replace(f"'{OTHER}'", "")
        assert not [secret for secret in SECRETS if secret in told], (path, answer.text[:500])
    found = ann.get(f"/api/v1/sessions/{other}/events")
    assert "secret of room 2" in found.text  # it was there to be found


def test_lists_state_and_search_keep_to_ones_own_rooms(signed_in: People, other: str) -> None:
    nora = signed_in("nora")
    for path in (
        "/api/v1/state", "/api/v1/sessions", "/api/v1/sessions?room=room-2",
        "/api/v1/sessions?q=KV-0002", "/api/v1/sessions?subject=KV-0002",
        f"/api/v1/sessions?q={other}", "/api/v1/sessions?room=%25",
    ):  # fmt: skip
        answer = nora.get(path)
        assert answer.status in (200, 400)
        assert not [secret for secret in (*SECRETS, other) if secret in answer.text], path


@pytest.mark.parametrize("kind", ["export", "what-if"])
def test_no_job_reads_a_session_of_another_room(signed_in: People, other: str, kind: str) -> None:
    nora = signed_in("nora")
    body = {"export": {"session": other, "format": "csv", "names": False},
            "what-if": {"session": other, "rule": "spo2-low", "level": 1, "limit": 80}}  # fmt: skip
    answer = post_json(nora, f"/api/v1/jobs/{kind}", body[kind])
    assert answer.status in (400, 404), answer.text


def test_a_job_is_its_askers_alone(house: Any, signed_in: People) -> None:
    uuid = house[0].session(OWN).id
    ann, nora = signed_in("ann"), signed_in("nora")
    begun = post_json(ann, "/api/v1/jobs/export", {"session": uuid, "format": "csv"})
    assert begun.status == 202, begun.text
    path = f"/api/v1/jobs/{begun.json['id']}"
    for method, where in (("GET", path), ("GET", path + "/file"), ("DELETE", path)):
        answer = nora.ask(method, where, Origin=nora.origin, X_CSRFToken=nora.csrf)
        assert answer.status == 404
    assert ann.get(path).status == 200
    gone = ann.ask("DELETE", path, Origin=ann.origin, X_CSRFToken=ann.csrf)
    assert gone.status in (200, 204)


@pytest.mark.parametrize("kind", sorted(set(ACTS) - {WEB_EVENT}))
def test_no_act_reaches_another_room(house: Any, lines: Any, other: str, kind: str) -> None:
    before = len(house[0].commands)
    args = {"session": other, "device": "cuff2", "to": OTHER, "to_room": OTHER, "text": "x"}
    answer = send(lines("nora"), kind, OTHER, **args)
    assert (answer["ok"], "may not see" in answer["error"]) == (False, True)
    assert house[0].commands[before:] == []


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("move_session", {"to": OTHER}),
        ("rebind_device", {"device": "cuff2", "to_room": OWN}),
        ("rebind_device", {"device": "cuff1", "to_room": OTHER}),
        ("claim_device", {"device": "ox2"}),
        ("identify", {"device": "ox2"}),
        ("start_nibp", {"device": "cuff2"}),
        ("stop_nibp", {"device": "cuff2"}),
        ("confirm_own_alarm", {"device": "ox2"}),
        ("addendum", {"text": "not mine"}),
        ("sign_record", {"statement": "reviewed"}),
    ],
)
def test_no_act_in_ones_own_room_reaches_into_another(
    house: Any, lines: Any, other: str, kind: str, args: dict[str, Any]
) -> None:
    """The other session is closed for it, so that nothing but the room is in the way."""
    clinic, _ = house
    before = clinic.room(OTHER)
    more = {"session": other} if kind in ("addendum", "sign_record") else {}
    answer = send(lines("cleo" if kind == "sign_record" else "nora"), kind, OWN, **args, **more)
    assert not answer["ok"], answer
    after = clinic.room(OTHER)
    assert [each.id for each in after.devices] == [each.id for each in before.devices]
    assert after.session is not None
    assert after.session.id == before.session.id
    assert not clinic.keepers["cuff2"].asked


# --- roles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "role"),
    [("nora", "nurse"), ("theo", "therapist"), ("cleo", "clinician"), ("bea", "prescriber")],
)
def test_no_role_does_more_than_the_table_says(lines: Any, user: str, role: str) -> None:
    """Whatever role a page claims, in the message or in its arguments."""
    beyond = [kind for kind in ACTS if role not in MAY[kind]]
    assert beyond
    for kind in beyond:
        claimed = {"role": "admin", "actor": "bea", "identity": "account", "device": "cuff1"}
        claimed |= {"to": OWN}
        answer = send(lines(user), kind, "" if kind == WEB_EVENT else OWN, **claimed)
        assert not answer["ok"], kind
        words = answer["error"]
        assert "may not" in words or "sign" in words, (kind, words)


def test_names_are_for_those_who_may_have_them(house: Any, signed_in: People) -> None:
    uuid = house[0].session(OWN).id
    body = {"session": uuid, "format": "csv", "names": True}
    for user in ("nora", "theo"):
        assert post_json(signed_in(user), "/api/v1/jobs/export", body).status == 400
    events = signed_in("nora").get(f"/api/v1/sessions/{uuid}/events?names=1")
    assert events.status in (400, 403)
    plain = signed_in("nora").get(f"/api/v1/sessions/{uuid}/events")
    assert "Anna" not in plain.text


# --- the same id again --------------------------------------------------------------------------


def test_nobody_gets_the_answer_to_anothers_act(house: Any, lines: Any) -> None:
    first = send(lines("ann"), "mark", OWN, "mine", text="by Ann")
    assert first["ok"], first
    again = send(lines("ann"), "mark", OWN, "mine", text="by Ann")
    assert again["ok"]  # pressing again is harmless
    for user in ("nora", "bea"):
        stolen = send(lines(user), "mark", OWN, "mine", text="by somebody else")
        assert not stolen["ok"]
        assert "belongs to another command" in stolen["error"]
    other_kind = send(lines("ann"), "call_nurse", OWN, "mine")
    assert not other_kind["ok"]
    texts = [mark.text for mark in house[0].room(OWN).marks]
    assert [text for text in texts if "by " in text] == ["by Ann"]


# --- a locked screen ----------------------------------------------------------------------------


def test_a_locked_screen_shows_and_does_nothing(house: Any, new_browser: NewBrowser) -> None:
    browser = new_browser("otto")
    live = browser.live()
    uuid = house[0].session(OWN).id
    assert browser.post("/auth/lock").status == 200
    before = len(house[0].commands)
    for kind in sorted(set(ACTS) - LOCKED_TOO):
        answer = send(live, kind, OWN)
        assert (answer["ok"], answer.get("locked")) == (False, True), kind
    assert house[0].commands[before:] == []
    for path in (
        "/api/v1/sessions", f"/api/v1/sessions/{uuid}", f"/api/v1/sessions/{uuid}/report.pdf",
        f"/api/v1/sessions/{uuid}/events", f"/api/v1/sessions/{uuid}/figure", "/api/v1/exports",
    ):  # fmt: skip
        assert browser.get(path).status == 423, path
    body = {"session": uuid, "format": "csv"}
    assert post_json(browser, "/api/v1/jobs/export", body).status == 423
    assert browser.get("/api/v1/state").status == 200  # the live view goes on
    # Emergency access is a nurse's, whatever the person was.
    assert browser.post("/auth/emergency", {"reason": "found unresponsive"}).status == 200
    assert "may not" in send(live, "set_limit", OWN)["error"]
    assert browser.post("/auth/lock").status == 200
    live.socket.close()


def test_pins_cannot_be_tried_out(new_browser: NewBrowser) -> None:
    browser = new_browser("otto")
    assert browser.post("/auth/lock").status == 200
    told = [browser.post("/auth/unlock", {"user": "cleo", "pin": f"13{n}7"}) for n in range(7)]
    assert [each.status for each in told][:5] == [401] * 5
    assert [each.status for each in told][5:] == [403] * 2
    right = browser.post("/auth/unlock", {"user": "cleo", "pin": people.PIN})
    assert right.status == 403
