"""The people themselves: names, passwords, PINs, waits; and the file that they are in."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import screens
from dashboard.accounts import Accounts
from dashboard.failures import Failures
from dashboard.login_page import local
from dashboard.passwords import check_password, check_pin, hashed, matches
from dashboard.screens import Screen
from dashboard.throttle import FREE, LONGEST_S, Throttle
from vitals import people_file
from vitals.model import US
from vitals.people_file import PeopleError

T0 = 1_800_000_000 * US


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return people_file.path_of(tmp_path / "vitals.db")


@pytest.fixture
def accounts(path: Path) -> Iterator[Accounts]:
    opened = Accounts(path, create=True)
    yield opened
    opened.close()


def add(accounts: Accounts, user: str, **more: Any) -> Any:
    facts = {"name": "", "role": "nurse", "rooms": [], "password": "h", "now_us": T0, "by": "t"}
    return accounts.add(user, **{**facts, **more})


# --- the file ----------------------------------------------------------------------------------


def test_the_file_and_its_logs_are_their_owners_alone(path: Path, accounts: Accounts) -> None:
    add(accounts, "ann")
    for suffix in ("", "-wal", "-shm"):
        assert stat.S_IMODE(Path(f"{path}{suffix}").stat().st_mode) == 0o600


def test_nothing_that_opens_a_door_is_in_it(path: Path, accounts: Accounts) -> None:
    add(accounts, "ann", password=hashed("correct horse 7"))
    person = accounts.person("ann")
    accounts.set_pin(person, hashed("2580"), T0, "t")
    cookie = "the-id-in-the-cookie"
    screen = Screen(screens.key_of(cookie), person.id, T0, False, 0, T0)
    with accounts.changing():
        screens.add(accounts.connection, screen)
    accounts.connection.pragma("wal_checkpoint")
    everything = b"".join(Path(f"{path}{s}").read_bytes() for s in ("", "-wal"))
    for secret in (b"correct horse 7", b"2580\x00", cookie.encode()):
        assert secret not in everything
    assert everything.count(b"$argon2id$v=19$m=65536,t=3,p=1$") >= 2


def test_without_a_file_there_are_no_accounts_and_none_is_made(path: Path) -> None:
    assert not people_file.any_enabled(path)
    with pytest.raises(PeopleError, match="there are no accounts; make one with `vitals user add`"):
        Accounts(path)
    assert not path.exists()


def test_accounts_are_in_force_while_one_is_enabled(path: Path, accounts: Accounts) -> None:
    assert not people_file.any_enabled(path)
    ann = add(accounts, "ann")
    assert people_file.any_enabled(path)
    add(accounts, "bea")
    accounts.set_disabled(ann, True, T0, "t")
    assert people_file.any_enabled(path)
    with pytest.raises(PeopleError, match="'bea' is the last account that is enabled"):
        accounts.set_disabled(accounts.person("bea"), True, T0, "t")


def test_another_programs_file_is_refused_and_left_alone(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE theirs(x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(PeopleError, match="belongs to another program"):
        Accounts(path, create=True)
    assert path.read_bytes() == before
    path.write_bytes(b"no database at all, but long enough to look like one" * 20)
    with pytest.raises(PeopleError, match="cannot be used"):
        Accounts(path, create=True)


# --- people ------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["", "a b", "ä", "-a", "a" * 41, "a/b", "a'b"])
def test_a_user_name_is_plain(accounts: Accounts, user: str) -> None:
    with pytest.raises(PeopleError, match="no user name"):
        add(accounts, user)


@pytest.mark.parametrize("name", ["nurse", "Demo", "SYSTEM", "emergency", "Emergency 3f9a"])
def test_a_name_that_means_something_else_in_the_record_is_refused(
    accounts: Accounts, name: str
) -> None:
    with pytest.raises(PeopleError, match="means something else in the record"):
        add(accounts, "ann", name=name)


def test_no_two_people_can_be_mixed_up_in_the_record(accounts: Accounts) -> None:
    ann = add(accounts, "Ann", name="Ann  Ä.")
    assert (ann.user, ann.name) == ("ann", "Ann Ä.")
    with pytest.raises(PeopleError, match="there is a user 'ann' already"):
        add(accounts, "ANN", name="Other")
    with pytest.raises(PeopleError, match="somebody is called"):
        add(accounts, "other", name="aNN ä.")
    add(accounts, "bea")
    accounts.set_disabled(ann, True, T0, "t")
    with pytest.raises(PeopleError, match="somebody is called"):  # not even after she has left
        accounts.change(
            accounts.person("bea"), name="ann ä.", role=None, rooms=None, now_us=T0, by="t"
        )


def test_a_change_changes_what_it_says_and_nothing_else(accounts: Accounts) -> None:
    ann = add(accounts, "ann", rooms=["r2", "r1", "r2"])
    assert ann.rooms == frozenset({"r1", "r2"})
    changed = accounts.change(ann, name=None, role="clinician", rooms=None, now_us=T0, by="t")
    assert (changed.role, changed.rooms, changed.name) == ("clinician", ann.rooms, "ann")
    changed = accounts.change(ann, name="Ann", role=None, rooms=[], now_us=T0, by="t")
    assert (changed.name, changed.rooms) == ("Ann", None)
    with pytest.raises(PeopleError, match="there is no role 'boss'; known are nurse, therapist"):
        accounts.change(ann, name=None, role="boss", rooms=None, now_us=T0, by="t")


def test_every_change_waits_to_be_recorded_with_who_did_it(accounts: Accounts) -> None:
    ann = add(accounts, "ann")
    add(accounts, "bea")
    accounts.set_password(ann, "h2", T0, "root")
    accounts.set_pin(ann, "p", T0, "root")
    accounts.set_pin(ann, None, T0, "root")
    accounts.set_disabled(ann, True, T0, "root")
    accounts.set_disabled(ann, False, T0, "root")
    events = [facts for _, facts in accounts.events()]
    assert [facts["what"] for facts in events] == [
        "account_added", "account_added", "password_changed", "pin_changed", "pin_removed",
        "account_disabled", "account_enabled",
    ]  # fmt: skip
    assert {facts["by"] for facts in events[2:]} == {"root"}
    assert all("h2" not in str(facts) for facts in events)


def test_who_is_disabled_or_has_a_new_password_is_signed_out(accounts: Accounts) -> None:
    ann = add(accounts, "ann")
    bea = add(accounts, "bea")

    def sign_in() -> dict[str, Screen]:
        with accounts.changing():
            for person in (ann, bea):
                key = screens.key_of(f"{person.user} {len(accounts.events())}")
                screens.add(accounts.connection, Screen(key, person.id, T0, False, 0, T0))
        return screens.load(accounts.connection, T0, 600)

    assert len(sign_in()) == 2
    accounts.set_password(ann, "h", T0, "t")
    assert [s.person for s in screens.load(accounts.connection, T0, 600).values()] == [bea.id]
    sign_in()
    accounts.set_disabled(ann, True, T0, "t")
    left = screens.load(accounts.connection, T0, 600).values()
    assert {screen.person for screen in left} == {bea.id}


def test_what_was_signed_out_is_not_brought_back_by_what_was_on_its_way(accounts: Accounts) -> None:
    ann = add(accounts, "ann")
    screen = Screen(screens.key_of("x"), ann.id, T0, False, 0, T0)
    with accounts.changing():
        screens.add(accounts.connection, screen)
        screens.forget(accounts.connection, screen.key)
        screens.save(accounts.connection, screen.lock())
    assert screens.load(accounts.connection, T0, 600) == {}


def test_a_screen_that_no_browser_has_shown_for_a_week_is_signed_out(accounts: Accounts) -> None:
    ann = add(accounts, "ann")
    for name in ("seen", "gone"):
        with accounts.changing():
            screens.add(accounts.connection, Screen(name, ann.id, T0, False, 0, T0))
    later_us = T0 + 8 * 86_400 * US
    screens.seen(accounts.connection, Screen("seen", ann.id, T0, True, 0, T0), later_us - US)
    (found,) = screens.load(accounts.connection, later_us, 600).values()
    assert (found.key, found.state) == ("seen", "locked")


# --- secrets -----------------------------------------------------------------------------------


def test_a_hash_fits_its_password_and_no_other() -> None:
    known = hashed("correct horse 7")
    assert known != hashed("correct horse 7")  # salted
    assert matches(known, "correct horse 7")
    for wrong in ("correct horse 8", "", "correct horse 7 "):
        assert not matches(known, wrong)
    assert not matches(None, "nobody")
    assert not matches("not a hash", "x")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short 123", "at least 10"),
        ("x" * 257, "at most 256"),
        ("aaaaaaaaaaaa", "easily guessed"),
        ("Ann.Kowalski", "easily guessed"),
    ],
)
def test_a_weak_password_is_refused_in_one_sentence(password: str, why: str) -> None:
    with pytest.raises(PeopleError, match=why):
        check_password(password, "ann.kowalski", "Ann K.")
    check_password("long enough 1", "ann", "Ann")


@pytest.mark.parametrize("pin", ["123", "123456789", "12a4", "", "٣٤٥٦", "1111", "1234", "8765"])
def test_a_pin_has_four_to_eight_digits_that_do_not_count(pin: str) -> None:
    with pytest.raises(PeopleError, match="PIN"):
        check_pin(pin)


@pytest.mark.parametrize("pin", ["2580", "13579246", "1212"])
def test_any_other_pin_will_do(pin: str) -> None:
    check_pin(pin)


# --- waits -------------------------------------------------------------------------------------

KEYS = [("place", ("ann", "10.0.0.1")), ("account", "ann"), ("address", "10.0.0.1")]


def test_the_wait_grows_to_half_a_minute_and_ends_with_the_right_password() -> None:
    throttle, now_us, waits = Throttle(), T0, []
    for _ in range(15):
        waits.append(throttle.wait_s(KEYS, now_us))
        now_us += round(waits[-1] * US)
        throttle.wrong(KEYS, now_us)
    assert waits == [0] * 5 + [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    assert throttle.wait_s([("place", ("bea", "10.0.0.1"))], now_us) == 0
    throttle.right(KEYS[0])
    assert throttle.wait_s(KEYS[:1], now_us) == 0


@given(st.lists(st.tuples(st.sampled_from(sorted(FREE)), st.integers(0, 10**9)), max_size=200))
def test_nobody_ever_waits_longer_than_half_a_minute(tries: list[tuple[str, int]]) -> None:
    throttle, now_us = Throttle(), T0
    for kind, pause_us in tries:
        now_us += pause_us
        throttle.wrong([(kind, "x")], now_us)
        assert 0 <= throttle.wait_s([(kind, "x")], now_us) <= LONGEST_S
    assert throttle.wait_s([(kind, "x") for kind in FREE], now_us + 30 * US) == 0


def test_what_is_remembered_is_bounded_and_forgotten() -> None:
    throttle = Throttle()
    for number in range(20_000):
        throttle.wrong([("account", number)], T0)
    assert len(throttle._counts) == 10_000
    for _ in range(40):
        throttle.wrong([("account", "x")], T0)
    assert throttle.wait_s([("account", "x")], T0) == LONGEST_S
    throttle.wrong([("account", "x")], T0 + 901 * US)
    assert throttle.wait_s([("account", "x")], T0 + 901 * US) == 0


def test_failures_are_told_at_once_and_then_once_a_minute() -> None:
    failures = Failures()
    assert failures.add("ann", "a", T0) == {"user": "ann", "address": "a", "count": 1}
    assert [failures.add("ann", "a", T0) for _ in range(500)] == [None] * 500
    assert failures.due(T0 + 59 * US) == []
    assert failures.due(T0 + 60 * US) == [{"user": "ann", "address": "a", "count": 500}]
    assert failures.due(T0 + 120 * US) == []
    told = [failures.add("unknown", f"10.0.{n}", T0) for n in range(1000)]
    assert len([one for one in told if one]) <= 51


# --- addresses ---------------------------------------------------------------------------------


@given(st.text(max_size=30))
def test_whatever_is_wanted_after_signing_in_is_on_this_server(wanted: str) -> None:
    address = local(wanted)
    assert address.startswith("/")
    assert not address.startswith("//")
    assert "\\" not in address
    with contextlib.suppress(UnicodeEncodeError):
        assert b"\n" not in address.encode()
