"""The figure process: one, niced, started anew, gone when the web process is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dashboard.worker import NICE, Worker, WorkerError
from tests.loop import run
from vitals.errors import StoreError

ROOT = Path(__file__).parents[2]


def store_error() -> None:
    raise StoreError("the record is away")


def test_there_is_one_process_and_it_stays_behind_everything_else() -> None:
    async def main() -> None:
        worker = Worker()
        try:
            first = await worker.call(os.getpid)
            assert first != os.getpid()
            assert await worker.call(os.getpid) == first
            assert worker.pids == [first]
            assert psutil.Process(first).nice() == psutil.Process().nice() + NICE
            assert worker.calls == 2
        finally:
            worker.close()

    run(main())


def test_it_is_started_anew_when_it_dies() -> None:
    async def main() -> None:
        worker = Worker()
        try:
            first = await worker.call(os.getpid)
            os.kill(first, signal.SIGKILL)
            second = await worker.call(os.getpid)
            assert second != first
            assert worker.restarts == 1
        finally:
            worker.close()

    run(main())


def test_work_that_kills_it_every_time_is_given_up_with_a_sentence() -> None:
    async def main() -> None:
        worker = Worker()
        try:
            with pytest.raises(WorkerError, match="dies at this"):
                await worker.call(os._exit, 1)
            assert await worker.call(os.getpid)
        finally:
            worker.close()

    run(main(), 60)


def test_work_that_takes_too_long_is_given_up_and_the_next_is_done() -> None:
    async def main() -> None:
        worker = Worker(patience_s=3.0)
        try:
            await worker.call(os.getpid)
            slow = await worker.call(os.getpid)
            with pytest.raises(WorkerError, match="took longer than 3 s"):
                await worker.call(time.sleep, 60)
            assert await worker.call(os.getpid) != slow
        finally:
            worker.close()

    run(main(), 60)


def test_an_error_of_the_work_itself_comes_back_as_it_is() -> None:
    async def main() -> None:
        worker = Worker()
        try:
            with pytest.raises(StoreError, match="the record is away"):
                await worker.call(store_error)
            assert worker.restarts == 0
        finally:
            worker.close()

    run(main())


PROGRAM = """
import asyncio, os, time
from dashboard.worker import Worker
async def main():
    print(await Worker().call(os.getpid), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    asyncio.run(main())
"""


def test_it_does_not_outlive_a_web_process_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as web:
        try:
            assert web.stdout is not None
            worker = psutil.Process(int(web.stdout.readline()))
        finally:
            web.kill()
    worker.wait(timeout=20)
