"""Checks the seals of a large record with two processors: half of its sessions in another process.

Sessions follow one another in the record, so that each half lies in its own part of the tables.
What is under a seal never changes: the other process may see a later moment of the record.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import apsw

from vitals.store.connection import open_for_reading
from vitals.store.seal import Digest
from vitals.store.seal_check import Range, check, nobody

WORTH_BYTES = 256 * 1024 * 1024
"""A smaller record is checked before another process has started."""

_Ranges = Mapping[int, Sequence[Range]]
_log = logging.getLogger(__name__)


def digests_of(
    connection: apsw.Connection,
    ranges: _Ranges,
    path: Path,
    key: bytes | None,
    tell: Callable[[float], None] = nobody,
) -> dict[int, list[Digest]]:
    """Digests of samples by session_id, of each session in ranges that grow and do not overlap.

    Args:
        connection: to the record.
        ranges: of each session.
        path: of the record.
        key: as for opening it.
        tell: is given now and then how much was read; of two halves, of the one that is read here.
    """
    sealed = sorted((key for key in ranges if ranges[key]), key=lambda key: ranges[key][0])
    halves = [sealed[: len(sealed) // 2], sealed[len(sealed) // 2 :]]
    found: dict[int, list[Digest]] = {session: [] for session in ranges}
    if path.stat().st_size < WORTH_BYTES or not halves[0] or (os.cpu_count() or 1) < 2:
        return found | _part(connection, {session: ranges[session] for session in sealed}, tell)
    here, there = ({session: ranges[session] for session in half} for half in halves)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        beside = pool.submit(_elsewhere, path, key, there)
        found |= _part(connection, here, tell)
        return found | (_outcome(beside) or _part(connection, there, tell))


def _outcome(beside: Future[dict[int, list[Digest]]]) -> dict[int, list[Digest]] | None:
    """What came of it; None when it failed, so that it is done here, where errors are told."""
    error = beside.exception()
    if error is None:
        return beside.result()
    _log.warning("half of the seals is checked again: %s", error)
    return None


def _elsewhere(path: Path, key: bytes | None, ranges: _Ranges) -> dict[int, list[Digest]]:
    connection = open_for_reading(path, key=key)
    try:
        connection.execute("BEGIN")
        return _part(connection, ranges)
    finally:
        connection.close()


def _part(
    connection: apsw.Connection, ranges: _Ranges, tell: Callable[[float], None] = nobody
) -> dict[int, list[Digest]]:
    if not ranges:
        return {}
    first = min(found[0][0] for found in ranges.values())
    last = max(found[-1][1] for found in ranges.values())
    return check(connection, ranges, after=first - 1, to=last, tell=tell)
