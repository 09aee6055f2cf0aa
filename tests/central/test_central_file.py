"""`central.toml`: what it says, and what is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dashboard.people_commands import user
from tests.dashboard import people
from vitals import people_file
from vitals.central.central_file import load
from vitals.errors import ConfigError
from vitals.web_config import check_access

DSN = 'dsn = "host=/var/run/postgresql dbname=kap user=viewer_ward"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "central.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = f'[central]\n{DSN}password = "file:secret"\nroot_cert = "ca.pem"\nfolder = "kept"\n'
    found = load(write(tmp_path, text))
    assert found.central.password == f"file:{tmp_path / 'secret'}"
    assert found.central.root_cert == tmp_path / "ca.pem"
    assert found.central.folder == tmp_path / "kept"
    assert found.base == tmp_path / "kept" / "central"
    assert (found.web.host, found.web.port) == ("127.0.0.1", 8050)


def reached(path: Path) -> None:
    """What `vitals central` looks at before it serves."""
    settings = load(path)
    check_access(settings.web, people_file.path_of(settings.base), path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "central: field required"),
        ("[central]\n", "central.dsn"),
        (
            f"[central]\n{DSN}foldr = 'x'\n",
            'central.foldr: there is no such key; did you mean "folder"',
        ),
        (f"[centrl]\n{DSN}", 'did you mean "central"'),
        (f"[central]\n{DSN}[web]\nport = 0\n", "web.port"),
        (f"[central]\n{DSN}[web]\nprot = 1\n", 'did you mean "port"'),
        (f"[central]\n{DSN}password = 'secret'\n", "never the password itself"),
        (
            '[central]\ndsn = "host=h dbname=d user=u password=x"\n',
            "a password does not stand here",
        ),
        ('[central]\ndsn = "host=pg.example dbname=d user=u"\n', "central.root_cert"),
        ('[central]\ndsn = "host=h dbname=d user=u sslmode=require"\n', "verify-full"),
        (f"[central]\n{DSN}[web]\ntls_cert = 'a'\n", "go together"),
        ("[central\n", "not valid TOML"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read"):
        load(tmp_path / "nothing.toml")


def test_other_computers_reach_it_with_accounts_and_tls_only(tmp_path: Path) -> None:
    text = f'[central]\n{DSN}[web]\nhost = "0.0.0.0"\n'
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=r"needs accounts and TLS"):
        reached(path)
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    path = write(tmp_path, text + 'tls_cert = "cert.pem"\ntls_key = "key.pem"\n')
    with pytest.raises(ConfigError, match="make an account"):
        reached(path)
    (tmp_path / "central").mkdir()
    people.add(tmp_path / "central" / "central", "ann")
    reached(path)
    (tmp_path / "key.pem").unlink()
    with pytest.raises(ConfigError, match=r"web\.tls_key: there is no file"):
        reached(path)


def test_the_accounts_of_the_centre_are_made_by_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, f"[central]\n{DSN}")
    common = ["--role", "nurse", "--stdin", "--config", str(path)]
    runner = CliRunner()
    made = runner.invoke(
        user, ["add", "ann", "--room", "st-1:room-2", *common], input="long enough 7\n"
    )
    assert made.exit_code == 0, made.output
    listed = runner.invoke(user, ["list", "--config", str(path)])
    assert "st-1:room-2" in listed.output
    assert people_file.any_enabled(people_file.path_of(load(path).base))
    refused = runner.invoke(user, ["add", "bob", "--room", "room-2", *common], input="x\n")
    assert "station:room" in refused.output
