"""One figure process for all servers of a test run: starting one costs more than most tests do.

That it is started, replaced and ended is tested in test_worker.py, and with the whole program.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

from dashboard.worker import Worker

_kept: list[ProcessPoolExecutor] = []


class KeptWorker(Worker):
    """A worker whose process is there already, and outlives it."""

    def close(self) -> None:
        """The server has stopped; its process serves the next."""
        self._pool = None

    def _start(self) -> ProcessPoolExecutor:
        if not _kept:
            _kept.append(super()._start())
        self._pool = _kept[0]
        return self._pool

    def _restart(self, pool: ProcessPoolExecutor, why: str) -> None:
        self._pool = pool
        if pool in _kept:
            _kept.remove(pool)
        super().close()
        self.restarts += 1
