"""Certificates, and the pages over TLS: made, served, trusted by our own processes alone."""

from __future__ import annotations

import http.client
import json
import ssl
import stat
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from dashboard import tls
from devices import check_station
from tests.dashboard import people, ward
from tests.e2e.clinic import free_port
from vitals import cli, config, people_file, web_address
from vitals.errors import ConfigError
from vitals.supervisor import _health
from vitals.web_config import check_access

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tls.Files:
    return tls.make(tmp_path_factory.mktemp("tls"), ["clinic.test", "192.168.7.5"], NOW)


def clinic_file(folder: Path, files: tls.Files, host: str = "127.0.0.1") -> Path:
    path = folder / "clinic.toml"
    path.write_text(
        f'[station]\nstore = "ward.db"\n[web]\nhost = "{host}"\nport = {free_port()}\n'
        f'tls_cert = "{files.cert}"\ntls_key = "{files.key}"\n[[room]]\nid = "room-1"\n'
    )
    return path


# --- what is made ------------------------------------------------------------------------------


def test_a_client_that_trusts_the_authority_trusts_the_server_by_all_its_names(
    files: tls.Files,
) -> None:
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    cert = x509.load_pem_x509_certificate(files.cert.read_bytes())
    policy = PolicyBuilder().store(Store([ca])).time(NOW)
    for name in ("clinic.test", "localhost"):
        policy.build_server_verifier(x509.DNSName(name)).verify(cert, [])
    with pytest.raises(x509.verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("evil.test")).verify(cert, [])
    assert tls.names_of(files.cert) == {
        "clinic.test", "192.168.7.5", "localhost", "127.0.0.1", "::1",
    }  # fmt: skip


def test_the_authority_lasts_ten_years_and_the_server_825_days(files: tls.Files) -> None:
    found = [x509.load_pem_x509_certificate(p.read_bytes()) for p in (files.ca, files.cert)]
    lives = [cert.not_valid_after_utc - cert.not_valid_before_utc for cert in found]
    assert lives == [timedelta(days=3652), timedelta(days=825)]
    limits = found[0].extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)
    assert isinstance(found[1].public_key(), ec.EllipticCurvePublicKey)
    assert tls.days_left(files.cert, NOW) == 824


def test_keys_are_their_owners_alone(files: tls.Files) -> None:
    for key in (files.key, files.ca_key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"PRIVATE" not in files.cert.read_bytes() + files.ca.read_bytes()


def test_nothing_is_overwritten(files: tls.Files) -> None:
    before = [path.read_bytes() for path in files.present()]
    with pytest.raises(tls.TlsError, match="is there already and is not overwritten"):
        tls.make(files.ca.parent, [], NOW)
    assert [path.read_bytes() for path in files.present()] == before


@pytest.mark.parametrize("host", ["", "a b", "https://x", "ä.test", "x" * 300])
def test_a_name_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, host: str
) -> None:
    with pytest.raises(tls.TlsError, match="correct --host"):
        tls.make(tmp_path / "tls", [host], NOW)
    assert not (tmp_path / "tls").exists()


def test_the_command_says_what_to_do_with_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["tls", "init", "--host", "clinic.test", "--out", str(tmp_path / "tls")])
    said = capsys.readouterr().out
    for part in (
        "tls_cert = ",
        "tls_key = ",
        "ca.pem",
        "iOS",
        "Windows",
        "825 days",
        "clinic.test",
    ):
        assert part in said
    assert tls.fingerprint(tmp_path / "tls" / "ca.pem") in said
    with pytest.raises(SystemExit) as ended:
        cli.main(["tls", "init", "--out", str(tmp_path / "tls")])
    assert ended.value.code == 2


def reached(loaded: config.Config, path: Path) -> None:
    """What `vitals run` looks at before it serves."""
    check_access(loaded.web, people_file.path_of(loaded.station.store), path)


# --- who may be reached ------------------------------------------------------------------------


def test_others_are_let_in_only_with_accounts_and_tls(tmp_path: Path, files: tls.Files) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text('[web]\nhost = "0.0.0.0"\n[[room]]\nid = "r1"\n')
    with pytest.raises(ConfigError) as both:
        config.load(plain)
    for command in ("`vitals user add", "`vitals tls init`"):
        assert command in str(both.value)
    path = clinic_file(tmp_path, files, "0.0.0.0")  # noqa: S104
    loaded = config.load(path)
    with pytest.raises(ConfigError) as accounts:
        reached(loaded, path)
    assert "`vitals user add" in str(accounts.value)
    assert "tls init" not in str(accounts.value)
    people.add(tmp_path / "ward.db", "ann")
    reached(loaded, path)


def test_a_certificate_and_its_key_go_together(tmp_path: Path, files: tls.Files) -> None:
    path = tmp_path / "clinic.toml"
    path.write_text(f'[web]\ntls_cert = "{files.cert}"\n[[room]]\nid = "r1"\n')
    with pytest.raises(ConfigError, match="go together"):
        config.load(path)
    path.write_text('[web]\ntls_cert = "no.pem"\ntls_key = "no.key"\n[[room]]\nid = "r1"\n')
    with pytest.raises(ConfigError, match=r"web.tls_cert: there is no file .*no\.pem"):
        reached(config.load(path), path)


# --- served ------------------------------------------------------------------------------------


@contextmanager
def served(path: Path) -> Iterator[str]:
    """`vitals web` for a config; yields the address that it prints."""
    command = [sys.executable, "-m", "vitals.cli", "web", "--config", str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as web:
        try:
            assert web.stdout is not None
            yield web.stdout.readline().strip()
        finally:
            web.kill()


def test_the_pages_are_served_over_tls_and_watched_by_our_own_processes(
    tmp_path: Path, files: tls.Files
) -> None:
    people.add(tmp_path / "ward.db", "ann")
    path = clinic_file(tmp_path, files)
    loaded = config.load(path)
    station = ward.Station(tmp_path / "ward.db.feed", [ward.room(1)]).start()
    try:
        with served(path) as address:
            assert address == f"https://127.0.0.1:{loaded.web.port}/"
            url = web_address.local(loaded.web) + "healthz"
            ward.wait_until(lambda: _health(url, web_address.trust(loaded.web)).get("link"))
            assert _health(url) == {}  # the same question without the authority: not trusted
            ward.wait_until(lambda: check_station.web(loaded, expected=True).level == "ok")
            trusting = ssl.create_default_context(cafile=str(files.ca))
            line = http.client.HTTPSConnection("localhost", loaded.web.port, context=trusting)
            origin = f"https://localhost:{loaded.web.port}"
            form = f"user=ann&password={people.PASSWORD.replace(' ', '+')}"
            for given, status in ((origin, 200), (origin.replace("https", "http"), 403)):
                line.request(
                    "POST", "/login", form, {"Origin": given, "Accept": "application/json"}
                )
                answer = line.getresponse()
                answer.read()
                assert answer.status == status
                if status == 200:
                    cookies = answer.headers.get_all("set-cookie", [])
            assert len(cookies) == 3
            for cookie in cookies:
                assert cookie.startswith("__Host-kv-")
                assert "; Secure" in cookie
            line.request("GET", "/healthz", headers={"Host": f"clinic.test:{loaded.web.port}"})
            assert json.load(line.getresponse())["ok"]  # a name in the certificate
            line.request("GET", "/healthz", headers={"Host": "evil.test"})
            assert line.getresponse().status == 403
            line.close()
    finally:
        station.stop()


def test_another_authoritys_server_is_not_our_web(tmp_path: Path, files: tls.Files) -> None:
    other = tls.make(tmp_path / "other", [], NOW)
    theirs = clinic_file(tmp_path, other)
    with served(theirs):
        port = config.load(theirs).web.port
        ours = config.load(clinic_file(tmp_path, files)).web.model_copy(update={"port": port})
        url = web_address.local(ours) + "healthz"
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            web_address.ask(url, web_address.trust(ours), 5.0)
        assert _health(url, web_address.trust(ours)) == {}


def test_a_certificate_without_its_authority_is_trusted_as_it_is(
    tmp_path: Path, files: tls.Files
) -> None:
    """As it comes from elsewhere: no ca.pem beside it."""
    alone = tls.Files(tmp_path / "x", tmp_path / "x", tmp_path / "c.pem", tmp_path / "c.key")
    leaf = files.cert.read_text().partition("-----END CERTIFICATE-----")
    alone.cert.write_text(leaf[0] + leaf[1] + "\n")
    alone.key.write_bytes(files.key.read_bytes())
    path = clinic_file(tmp_path, alone)
    loaded = config.load(path)
    with served(path):
        url = web_address.local(loaded.web) + "healthz"
        assert _health(url, web_address.trust(loaded.web))["ok"]


def test_a_key_that_does_not_fit_is_refused_in_one_sentence(
    tmp_path: Path, files: tls.Files, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tls.make(tmp_path / "other", [], NOW)
    mixed = tls.Files(files.ca, files.ca_key, files.cert, other.key)
    with pytest.raises(SystemExit) as ended:
        cli.main(["web", "--config", str(clinic_file(tmp_path, mixed))])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "cannot be used together" in said
    assert said.count("\n") == 1
