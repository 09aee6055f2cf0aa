"""Who may speak to the server, and what every answer carries."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from dashboard.app import local_only
from tests.dashboard import ward
from vitals import wire


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("gate")
    now_us = ward.now_us()
    with ward.ward(folder, [ward.room(1, session=ward.session("room-1", now_us))]) as (_, web):
        yield web


def ask(web: Any, path: str, method: str = "GET", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b"{}" if method == "POST" else None
    request = urllib.request.Request(  # noqa: S310 the scheme is ours
        web.address + path, body, named, method=method
    )
    try:
        return urllib.request.urlopen(request, timeout=10)  # noqa: S310
    except urllib.error.HTTPError as error:
        return error


def text(answer: Any) -> str:
    with answer:
        body: str = answer.read().decode()
    return body


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", None])
@pytest.mark.parametrize("path", ["/live", "/_dash-ws-callback"])
def test_a_socket_from_another_page_is_refused_with_403(
    web: Any, path: str, origin: str | None
) -> None:
    url = web.address.replace("http", "ws") + path
    with pytest.raises(InvalidStatus) as refused, connect(url, origin=origin, proxy=None):
        pass
    assert refused.value.response.status_code == 403


def test_a_socket_from_a_page_of_this_server_is_greeted_first(web: Any) -> None:
    url = web.address.replace("http", "ws") + "/live?waves=room-1"
    with connect(url, origin=web.address, proxy=None) as ws:
        first = wire.decode_down(wire.split(ws.recv())[0])
        assert isinstance(first, wire.Hello)
        assert (first.station, first.mode, first.v) == ("ward", "demo", wire.VERSION)
        assert "PerMessageDeflate" in str(ws.protocol.extensions)


def test_a_socket_that_sends_nonsense_is_closed(web: Any) -> None:
    url = web.address.replace("http", "ws") + "/live"
    with connect(url, origin=web.address, proxy=None) as ws:
        ws.send('{"t":"auth","token":"x"}')
        with contextlib.suppress(ConnectionClosed):
            while True:
                ws.recv()
        assert ws.close_code == 4400


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_host_name_that_is_not_ours_is_refused(web: Any, host: str) -> None:
    answer = ask(web, "/api/v1/state", Host=host)
    assert answer.status == 403
    assert "error" in json.loads(text(answer))


@pytest.mark.parametrize("origin", ["http://evil.example", None])
def test_a_callback_from_another_page_is_refused(web: Any, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = ask(web, "/_dash-update-component", "POST", Content_Type="application/json", **headers)
    assert answer.status == 403
    answer.close()


@pytest.mark.parametrize("path", ["/", "/room/room-1", "/review/x", "/healthz", "/api/v1/state"])
def test_every_answer_keeps_itself_to_this_server(web: Any, path: str) -> None:
    with ask(web, path) as answer:
        headers = answer.headers
        assert answer.status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-eval" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_program_files_are_cached_and_our_own_by_what_is_in_them(web: Any) -> None:
    page = text(ask(web, "/room/room-1"))
    build = page.split('data-build="')[1].split('"')[0]
    ours = re.findall(r"/assets/kv-[^\"'<>]+", page)
    assert len(ours) > 50
    assert all(each.endswith(f"?build={build}") for each in ours), "an upgrade is seen at once"
    with ask(web, ours[-1]) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
    for address in (ours[-1].replace(build, "0" * 16), "/assets/kv-none.js?build=" + build):
        answer = ask(web, address)
        assert answer.headers["Cache-Control"] == "no-cache", "not these bytes, by that name"
        answer.close()
    plotly = page.split('data-plotly="')[1].split('"')[0]
    with ask(web, plotly) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert "javascript" in answer.headers["Content-Type"]
    with ask(web, "/assets/kv-30-link.js") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


def test_any_address_serves_the_whole_page_even_as_the_very_first(web: Any) -> None:
    page = text(ask(web, "/room/room-1"))
    for part in ("kv-90-main.js", "kv-00-base.css", "dash_renderer", "DashRenderer"):
        assert part in page
    assert "_dash-ws-callback" not in page
    assert "watchdog.worker.js" not in page  # it is a worker, not a script of the page
    assert "https://" not in page


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_the_frameworks_own_pages_are_not_served(web: Any, path: str) -> None:
    assert "swagger" not in text(ask(web, path)).lower()


@pytest.mark.parametrize("path", ["/api/", "/api/v1/nothing", "/api/v2/state"])
def test_an_unknown_address_of_the_api_is_404_in_json(web: Any, path: str) -> None:
    answer = ask(web, path)
    assert answer.status == 404
    assert "error" in json.loads(text(answer))


def test_health_says_whether_the_station_is_there(web: Any) -> None:
    health = json.loads(text(ask(web, "/healthz")))
    assert (health["ok"], health["link"], health["station"]) == (True, "live", "ward")


def test_the_state_is_the_snapshot_that_pages_get(web: Any) -> None:
    state = wire.decode_down(text(ask(web, "/api/v1/state")))
    assert isinstance(state, wire.Snapshot)
    assert [room.id for room in state.rooms] == ["room-1"]


def test_metrics_tell_of_clients_and_of_the_station(web: Any) -> None:
    url = web.address.replace("http", "ws") + "/live"
    ward.wait_until(lambda: web.server.clock.beat)
    with connect(url, origin=web.address, proxy=None) as ws:
        ws.recv()
        lines = text(ask(web, "/metrics")).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values["vitals_web_live_clients"] == "1"
    assert values["vitals_web_station_link"] == "1"
    assert 0 <= float(values["vitals_web_station_age_seconds"]) < 3
    assert any(name.startswith("vitals_web_build_info{version=") for name in values)


def test_dashs_own_socket_and_address_are_taken_out_of_its_configuration() -> None:
    element = '<script type="application/json">{"a": 1, "websocket": {}, "dash_version_url": "https://x"}</script>'
    assert local_only(element) == element.split(",")[0] + "}</script>"
