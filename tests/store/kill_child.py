"""Writes a record as fast as it can and says what was acknowledged, until it is killed."""

from __future__ import annotations

import os
import sys
import threading

from tests.store.build import FAST, audit, pleth, session, spo2
from vitals.model import Numeric
from vitals.store.writer import Writer

ROWS_AHEAD = 400


def main(path: str) -> None:
    room = threading.Semaphore(ROWS_AHEAD // 10)
    writer = Writer(path, settings=FAST)

    def acknowledged(seq: int) -> None:
        os.write(1, f"{seq}\n".encode())
        room.release()

    writer.start()
    seq = writer.last_seq()
    if seq == 0:
        seq = 1
        writer.put_audit(audit(1), session=session())
    while True:
        room.acquire()
        for _ in range(4):
            writer.put_numeric("session-a", seq + 1, spo2(seq + 1))
            writer.put_wave("session-a", seq + 2, pleth(seq + 2))
            seq += 2
        writer.put_numeric("session-a", seq + 1, Numeric("cuff", "nibp_sys", seq + 1, 120.0))
        seq += 2
        number = seq
        row = audit(number, command_id=f"c{number}")
        writer.put_audit(row, lambda ok, number=number: acknowledged(number))  # type: ignore[misc]


if __name__ == "__main__":
    main(sys.argv[1])
