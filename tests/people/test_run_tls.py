"""`vitals run` for other computers: accounts, TLS, and a station that records who was there."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dashboard import tls
from tests.dashboard import people
from tests.e2e.clinic import Program, free_port, wait_for
from vitals.store.reader import Reader


def test_other_computers_are_served_over_tls_and_the_record_says_who_signed_in(
    tmp_path: Path,
) -> None:
    files = tls.make(tmp_path / "tls", [], datetime.now(UTC))
    people.add(tmp_path / "vitals.db", "ann", name="Ann K.")
    port = free_port()
    (tmp_path / "clinic.toml").write_text(
        '[station]\nid = "s"\nmode = "test"\nstore = "vitals.db"\n'
        f'[web]\nhost = "0.0.0.0"\nport = {port}\n'
        f'tls_cert = "{files.cert.relative_to(tmp_path)}"\n'
        f'tls_key = "{files.key.relative_to(tmp_path)}"\n[[room]]\nid = "room-1"\n'
    )
    with contextlib.ExitStack() as ends:
        clinic = Program(tmp_path, "run", "--config", "clinic.toml")
        ends.callback(clinic.stop)
        wait_for(lambda: f"https://{_name()}:{port}/" in clinic.said(), "the address", 60)
        trusting = ssl.create_default_context(cafile=str(files.ca))
        line = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=20)
        ends.callback(line.close)
        form = urlencode({"user": "ann", "password": people.PASSWORD})
        origin = f"https://127.0.0.1:{port}"
        line.request("POST", "/login", form, {"Origin": origin, "Accept": "application/json"})
        answer = line.getresponse()
        assert (answer.status, json.load(answer)) == (200, {"ok": True})

        def recorded() -> list[tuple[str, str]]:
            rows = [row for row in Reader(clinic.store).audit(None) if row.kind == "station_event"]
            told = [row for row in rows if row.body.get("event") == "web"]
            return [(row.body["told"]["what"], row.actor) for row in told]

        wait_for(lambda: ("login", "Ann K.") in recorded(), "the row of the sign-in")
        assert recorded()[0] == ("account_added", "Ann K.")
        assert not _personal(clinic.said())


def test_it_is_not_even_started_without_an_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tls.make(tmp_path / "tls", [], datetime.now(UTC))
    path = tmp_path / "clinic.toml"
    path.write_text(
        f'[web]\nhost = "0.0.0.0"\nport = {free_port()}\ntls_cert = "{files.cert}"\n'
        f'tls_key = "{files.key}"\n[[room]]\nid = "room-1"\n'
    )
    from vitals import cli

    for command in (["run"], ["web"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, "--config", str(path)])
        assert ended.value.code == 2
        assert "`vitals user add NAME --role nurse`" in capsys.readouterr().err


def _name() -> str:
    import socket

    return socket.gethostname()


def _personal(log: str) -> list[str]:
    return [line for line in log.splitlines() if "ann" in line.split() or "Ann" in line]
