"""The OpenAPI document that the centre serves, against what its list takes and answers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dashboard.api import openapi
from dashboard.api.described_central import PlacedList
from dashboard.central_list import CentralQuestion
from tests.central.asking import centre, forget, run
from tests.central.cluster import Cluster
from tests.central.sent import send
from tests.export import records

LIST = "/api/v1/sessions"


def test_only_the_centres_document_has_places(cluster: Cluster, tmp_path: Path) -> None:
    store = records.write(tmp_path / "station.db", 60, pleth=False)

    async def ask() -> None:
        async with centre(database, tmp_path) as there:
            told = (await there.get("openapi.json")).json
            listed = told["paths"][LIST]["get"]
            taken = {one["name"]: one for one in listed["parameters"]}
            assert {"site", "clinic", "station"} <= taken.keys()
            for name, one in taken.items():
                word = one["schema"].get("enum", [""])[-1] or one.get("example", "")
                if one["schema"]["type"] == "string" and "format" not in one["schema"]:
                    answer = await there.get(f"sessions?{name}={word}".replace(" ", "%20"))
                    assert answer.status == 200, (name, answer.json)
            for order in taken["sort"]["schema"]["enum"]:
                assert (await there.get(f"sessions?sort={order}")).status == 200, order
            body = (await there.get("sessions?site=North&clinic=Main&station=n-1&sort=site")).body
            (one,) = msgspec.json.decode(body, type=PlacedList).sessions
            assert (one.room, one.station, one.site) == ("n-1:room-1", "n-1", "North")
            schema = listed["responses"]["200"]["content"]["application/json"]["schema"]
            assert schema["$ref"].endswith("/PlacedList")
            assert "station~uuid~record" in told["info"]["description"]
            assert "The site, exactly." in (await there.get("docs")).body.decode()

    with cluster.fresh_database() as database:
        send(database.station("n-1", site="North", clinic="Main"), "n-1", store)
        try:
            run(ask)
        finally:
            forget()


@pytest.mark.parametrize("name", ["site", "clinic", "station"])
def test_a_stations_document_has_none(name: str) -> None:
    local = openapi.document()["paths"][LIST]["get"]["parameters"]
    central = openapi.document(CentralQuestion)["paths"][LIST]["get"]["parameters"]
    assert name not in {one["name"] for one in local}
    assert name in {one["name"] for one in central}
