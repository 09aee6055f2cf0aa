"""How a config names the central server: what is refused, what is added, what stays secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vitals import config
from vitals.central import dsn
from vitals.config import CentralConfig
from vitals.errors import CentralError, ConfigError

REMOTE = "host=pg-1.clinic,pg-2.clinic dbname=kap user=station_north"
LOCAL = "host=127.0.0.1 dbname=kap user=station_north"
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1)


def central(text: str, password: str = "", root_cert: Path | None = None) -> CentralConfig:
    return CentralConfig(dsn=text, password=password, root_cert=root_cert)


@given(dbname=TEXT, user=TEXT, options=TEXT)
def test_what_libpq_writes_is_read_as_libpq_reads_it(dbname: str, user: str, options: str) -> None:
    text = make_conninfo(host="a,b", dbname=dbname, user=user, options=options)
    assert dsn.parse(text) == conninfo_to_dict(text)


@given(TEXT)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = dsn.parse(text)
    except ValueError:
        return
    assert all(found)


@pytest.mark.parametrize(
    "text",
    ["host = 'a'  dbname=kap\tuser='a b'", r"user=a\ b host=x", r"user='it\'s' host=/run/pg", ""],
)
def test_spaces_quotes_and_escapes_are_those_of_libpq(text: str) -> None:
    assert dsn.parse(text) == conninfo_to_dict(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LOCAL + " password=x", "a password does not stand here"),
        (LOCAL + " passfile=/x", "a password does not stand here"),
        (LOCAL + " usre=x", 'did you mean "user"?'),
        ("dbname=kap user=x", "host is missing"),
        ("host=127.0.0.1 user=x", "dbname is missing"),
        ("host=127.0.0.1 dbname=kap", "user is missing"),
        ("host=127.0.0.1,,::1 dbname=kap user=x", "a host between two commas is empty"),
        ("postgresql://x@y/kap", "write keywords"),
        ("host", "keyword=value"),
        (REMOTE, "name the certificate of its authority in central.root_cert"),
        (REMOTE + " sslmode=require sslrootcert=/x", "sslmode must be verify-full"),
        (REMOTE + " sslmode=verify-ca sslrootcert=/x", "sslmode must be verify-full"),
        ("host=127.0.0.1,pg-2 sslmode=prefer dbname=kap user=x", "sslmode must be verify-full"),
        ("host=127.0.0.1 hostaddr=10.0.0.7 dbname=kap user=x", "central.root_cert"),
        (LOCAL + " sslmode=disable", None),
        ("host=/run/postgresql,::1,localhost dbname=kap user=x", None),
        (REMOTE + " sslrootcert=system", None),
        (REMOTE + " sslmode=verify-full sslrootcert=/x", None),
    ],
)
def test_what_would_be_unsafe_or_wrong_is_refused_in_one_sentence(
    text: str, words: str | None
) -> None:
    found = dsn.unfit(central(text))
    if words is None:
        assert found is None
        return
    assert found is not None
    assert (found[0], words in found[1]) == ("central.dsn", True), found


@pytest.mark.parametrize("typed", ["hunter2", "keyring:a/b", "file:", "plain:x"])
def test_a_password_where_its_place_belongs_is_refused_and_not_repeated(typed: str) -> None:
    found = dsn.unfit(central(LOCAL, typed))
    assert found is not None
    assert found[0] == "central.password"
    assert "never the password itself" in found[1]
    assert "hunter2" not in found[1]


def test_a_network_is_crossed_encrypted_and_dead_connections_are_found(tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_text("a certificate")
    found = dsn.keywords(central(REMOTE, root_cert=root), "vitals sender")
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", str(root))
    assert found["gssencmode"] == "disable"
    assert found["target_session_attrs"] == "read-write"
    assert (found["connect_timeout"], found["tcp_user_timeout"]) == ("2", "3000")
    assert (found["host"], found["keepalives"]) == ("pg-1.clinic,pg-2.clinic", "1")
    quick = dsn.keywords(central(LOCAL + " connect_timeout=9"), "vitals", writes=False)
    assert quick["connect_timeout"] == "9"
    assert not quick.keys() & {"sslmode", "target_session_attrs"}
    with pytest.raises(CentralError, match="there is no file"):
        dsn.keywords(central(REMOTE, root_cert=tmp_path / "none.pem"), "vitals")


def test_the_one_text_says_the_same(tmp_path: Path) -> None:
    secret = tmp_path / "pass'word"
    secret.write_text("it's \\ secret\n")
    secret.chmod(0o600)
    found = central(LOCAL, f"file:{secret}")
    text = dsn.conninfo(found, "vitals central")
    assert conninfo_to_dict(text) == dsn.keywords(found, "vitals central")
    assert conninfo_to_dict(text)["password"] == "it's \\ secret"  # noqa: S105
    assert dsn.told(found) == "kap on 127.0.0.1"


def test_a_password_that_others_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "password"
    path.write_text("x")
    path.chmod(0o644)
    with pytest.raises(CentralError, match="chmod 600"):
        dsn.password(f"file:{path}")
    with pytest.raises(CentralError, match="No such file"):
        dsn.password(f"file:{tmp_path / 'none'}")
    with pytest.raises(CentralError, match="no file"):
        dsn.password(f"file:{tmp_path}")
    monkeypatch.delenv("KAP_PASSWORD", raising=False)
    with pytest.raises(CentralError, match="KAP_PASSWORD"):
        dsn.password("env:KAP_PASSWORD")
    monkeypatch.setenv("KAP_PASSWORD", "y")
    assert dsn.password("env:KAP_PASSWORD") == "y"


def parsed(tmp_path: Path, table: str) -> config.Config:
    text = f'[[room]]\nid = "r1"\n[central]\n{table}'
    return config.parse(text, path=tmp_path / "clinic.toml")


def test_a_config_finds_its_files_from_where_it_is(tmp_path: Path) -> None:
    found = parsed(tmp_path, f'dsn = "{REMOTE}"\npassword = "file:p"\nroot_cert = "ca.pem"').central
    assert found is not None
    assert (found.password, found.root_cert) == (f"file:{tmp_path / 'p'}", tmp_path / "ca.pem")
    assert config.parse('[[room]]\nid = "r1"', path=tmp_path / "c").central is None


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (f'dsn = "{LOCAL} password=x"', "central.dsn"),
        (f'dsn = "{LOCAL}"\npassword = "x"', "central.password"),
        (f'dsn = "{LOCAL}"\nrootcert = "x"', "central.rootcert"),
        ("", "central.dsn"),
    ],
)
def test_a_config_that_cannot_be_names_the_key(tmp_path: Path, table: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(tmp_path, table)
    assert caught.value.key == key
