"""Whatever lies between a station and the centre: every row arrives once, and no alarm waits.

Short forms; `python -m tests.central.outages` makes them in full. A real station and a real sender
in a network namespace, a real PostgreSQL with TLS at the other end of the cable.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.central import scene
from tests.central.netns import is_root
from tests.central.scene import Scene

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not is_root(),
        reason="network namespaces need Linux and root, as continuous integration has",
    ),
]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene.scene(Path(tmp_path_factory.mktemp("remote"))) as made:
        yield made


def test_a_pulled_plug_delays_rows_and_nothing_else(there: Scene) -> None:
    outcome = scene.link_down(there, 2)
    outcome.check()
    assert "st-1" in outcome.said


def test_a_blackhole_delays_rows_and_nothing_else(there: Scene) -> None:
    scene.blackhole(there, 2).check()


def test_a_killed_server_has_every_row_once_when_it_is_back(there: Scene) -> None:
    scene.server_killed(there, 1).check()


def test_lost_answers_make_no_row_twice(there: Scene) -> None:
    scene.answers_lost(there, 2, 0.25, 2).check()


def test_a_sender_that_is_killed_while_it_sends_loses_and_doubles_nothing(there: Scene) -> None:
    scene.killed(there, "sender", 1).check()


def test_a_station_that_is_killed_while_it_is_sent_from_loses_and_doubles_nothing(
    there: Scene,
) -> None:
    scene.killed(there, "station", 1).check()
