"""`make central-faults`: every outage between station and centre in full, as a table.

    python -m tests.central.outages [--short] [--write]

Exit code 1 if a bar is missed. `--write` puts the table into docs/central-ha.md. Needs root and
the packages of `.ci/postgres`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.central import scene
from tests.central.patroni_pair import TIMES, Pair
from tests.central.scene import Outcome
from tests.central.test_failover import kill_primary, prepare
from tests.faults.reached import Number

PAGE = Path(__file__).parents[2] / "docs" / "central-ha.md"
BEGIN, END = "<!-- table of `make central-faults` -->\n", "<!-- end of the table -->"
HEAD = (
    "| outage | number reached (bar) | kept | what the station's sender says |\n|---|---|---|---|"
)


def outages(folder: Path, full: bool) -> list[Outcome]:
    """Those of one station's way to the centre."""
    seconds, kills = (15.0, 20) if full else (3.0, 2)
    with scene.scene(folder) as there:
        return [
            scene.nothing(there, 2 * seconds),
            scene.link_down(there, seconds),
            scene.blackhole(there, seconds),
            scene.server_killed(there, seconds / 2),
            scene.answers_lost(
                there, 4 * seconds, 0.1, 4 if full else 2, hang=0.2 if full else 0.0
            ),
            scene.killed(there, "sender", kills),
            scene.killed(there, "station", kills),
        ]


def failover() -> Outcome:
    """The primary of two servers, with the recipe's own times."""
    with Pair() as pair:
        reached = kill_primary(pair, prepare(pair))
        pair.nodes["a"].start()
        pair.wait_for_role("a", "sync_standby")
    lost = reached.acked - reached.different
    return Outcome(
        "primary and its Patroni killed",
        (
            Number(f"lost of {reached.acked:,} confirmed values", lost, 0),
            Number("twice", reached.there - reached.different, 0),
            Number("nobody took rows for", reached.gap_s, TIMES["ttl"] + 15, "s"),
        ),
        "-",
        "the standby took over, the old primary came back as standby, both by themselves",
    )


def line(outcome: Outcome) -> str:
    """A row of the table."""
    numbers = [str(each) if each.kept else f"**{each}**" for each in outcome.numbers]
    kept = "yes" if all(each.kept for each in outcome.numbers) else "**no**"
    cells = (outcome.name, " · ".join([*numbers, outcome.also]), kept, outcome.said)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def write(table: str) -> None:
    """Puts the table into the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="as in the ordinary tests")
    parser.add_argument("--write", action="store_true", help="into docs/central-ha.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kv-outages-") as folder:
        found = [*outages(Path(folder), not asked.short), failover()]
    load = f"{os.getloadavg()[2]:.1f}"
    when = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores with a load average of "
        f"{load}, all of it on one computer; bold: not reached."
    )
    table = "\n".join([when, "", HEAD, *map(line, found)])
    print(table)  # noqa: T201
    if asked.write:
        write(table)
    sys.exit(not all(number.kept for each in found for number in each.numbers))


if __name__ == "__main__":
    main()
