"""Row 16: somebody changes what was recorded.

Made: every table of a closed record is attacked with UPDATE, DELETE and INSERT OR REPLACE, once as
any SQL client would (with the connection's own settings, not ours), and once as somebody who knows
SQL: guards lifted, changed, guards put back. Then the last rows are cut off, with their samples and
seals; and an older copy is put in the place of the file.

Bar: every attack is refused or found; a cut tail and an old copy are found through a head that was
kept elsewhere.
"""

# ruff: noqa: S608 - these statements are attacks
from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw

from tests.e2e.clinic import VITALS
from tests.faults.reached import Fault, Number, Result, all_of
from tests.store.build import audit, dice_of, fill, session
from vitals.store.connection import select
from vitals.store.rows import SEAL
from vitals.store.verify import verify
from vitals.store.writer import Writer

ROWS, ROWS_SHORT = 40, 4
"""Rows of the audit trail that are attacked one by one."""
OTHERS = {
    "UPDATE": (
        "UPDATE numeric SET value = 99 WHERE value < 95",
        "UPDATE numeric SET at_us = at_us + 1000000",
        "UPDATE wave SET data = zeroblob(2 * n)",
        "UPDATE channel SET unit = 'kPa'",
        "UPDATE session SET subject_ref = 'P-999'",
        "UPDATE session SET dose_us = dose_us - 60000000 WHERE dose_us > 0",
        "UPDATE station SET anchor_us = anchor_us + 1",
    ),
    "DELETE": (
        "DELETE FROM numeric WHERE value < 92",
        "DELETE FROM wave WHERE seq > (SELECT min(seq) FROM wave)",
        "DELETE FROM station",
    ),
    "REPLACE": (
        "INSERT OR REPLACE INTO numeric SELECT seq, channel_id, at_us, 99.0, quality, flags,"
        " device_at_us FROM numeric WHERE value < 95",
        "INSERT OR REPLACE INTO wave SELECT seq, channel_id, start_us, rate_hz, n, scale, offset,"
        " zeroblob(2 * n), quality FROM wave",
        "INSERT OR REPLACE INTO station SELECT id, boot_id, anchor_us + 1, anchor_mono_ns, speed"
        " FROM station",
    ),
}
GUARDED = ("numeric", "wave", "channel", "audit")


def of_row(n: int) -> Iterator[tuple[str, str]]:
    """Attacks on one row of the trail."""
    yield "UPDATE", f"UPDATE audit SET body = '{{}}' WHERE n = {n}"
    yield "UPDATE", f"UPDATE audit SET actor = 'Bob', at_us = at_us - 1 WHERE n = {n}"
    yield "DELETE", f"DELETE FROM audit WHERE n = {n}"
    yield (
        "REPLACE",
        "INSERT OR REPLACE INTO audit SELECT n, seq, at_us, session_id, room, 'Bob', role, kind,"
        f" command_id, body, prev, hash FROM audit WHERE n = {n}",
    )


def attack(path: Path, statement: str, *, lifted: bool) -> str:
    """`refused`, `found`, `unseen`; `nothing` for an attack that hits nothing."""
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("recursive_triggers", False)  # the setting of most programs
        guards = select(connection, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        if lifted:
            for name, _ in guards:
                connection.execute(f"DROP TRIGGER {name}")
        before = connection.total_changes()
        try:
            connection.execute(statement)
        except apsw.ConstraintError:
            return "refused"
        if connection.total_changes() == before:
            return "nothing" if lifted else "refused"  # by a guard that ignores what comes twice
        if lifted:
            for _, sql in guards:
                connection.execute(sql)
    finally:
        connection.close()
    return "unseen" if verify(path).ok else "found"


def cut_tail(path: Path) -> None:
    """Cuts off what came last, so that what is left is a whole record again."""
    connection = apsw.Connection(str(path))
    guards = select(connection, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    ((last,),) = select(connection, "SELECT max(n) FROM audit WHERE kind <> ?", (SEAL,))
    connection.execute("DELETE FROM audit WHERE n >= ?", (last,))
    for _, sql in guards:
        connection.execute(sql)
    connection.close()


def measure(folder: Path, full: bool) -> Result:
    pattern, copy = folder / "pattern.db", folder / "vitals.db"
    last = fill(pattern)
    writer = Writer(pattern)
    writer.start()
    writer.put_audit(audit(last + 1, body={"text": "the last note"}), session=session())
    assert writer.close()
    older, head = shutil.copy(pattern, folder / "older.db"), verify(pattern)
    # without the last one: who deletes that has cut the tail, for which there is the head
    rows = dice_of(16).sample(range(1, head.audit_rows), ROWS_SHORT)
    if full:
        rows = list(range(1, min(head.audit_rows, ROWS + 1)))
    attacks = [one for n in rows for one in of_row(n)]
    attacks += [(kind, each) for kind, statements in OTHERS.items() for each in statements]
    outcomes: list[str] = []
    unseen: list[str] = []
    for _, statement in attacks:
        for lifted in (False, True):
            shutil.copy(pattern, copy)
            outcome = attack(copy, statement, lifted=lifted)
            outcomes.append(outcome)
            guarded = any(f" {table} " in statement for table in GUARDED)
            if outcome in ("unseen", "nothing") or (guarded and not lifted and outcome == "found"):
                unseen.append(statement)
    writer = Writer(pattern)
    writer.start()
    for number in range(3):
        writer.put_audit(audit(last + 10 + number))
    assert writer.close()
    head = verify(pattern)
    shutil.copy(pattern, copy)
    cut_tail(copy)
    cut, with_head = verify(copy), verify(copy, head=head.head)
    shutil.copy(older, copy)
    rolled = verify(copy, head=head.head)
    said = subprocess.run(
        [*VITALS, "sessions", "verify", "--store", str(copy), "--head", head.head],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    good = outcomes.count("refused") + outcomes.count("found")
    numbers = (
        all_of("attacks refused or found", good, len(outcomes)),
        Number("changes that nobody would see", len(unseen), 0),
        all_of("cut tail and old copy found by the head", (not with_head.ok) + (not rolled.ok), 2),
    )
    also = (
        f"{outcomes.count('refused')} refused, {outcomes.count('found')} found; without a head a "
        f"cut tail is {'not seen' if cut.ok else 'seen'}"
        + (f"; first unseen: {unseen[0]}" if unseen else "")
    )
    assert said.returncode == 1
    return Result(numbers, (said.stdout + said.stderr).strip(), rolled.broken, also)


FAULT = Fault(
    16, "tampering", "UPDATE, DELETE, REPLACE, guards lifted; tail cut, old copy", measure
)


def test_no_change_of_the_record_goes_unseen(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "its end was cut off or replaced" in result.told
