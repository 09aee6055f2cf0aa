"""The way to the server is encrypted and its certificate is looked at, or there is no way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboard import tls
from tests.central.cluster import PASSWORD, Cluster, Database
from tests.central.run import run

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tls.Files:
    """An authority, and a certificate for `localhost` and 127.0.0.1."""
    return tls.make(tmp_path_factory.mktemp("tls"), [], datetime.now(UTC))


@pytest.fixture(scope="module")
def server(authority: tls.Files) -> Iterator[Cluster]:
    """A server that takes nobody by TCP without TLS; it listens on 127.0.0.2, too."""
    hba = ("hostnossl all all all reject",)
    with Cluster(listen="127.0.0.1,127.0.0.2", hba=hba) as cluster:
        for name, path in (("server.pem", authority.cert), ("server.key", authority.key)):
            cluster.put(name, path.read_bytes())
        with (cluster.data / "postgresql.conf").open("a") as conf:
            conf.write(
                f"ssl = on\nssl_cert_file = '{cluster.folder}/server.pem'\n"
                f"ssl_key_file = '{cluster.folder}/server.key'\n"
            )
        cluster.stop()
        cluster.start()
        yield cluster


@pytest.fixture(scope="module")
def database(server: Cluster) -> Iterator[Database]:
    with server.fresh_database() as database:
        yield database


@pytest.fixture
def status(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """`vitals central status` of a viewer, by a host and with an authority."""
    monkeypatch.setenv("OF_VIEWER", PASSWORD)

    def ask(host: str, root_cert: Path, mode: str = "verify-full") -> tuple[int, str, str]:
        dsn = database.viewer(host=host, inline=False)
        return run(
            capsys,
            *("status", "--dsn", f"{dsn} sslmode={mode}"),
            *("--password", "env:OF_VIEWER", "--root-cert", root_cert),
        )

    return ask


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_server_of_the_named_authority_is_trusted_by_each_of_its_names(
    host: str, status: Ask, authority: tls.Files
) -> None:
    assert status(host, authority.ca) == (
        0,
        "No stations; `vitals central station add` makes one.\n",
        "",
    )


def test_another_authority_is_refused_in_one_sentence(status: Ask, tmp_path: Path) -> None:
    other = tls.make(tmp_path, [], datetime.now(UTC))
    code, out, err = status("localhost", other.ca)
    assert (code, out) == (2, "")
    assert "its certificate is not signed by the authority of root_cert" in err
    assert len(err.splitlines()) == 1


def test_a_name_that_is_not_in_the_certificate_is_refused_in_one_sentence(
    status: Ask, authority: tls.Files
) -> None:
    code, _, err = status("127.0.0.2", authority.ca)
    assert code == 2
    assert "its certificate is made out to another name" in err
    assert len(err.splitlines()) == 1


def test_an_authority_that_is_not_there_is_refused_before_anything_is_tried(
    status: Ask, tmp_path: Path
) -> None:
    code, _, err = status("localhost", tmp_path / "none.pem")
    assert (code, "there is no file" in err) == (2, True)


def test_a_server_that_wants_tls_takes_nobody_without(status: Ask, authority: tls.Files) -> None:
    code, _, err = status("127.0.0.1", authority.ca, mode="disable")
    assert (code, "its pg_hba.conf does not let this computer" in err) == (2, True)


def test_a_server_without_tls_is_refused(
    cluster: Cluster,
    authority: tls.Files,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OF_VIEWER", PASSWORD)
    with cluster.fresh_database() as plain:
        dsn = f"{plain.viewer(host='127.0.0.1', inline=False)} sslmode=verify-full"
        code, _, err = run(
            capsys,
            *("status", "--dsn", dsn, "--password", "env:OF_VIEWER"),
            *("--root-cert", authority.ca),
        )
    assert (code, "it does not speak TLS; turn ssl on" in err) == (2, True)
