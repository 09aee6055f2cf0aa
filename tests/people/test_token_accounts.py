"""Tokens as they are kept, and `vitals user token` at a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from dashboard import tokens
from dashboard.accounts import Accounts
from vitals import cli, people_file
from vitals.model import US
from vitals.people_file import PeopleError

T0 = 1_800_000_000 * US
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db"


@pytest.fixture
def accounts(store: Path) -> Iterator[Accounts]:
    opened = Accounts(people_file.path_of(store), create=True)
    yield opened
    opened.close()


@pytest.fixture
def run(store: Path, accounts: Accounts, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `vitals user token …`: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code: object = 0
        try:
            cli.main(["user", "token", *arguments, "--store", str(store)])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return int(str(code or 0)), said.out, said.err

    return run


def make(accounts: Accounts, name: str = "lab", role: str = "clinician", **more: object) -> str:
    settings = {"rooms": (), "expires_us": T0 + 60 * US, "now_us": T0, "by": "root", **more}
    return tokens.add(accounts, name, role=role, **settings)  # type: ignore[arg-type]


def test_what_is_kept_does_not_let_anybody_in(accounts: Accounts, store: Path) -> None:
    shown = make(accounts, rooms=["r2", "r1"])
    (kept,) = tokens.tokens(accounts)
    assert shown.startswith("kv_")
    assert len(shown) > 40
    assert (kept.name, kept.role, kept.rooms) == ("lab", "clinician", frozenset({"r1", "r2"}))
    accounts.close()
    for file in store.parent.iterdir():
        assert shown.encode() not in file.read_bytes()


def test_no_two_tokens_are_alike(accounts: Accounts) -> None:
    assert len({make(accounts, f"t{n}") for n in range(20)}) == 20
    with pytest.raises(PeopleError, match="there is, or was, a token 't1'"):
        make(accounts, "t1")
    tokens.revoke(accounts, "t1", T0, "root")
    with pytest.raises(PeopleError, match="there is, or was"):
        make(accounts, "t1")


@pytest.mark.parametrize("name", ["", "A b", "a" * 27, "../x", "x\n", "-x"])
def test_a_name_is_plain(accounts: Accounts, name: str) -> None:
    with pytest.raises(PeopleError, match="no name of a token"):
        make(accounts, name)


def test_it_has_an_end_and_a_known_role(accounts: Accounts) -> None:
    with pytest.raises(PeopleError, match="expired already"):
        make(accounts, expires_us=T0)
    with pytest.raises(PeopleError, match="no role 'operator'"):
        make(accounts, role="operator")
    make(accounts)
    (kept,) = tokens.tokens(accounts)
    assert kept.why_not(T0 + 60 * US - 1) == ""
    assert "has expired" in kept.why_not(T0 + 60 * US)
    tokens.revoke(accounts, "lab", T0 + 1, "root")
    (kept,) = tokens.tokens(accounts)
    assert "was revoked" in kept.why_not(T0)


def test_making_and_revoking_wait_to_be_recorded(accounts: Accounts) -> None:
    shown = make(accounts, rooms=["r1"])
    tokens.revoke(accounts, "lab", T0 + 1, "ann")
    tokens.revoke(accounts, "lab", T0 + 2, "ann")  # once is enough
    told = [facts for _, facts in accounts.events()]
    assert [(one["what"], one["token"], one["by"]) for one in told] == [
        ("token_added", "lab", "root"),
        ("token_revoked", "lab", "ann"),
    ]
    assert (told[0]["role"], told[0]["rooms"]) == ("clinician", "r1")
    assert shown not in str(told)


def test_no_person_can_be_called_like_a_token(accounts: Accounts) -> None:
    with pytest.raises(PeopleError, match="means something else"):
        accounts.add(
            "eve",
            name="API token lab",
            role="nurse",
            rooms=(),
            password="h",  # noqa: S106
            now_us=T0,
            by="t",
        )


def test_accounts_of_the_first_version_get_a_place_for_tokens(tmp_path: Path) -> None:
    path = tmp_path / "old.people"
    old = apsw.Connection(str(path))
    old.execute(people_file.MIGRATIONS[0])
    old.execute(f"PRAGMA application_id = {people_file.APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    old.execute(
        "INSERT INTO person(user, name, role, rooms, password, created_us)"
        " VALUES ('ann', 'Ann', 'nurse', '[]', 'h', 1)"
    )
    old.close()
    opened = Accounts(path)
    assert [person.name for person in opened.people()] == ["Ann"]
    make(opened)
    assert [token.name for token in tokens.tokens(opened)] == ["lab"]
    opened.close()


def test_a_token_is_made_listed_and_revoked_at_a_terminal(run: Run, accounts: Accounts) -> None:
    code, shown, said = run("add", "lab", "--role", "clinician", "--room", "r1", "--expires", "9d")
    assert code == 0
    assert "not shown again" in said
    assert tokens.tokens(accounts)[0].key == tokens.key_of(shown.strip())
    code, listed, _ = run("list")
    assert listed.splitlines()[1].split()[:3] == ["lab", "clinician", "r1"]
    assert listed.splitlines()[1].endswith("good")
    assert shown.strip() not in listed
    assert run("revoke", "lab")[0] == 0
    (facts,) = json.loads(run("list", "--json")[1])
    assert (facts["state"], facts["rooms"]) == ("revoked", ["r1"])
    code, _, said = run("revoke", "nothing")
    assert (code, "there is no token 'nothing'" in said) == (2, True)


@pytest.mark.parametrize(
    ("expires", "ok"),
    [("never", True), ("2999-01-31", True), ("90d", True), ("0d", False), ("soon", False),
     ("2001-01-01", False)],
)  # fmt: skip
def test_an_end_can_be_given_in_three_ways(
    run: Run, accounts: Accounts, expires: str, ok: bool
) -> None:
    code, _, said = run("add", "lab", "--role", "metrics", "--expires", expires)
    assert code == (0 if ok else 2), said
    if expires == "never":
        assert tokens.tokens(accounts)[0].expires_us is None


def test_without_accounts_there_are_no_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "none.db")
    with pytest.raises(SystemExit) as ended:
        cli.main(["user", "token", "add", "lab", "--role", "metrics", "--store", nowhere])
    assert ended.value.code == 2
    assert "vitals user add" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
