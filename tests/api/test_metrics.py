"""/metrics: what it says, what it never says, and that the dashboards read what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.metrics_station import of_station
from dashboard.station_clock import StationClock
from tests.api import programs
from tests.api.programs import Program
from tests.dashboard import ward
from vitals import wire
from vitals.model import US

DOCS = Path(__file__).parents[2] / "docs"
LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+)')


def parse(text: str) -> dict[str, dict[str, float]]:
    """Family -> labels -> value, strictly."""
    assert text.endswith("\n")
    found: dict[str, dict[str, float]] = {}
    told: dict[str, set[str]] = {"HELP": set(), "TYPE": set()}
    for line in text.splitlines():
        if line.startswith("# "):
            _, what, name, rest = line.split(" ", 3)
            assert rest
            assert name not in told[what], f"{name} is told twice"
            told[what].add(name)
            continue
        match = LINE.fullmatch(line)
        assert match, line
        name, labels, value = match[1], match[2] or "", float(match[3])
        assert name in told["HELP"] & told["TYPE"], f"{name} comes before its type"
        assert labels not in found.setdefault(name, {}), line
        found[name][labels] = value
    return found


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a ward in which everything is going on."""
    folder: Path = tmp_path_factory.mktemp("metrics")
    with programs.clinic(folder) as (station, web, shown):
        station.vitals("room-1")
        status = wire.DeviceStatusMsg(
            room="room-1",
            device=ward.OXIMETER,
            heard_us=station.now_us,
            rejected=7,
            reconnects=2,
        )
        acked = ward.alarm("room-1", "pr-high", priority="medium", acked_by="Ann K.")
        store = wire.StoreMsg(queued=3, waiting_s=0.5, commits=9, commit_s=0.01, committed_s=1.5)
        beat = wire.BeatMsg(now_us=station.now_us, late_ms=2.5, store=store)
        station.beating = False
        station.publish(status, ward.alarm("room-1"), acked, beat)
        scraper = Program(web, shown["scraper"])
        ward.wait_until(lambda: "vitals_store_queued_rows" in scraper.get("/metrics").text)
        Program(web, shown["research"]).get("/api/v1/sessions")
        yield scraper.get("/metrics").text


def value(text: str, name: str, **labels: str) -> float:
    named = ",".join(f'{key}="{word}"' for key, word in labels.items())
    return parse(text)[name][named]


def test_it_tells_of_rooms_devices_alarms_record_and_web(scraped: str) -> None:
    bed = {"room": "room-1", "device": ward.OXIMETER, "driver": "test"}
    assert value(scraped, "vitals_room_session_open", room="room-1") == 1
    assert value(scraped, "vitals_device_rejected_frames_total", **bed) == 7
    assert value(scraped, "vitals_device_reconnects_total", **bed) == 2
    assert value(scraped, "vitals_device_link", **bed, state="streaming") == 1
    assert value(scraped, "vitals_device_link", **bed, state="lost") == 0
    high = {"room": "room-1", "priority": "high", "state": "unacknowledged"}
    medium = {"room": "room-1", "priority": "medium", "state": "acknowledged"}
    assert value(scraped, "vitals_alarms", **high) == 1
    assert value(scraped, "vitals_alarms", **medium) == 1
    assert value(scraped, "vitals_alarms", **{**high, "room": "room-2"}) == 0
    assert value(scraped, "vitals_store_queued_rows") == 3
    assert value(scraped, "vitals_store_lag_seconds") == 0.5
    assert value(scraped, "vitals_store_last_commit_seconds") == 1.5
    assert value(scraped, "vitals_station_recording") == 1
    assert value(scraped, "vitals_station_late_seconds") == 0.0025
    assert value(scraped, "vitals_web_station_link") == 1
    assert value(scraped, "vitals_web_worker_up") == 1
    ages = parse(scraped)["vitals_value_age_seconds"]
    assert all(0 <= age < 60 for age in ages.values())
    assert any('channel="spo2"' in labels for labels in ages)


def test_it_never_tells_of_a_patient_or_a_person(scraped: str) -> None:
    for word in ("KV-0417", "KV-0900", "Ann", "s-room-1", "SpO2 ", programs.ONE):
        assert word not in scraped
    assert 'channel="spo2"} 97' not in scraped


def test_without_a_station_it_says_so_and_goes_on() -> None:
    families = {family.name: family for family in of_station(wire.Snapshot(), StationClock(), 1)}
    assert families["vitals_value_age_seconds"].samples == []
    assert "vitals_station_recording" not in families


def test_ages_are_real_seconds_whatever_the_speed_of_the_station() -> None:
    clock = StationClock()
    clock.hear(wire.BeatMsg(now_us=1000 * US, speed=10.0), 0)
    numeric = wire.NumericMsg(room="r", channel="pr", device="d", at_us=980 * US, value=70)
    state = wire.Snapshot(rooms=[wire.RoomMsg(id="r", label="R", numerics=[numeric])])
    (family,) = (f for f in of_station(state, clock, 0) if f.name == "vitals_value_age_seconds")
    assert family.samples == [({"room": "r", "device": "d", "channel": "pr"}, 2.0)]


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"\b((?:vitals|process)_[a-z_]+)\b", text))


def test_dashboard_and_rules_ask_for_metrics_that_there_are(scraped: str) -> None:
    there = set(parse(scraped))
    dashboard = json.loads((DOCS / "grafana" / "kap-vitals.json").read_text())
    asked = {target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())}
    assert len(asked) > 10
    rules = (DOCS / "grafana" / "alerts.yml").read_text()
    for text in (*asked, rules):
        assert metrics_in(text) <= there, text
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_metric_is_explained_and_nothing_else(scraped: str) -> None:
    explained = set(
        re.findall(r"^\| `((?:vitals|process)_[a-z_]+)", (DOCS / "metrics.md").read_text(), re.M)
    )
    assert explained == set(parse(scraped))


def test_the_scrape_config_shows_a_token() -> None:
    text = (DOCS / "grafana" / "prometheus.yml").read_text()
    assert "authorization" in text
    assert "metrics_path: /metrics" in text


def test_a_wild_name_does_not_break_the_format() -> None:
    wild = 'r"1\\\n{x}'
    state = wire.Snapshot(rooms=[wire.RoomMsg(id=wild, label="R")])
    from dashboard.metrics import _lines

    text = "".join(_lines(of_station(state, StationClock(), 0)))
    labels = next(iter(parse(text)["vitals_room_session_open"]))
    assert labels == 'room="r\\"1\\\\\\n{x}"'
