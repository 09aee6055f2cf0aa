"""What is left behind: no secret in a log, no file that another user of the computer may read.

Everything here runs with the umask 000, and logs from DEBUG on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dashboard import tokens
from devices.transports import mllp_listen
from tests.dashboard import people
from tests.dashboard.people import Browser
from tests.dashboard.ward import wait_until
from tests.security.house import STATION_LOG, WEB_LOG, post_json, umask
from vitals import feed_file, wire
from vitals.model import US

pytestmark = pytest.mark.long

OURS_TO_READ = {WEB_LOG, "web.address", STATION_LOG}
"""Files that this test itself has made."""
TYPED_BY_MISTAKE = "hunter2 typed as a user"
WRONG, WRONG_PIN = "a wrong password 9", "8642"
PSEUDONYM, NOTE = "KV-7391", "Mrs Sample of Sampletown"
PUBLIC = {"ca.pem", "server.pem"}
NOBODY = 65534


@pytest.fixture(scope="module")
def day(house: Any) -> dict[str, str]:
    """A day of work in the house; all that is secret of it, by what it is."""
    clinic, web = house
    store = clinic.config.station.store
    with people.accounts_of(store) as accounts:
        now_us = people.now_us()
        shown = tokens.add(
            accounts, "research", role="clinician", rooms=(), expires_us=now_us + 3600 * US,
            now_us=now_us, by="root",
        )  # fmt: skip
    thief, ann = Browser(web), Browser(web)
    for user, password in (("bea", WRONG), (TYPED_BY_MISTAKE, people.PASSWORD), ("ann", "")):
        assert thief.sign_in(user, password).status == 401
    assert thief.get("/api/v1/state", Authorization="Bearer made-up-token-123").status == 401
    assert thief.get("/api/v1/state", Cookie=f"{_name(ann)}=made-up-cookie").status == 401
    assert ann.sign_in("ann").status == 200
    live = ann.live()
    for kind, args in (
        ("close_session", {"reason": NOTE}),
        ("open_session", {"subject_ref": PSEUDONYM, "route": "iv"}),
        ("mark", {"text": NOTE}),
        ("dose", {"drug": NOTE, "mg": "a lot"}),
    ):
        live.command(kind, "room-1", **args)
    live.socket.send(json.dumps({"t": "command", "id": PSEUDONYM, "kind": NOTE}))
    uuid = clinic.session().id
    for path in ("", "/events", "/report.pdf", "/figure", "/numerics?channel=spo2"):
        assert ann.get(f"/api/v1/sessions/{uuid}{path}").status == 200, path
    assert ann.get(f"/api/v1/sessions?q={PSEUDONYM}").status == 200
    job = post_json(ann, "/api/v1/jobs/export", {"session": uuid, "format": "csv"})
    assert job.status == 202, job.text
    job_path = f"/api/v1/jobs/{job.json['id']}"
    wait_until(lambda: ann.get(job_path).json["state"] not in ("waiting", "running"), "the job")
    assert ann.get(job_path + "/file").status == 200
    assert ann.post("/auth/lock").status == 200
    ann.post("/auth/unlock", {"user": "bea", "pin": WRONG_PIN})
    ann.post("/auth/unlock", {"user": "bea", "pin": people.PIN})
    ann.post("/auth/lock")
    ann.post("/auth/emergency", {"reason": NOTE})
    where = feed_file.read(clinic.config.feed_file)
    for first in ({"t": "auth", "v": wire.VERSION, "token": "a guess"}, {"t": NOTE}):
        with connect(f"ws://127.0.0.1:{where.port}/", proxy=None) as ws:
            ws.send(json.dumps(first))
            with pytest.raises(ConnectionClosed):
                ws.recv(timeout=30)
    ids = dict(ann.cookies)
    ann.post("/auth/logout")
    thief.close()
    ann.close()
    return {
        "feed token": where.token,
        "API token": shown,
        "password": people.PASSWORD,
        "wrong password": WRONG,
        "PIN": people.PIN,
        "wrong PIN": WRONG_PIN,
        "password typed as a user": TYPED_BY_MISTAKE,
        "pseudonym": PSEUDONYM,
        "older pseudonym": "KV-0417",
        "name of a patient": NOTE,
        "name of a person": "Ann K.",
        "user": "bea",
        "session": uuid,
        **{f"cookie {name}": value for name, value in ids.items()},
    }


def _name(browser: Browser) -> str:
    return next((name for name in browser.cookies if "-screen-" in name), "kv-screen")


@pytest.mark.parametrize("log", [WEB_LOG, STATION_LOG])
def test_no_log_has_a_secret_or_a_person_in_it(house: Any, day: dict[str, str], log: str) -> None:
    text = (house[0].folder / log).read_text(errors="replace")
    found = [what for what, secret in day.items() if re.search(rf"\b{re.escape(secret)}\b", text)]
    assert found == []
    assert "refused" in text or "failed" in text  # something was logged that could have told it


def test_no_secret_is_an_argument_of_a_process(house: Any, day: dict[str, str]) -> None:
    pid = house[1].process.pid
    told = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    for what in ("feed token", "API token", "password", "pseudonym"):
        assert day[what].encode() not in told, what


def open_to_others(folder: Path) -> list[str]:
    """Files and folders below it that anybody but their owner may read or write."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a journal that was just let go
            mode = path.lstat().st_mode
            private = path.parent != folder and not path.parent.stat().st_mode & 0o077
            if mode & 0o077 and not stat.S_ISLNK(mode) and not private:
                found.append(f"{oct(mode & 0o777)} {path.relative_to(folder)}")
    return [each for each in found if each.split("/")[-1].split(" ")[-1] not in OURS_TO_READ]


def test_no_file_of_station_or_web_is_for_others(house: Any, day: dict[str, str]) -> None:
    clinic, web = house
    ann = Browser(web)
    assert ann.sign_in("ann").status == 200
    body = {"session": day["session"], "format": "csv"}
    assert post_json(ann, "/api/v1/jobs/export", body).status == 202
    here = {path.name for path in clinic.folder.iterdir()}
    store = clinic.config.station.store.name
    assert {store, f"{store}.feed", f"{store}.people", f"{store}-wal"} <= here
    assert open_to_others(clinic.folder) == []
    ann.close()


def commands(store: Path, session: str) -> Iterator[tuple[str, ...]]:
    """Everything on the command line that writes files."""
    of_store = ("--store", str(store))
    for form, name in (("csv", "a.zip"), ("csv", "tables"), ("pdf", "a.pdf"), ("fhir", "a.json"),
                       ("hl7", "a.hl7"), ("rems", "rems.pdf"), ("vital", "a.vital")):  # fmt: skip
        yield (
            "sessions",
            "export",
            session,
            "--format",
            form,
            "--out",
            name,
            "--store",
            str(store),
        )
    yield ("backup", "--to", "copy.db", *of_store)
    yield ("key", "new", "the.key")
    yield ("tls", "init", "--out", "tls", "--host", "monitor.example")


def test_what_commands_write_is_for_nobody_else(
    house: Any, day: dict[str, str], tmp_path: Path
) -> None:
    store = house[0].config.station.store
    for args in commands(store, day["session"]):
        done = subprocess.run(
            [sys.executable, "-m", "vitals.cli", *args],
            cwd=tmp_path,
            umask=0,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, (args, done.stderr)
    found = [each for each in open_to_others(tmp_path) if each.split("/")[-1] not in PUBLIC]
    assert [each for each in found if not each.endswith(" tls")] == []
    assert len(list(tmp_path.iterdir())) >= 10


# --- other programs of the computer, and other computers ----------------------------------------


def test_another_user_of_the_computer_reads_nothing(house: Any, day: dict[str, str]) -> None:
    """Asked as somebody else where the tests may become that, else of the modes alone."""
    clinic = house[0]
    if os.getuid() != 0:
        assert open_to_others(clinic.folder) == []
        return
    for folder in (clinic.folder, *clinic.folder.parents[:3]):
        folder.chmod(0o777)  # only the files' own modes shall be in the way
    try:
        read = "import os,sys; print([p for p in sys.argv[1:] if os.access(p, os.R_OK | os.W_OK)])"
        store = clinic.config.station.store
        files = [f"{store}{end}" for end in ("", "-wal", ".feed", ".people")]
        done = subprocess.run(
            ["/usr/bin/python3", "-c", read, *files],
            user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        assert done.stdout.strip() == b"[]"
    finally:
        for folder in (clinic.folder, *clinic.folder.parents[:3]):
            folder.chmod(0o700)


@pytest.mark.parametrize(
    "first",
    [
        {"t": "auth", "v": wire.VERSION, "token": ""},
        {"t": "auth", "v": wire.VERSION, "token": "x" * 43},
        {"t": "auth", "v": wire.VERSION, "token": "x" * 500_000},
        {"t": "command", "id": "1", "kind": "dose", "room": "room-1", "name": "x", "role": "admin"},
        {"t": "audience", "armed": 1, "pages": 1},
        [],
        "[" * 100_000,
        None,
    ],
)
def test_the_feed_is_for_those_who_can_read_its_file(house: Any, first: Any) -> None:
    where = feed_file.read(house[0].config.feed_file)
    before = len(house[0].commands)
    with connect(f"ws://127.0.0.1:{where.port}/", proxy=None, max_size=None) as ws:
        if first is not None:
            ws.send(first if isinstance(first, str) else json.dumps(first))
        with pytest.raises(ConnectionClosed) as closed:
            assert ws.recv(timeout=30) is None, "it has told something"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code in (4400, 4401)
    assert len(house[0].commands) == before


def foreign_address() -> str:
    """An address of this computer that is not loopback; asks nobody."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with udp as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.2"


def test_feed_and_pages_do_not_listen_to_the_network(house: Any) -> None:
    clinic, web = house
    feed = feed_file.read(clinic.config.feed_file)
    for port in (feed.port, web.where[1]):
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((foreign_address(), port), timeout=5)


def test_hl7_from_a_computer_that_is_not_named_is_hung_up_on() -> None:
    """A gateway is known by its address alone: the protocol has nothing else."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def called(source: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        try:
            writer.write(b"\x0bMSH|^~\\&|G|||||1|ORU^R01|1|P|2.6\r\x1c\r")
            async with asyncio.timeout(20):
                with contextlib.suppress(ConnectionError):
                    return await reader.read(100) if source != "127.0.0.1" else b"taken"
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def listening() -> None:
        url = f"mllp-listen://127.0.0.1:{port}?from=127.0.0.1,10.20.0.0/16"
        link = await mllp_listen.connect(
            url, None, lambda chunk: got.put_nowait(chunk.data), _Now()
        )
        try:
            assert await called("127.0.0.66") == b""
            assert got.empty()
            assert await called("127.0.0.1") == b"taken"
            async with asyncio.timeout(20):
                assert b"ORU^R01" in await got.get()
        finally:
            await link.close()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    asyncio.run(listening())


class _Now:
    def now_us(self) -> int:
        return people.now_us()


def test_the_umask_of_this_test_is_what_it_says(tmp_path: Path) -> None:
    with umask(0):
        (tmp_path / "open").touch()
    assert open_to_others(tmp_path) == ["0o666 open"]
