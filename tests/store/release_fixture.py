"""Prints a small record as SQL, for tests/store/released/vN.sql.

Run once as `python -m tests.store.release_fixture`, when version N of the schema is released;
the file never changes afterwards. The test of upgrades reads every one of them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw

from tests.store.build import FAST, T0, audit, opened, pleth, raw, session, spo2, until
from vitals.clock import US
from vitals.model import Flag, Numeric, Quality
from vitals.store.connection import select


def build(path: Path) -> None:
    """Eleven audit rows and eight samples, with something in every column."""
    writer = opened(path, replace(FAST, group_s=3600.0))
    writer.put_numeric("session-a", 2, spo2(0, 97.0))
    writer.put_numeric("session-a", 3, spo2(1, None, flags=frozenset({Flag.SEARCHING})))
    writer.put_numeric("session-a", 4, spo2(2, 88.5, quality=Quality.QUESTIONABLE))
    writer.put_wave("session-a", 5, pleth(0))
    for seq, key in enumerate(("nibp_sys", "nibp_dia", "nibp_map"), 6):
        value = Numeric("cuff", key, T0 + US, 128.0 - seq + 6, device_at_us=T0)
        writer.put_numeric("session-a", seq, value)
    until(lambda: writer.health().queued == 0)
    writer.put_audit(audit(9, "alarm", body={"text": "SpO2 88 < 90", "value": 88.5}))
    writer.put_audit(audit(10, "command", command_id="c1", body={"ok": True, "note": "für später"}))
    writer.put_audit(audit(11, "link", session=None, actor="", role=""))
    ended = session(ended_us=T0 + 7200 * US, dose_us=T0 + 60 * US, phase="DISCHARGED", resumed=1)
    writer.put_audit(audit(12, "session_change"), session=ended)
    until(lambda: writer.health().queued == 0)
    writer.put_numeric("session-a", 13, spo2(3))
    writer.put_audit(audit(14, "review", session=None))
    if not writer.close():
        raise SystemExit("the fixture was not written")


def _inserts(connection: apsw.Connection, table: str) -> Iterator[str]:
    for row in select(connection, f"SELECT * FROM {table}"):  # noqa: S608 - our own names
        values = ", ".join(select(connection, "SELECT quote(?)", (value,))[0][0] for value in row)
        yield f"INSERT INTO {table} VALUES ({values});\n"  # noqa: S608 - our own values


def main() -> None:
    """Writes the SQL to standard output."""
    out = sys.stdout.write
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vitals.db"
        build(path)
        connection = raw(path)
        for pragma in ("application_id", "user_version"):
            out(f"PRAGMA {pragma} = {connection.pragma(pragma)};\n")
        schema = select(connection, "SELECT type, name, sql FROM sqlite_schema WHERE sql <> ''")
        for kind, _, sql in schema:
            if kind == "table":
                out(f"{sql};\n")
        for kind, name, _ in schema:
            if kind == "table":
                out("".join(_inserts(connection, name)))
        for kind, _, sql in schema:
            if kind != "table":
                out(f"{sql};\n")
        connection.close()


if __name__ == "__main__":
    main()
