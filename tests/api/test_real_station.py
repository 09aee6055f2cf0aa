"""The API beside the real station: what is read becomes rows of its chain, and it has numbers."""

from __future__ import annotations

from typing import Any

import msgspec

from dashboard.api import shapes
from tests.api.programs import GENEROUS, Program
from tests.api.test_metrics import parse
from tests.dashboard import live_clinic, ward
from vitals.store.reader import Reader
from vitals.store.verify import verify


def test_an_open_session_is_read_noted_and_counted(tmp_path: Any) -> None:
    with live_clinic.live_clinic(tmp_path, access=GENEROUS) as (station, web):
        station.arrive()
        uuid = station.session().id
        program = Program(web)

        def told() -> shapes.Numerics:
            answer = program.get(f"/api/v1/sessions/{uuid}/numerics?channel=nibp_sys")
            assert answer.status == 200, answer.text
            return msgspec.json.decode(answer.body, type=shapes.Numerics)

        ward.wait_until(lambda: told().total >= 2, "both pressures are recorded")
        values = [one.value for one in told().numerics]
        assert (values[0], values[-1]) == (124, 126)

        reader = Reader(station.config.station.store)

        def rows() -> list[Any]:
            return [r for r in reader.audit(None) if r.body.get("event") == "web"]

        ward.wait_until(rows, "the reading is recorded")
        (row,) = rows()
        assert (row.actor, row.role, row.session) == ("nurse", "system", None)
        assert (row.body["told"]["what"], row.body["told"]["session"]) == ("read", uuid)

        def numbers() -> dict[str, dict[str, float]]:
            return parse(program.get("/metrics").text)

        ward.wait_until(lambda: "vitals_store_commits_total" in numbers())
        found = numbers()
        assert found["vitals_store_commits_total"][""] > 0
        assert found["vitals_store_free_bytes"][""] > 0
        assert found["vitals_store_last_commit_seconds"][""] < 60
        assert found["vitals_station_recording"][""] == 1
        assert found["vitals_room_session_open"]['room="room-1"'] == 1
        store = station.config.station.store
        station.done("close_session", reason="over")
    assert verify(store).ok
