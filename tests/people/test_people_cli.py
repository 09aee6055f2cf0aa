"""`vitals user` at a terminal and in a script."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.accounts import Accounts
from dashboard.passwords import matches
from vitals import cli, people_file

Run = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db"


@pytest.fixture
def run(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `vitals user …`; gives what it says, or its refusal after a ✗."""

    def run(*arguments: str, typed: str = "") -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code: object = 0
        try:
            cli.main(["user", *arguments, "--store", str(store)])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        assert code in (0, 2)
        return "✗ " + said.err if code else said.out

    return run


def test_an_account_is_added_changed_disabled_and_listed(run: Run, store: Path) -> None:
    said = run(
        "add", "ann", "--role", "nurse", "--name", "Ann K.", "--stdin", typed="correct 77x\n"
    )
    assert said == "ann (Ann K., nurse) can sign in; accounts are in force\n"
    run("add", "theo", "--role", "therapist", "--room", "r1", "--stdin", typed="correct 77x\n")
    assert "new PIN" in run("pin", "ann", "--stdin", typed="2580\n")
    assert "signed out everywhere" in run("passwd", "ann", "--stdin", typed="another 88y\n")
    assert (
        run("change", "theo", "--role", "nurse", "--all-rooms") == "theo: theo, nurse, all rooms\n"
    )
    assert run("change", "theo", "--room", "r2", "--room", "r1") == "theo: theo, nurse, r1, r2\n"
    assert "disabled" in run("disable", "theo")
    table = run("list").splitlines()
    assert table[0].split() == ["USER", "NAME", "ROLE", "ROOMS", "PIN", "LAST", "LOGIN", "STATE"]
    assert table[1].split() == [
        "ann",
        "Ann",
        "K.",
        "nurse",
        "all",
        "rooms",
        "yes",
        "never",
        "enabled",
    ]
    assert table[2].split() == ["theo", "theo", "nurse", "r1,", "r2", "-", "never", "disabled"]
    assert "enabled" in run("enable", "theo")
    people = json.loads(run("list", "--json"))
    assert [(p["user"], p["rooms"], p["disabled"]) for p in people] == [
        ("ann", None, False), ("theo", ["r1", "r2"], False),
    ]  # fmt: skip
    accounts = Accounts(people_file.path_of(store))
    password, pin = accounts.hashes(accounts.person("ann").id)
    accounts.close()
    assert matches(password, "another 88y")
    assert matches(pin, "2580")
    assert "no PIN any more" in run("pin", "ann", "--remove")


@pytest.mark.parametrize(
    ("arguments", "typed", "why"),
    [
        (("add", "bea", "--role", "nurse", "--stdin"), "short\n", "at least 10 characters"),
        (("add", "bea", "--role", "nurse"), "", "there is no terminal to ask on"),
        (("add", "bea", "--role", "boss", "--stdin"), "correct 77x\n", "'boss' is not one of"),
        (("add", "bea", "--stdin"), "correct 77x\n", "Missing option '--role'"),
        (("add", "b b", "--role", "nurse", "--stdin"), "correct 77x\n", "is no user name"),
        (("add", "ann", "--role", "nurse", "--stdin"), "correct 77x\n", "is a user 'ann' already"),
        (("pin", "ann", "--stdin"), "12\n", "a PIN has 4 to 8 digits"),
        (("pin", "ann", "--stdin"), "1234\n", "easily guessed"),
        (("passwd", "nobody", "--stdin"), "correct 77x\n", "there is no user 'nobody'"),
        (("disable", "ann"), "", "the last account that is enabled"),
        (("change", "ann"), "", "say what is to be changed"),
        (("change", "ann", "--room", "r1", "--all-rooms"), "", "different things"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    run: Run, arguments: tuple[str, ...], typed: str, why: str
) -> None:
    run("add", "ann", "--role", "nurse", "--stdin", typed="correct 77x\n")
    before = run("list", "--json")
    said = run(*arguments, typed=typed)
    assert said.startswith("✗ ")
    assert why in said
    assert run("list", "--json") == before


def test_a_password_is_never_an_argument(run: Run) -> None:
    assert "unexpected extra argument" in run("passwd", "ann", "secret-secret").lower()
    assert "no such option" in run("passwd", "ann", "--password", "secret-secret").lower()


def test_a_room_that_the_config_does_not_have_is_a_slip_of_the_pen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "clinic.toml"
    config.write_text('[[room]]\nid = "r1"\n')
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct 77x\n"))
    with pytest.raises(SystemExit):
        cli.main(
            [
                "user",
                "add",
                "a",
                "--role",
                "nurse",
                "--room",
                "r9",
                "--config",
                str(config),
                "--stdin",
            ]
        )
    assert "there is no room 'r9'; known are r1" in capsys.readouterr().err


def test_accounts_that_are_not_there_are_not_made_by_looking(run: Run, store: Path) -> None:
    assert "there are no accounts; make one with `vitals user add`" in run("list")
    assert not people_file.path_of(store).exists()


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(store: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "vitals.cli", "user", "add", "ann", "--role", "nurse"]
    with subprocess.Popen(
        [*command, "--store", str(store)], stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, cwd=Path(__file__).parents[2],
    ) as program:  # fmt: skip
        os.close(theirs)
        said = b""

        def read_until(word: bytes) -> None:
            nonlocal said
            while word not in said:
                said += os.read(ours, 4096)

        read_until(b"Password: ")
        os.write(ours, b"correct 77x\n")
        read_until(b"confirmation: ")
        os.write(ours, b"correct 77x\n")
        read_until(b"can sign in")
        assert program.wait(20) == 0
        os.close(ours)
    assert b"correct" not in said
