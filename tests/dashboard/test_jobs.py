"""Long work: one at a time in a niced process, its asker's alone, cancelled at once, cleaned up."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import jobs as module
from dashboard.job_process import NICE, JobProcess, Made, Tell
from dashboard.jobs import KEEP_S, MOST_KEPT, MOST_OF_ONE, MOST_WAITING, BusyError, Job, Jobs
from tests.loop import run, until
from vitals.errors import StoreError

ROOT = Path(__file__).parents[2]
ANN, BEA = ("ann", "Ann K."), ("bea", "Bea M.")
LIMIT_S = 120.0


# --- work ---------------------------------------------------------------------------------------


def pid(tell: Tell, _: Path) -> Made:
    tell(0.5, "half")
    return Made(os.getpid())


def file(_: Tell, folder: Path, text: str) -> Made:
    (folder / "made.txt").write_text(text)
    return Made({"bytes": len(text)}, "made.txt", "notes.txt", "text/plain")


def endless(tell: Tell, folder: Path) -> Made:
    if folder.is_dir():
        (folder / "half").write_text("half a file")
    tell(0.25, "a quarter")
    time.sleep(3600)
    return Made()


def refused(_: Tell, __: Path) -> Made:
    raise StoreError("the record is away; look for it")


def broken(_: Tell, __: Path) -> Made:
    raise ValueError("Anna Berger")


def dies(_: Tell, __: Path) -> Made:
    os.kill(os.getpid(), signal.SIGKILL)
    return Made()


# --- the process --------------------------------------------------------------------------------


def test_it_is_one_process_that_stays_behind_the_figures(tmp_path: Path) -> None:
    async def main() -> None:
        process, told = JobProcess(), []
        try:
            first = await process.call(lambda *t: told.append(t), pid, tmp_path)
            second = await process.call(lambda *t: told.append(t), pid, tmp_path)
            assert first.facts == second.facts == process.pid != os.getpid()
            nice = psutil.Process(first.facts).nice()
            assert nice == min(19, psutil.Process().nice() + NICE)
            await until(lambda: told == [(0.5, "half")] * 2)
        finally:
            process.end()
        assert not psutil.pid_exists(first.facts)

    run(main(), LIMIT_S)


PROGRAM = """
import asyncio, time
from pathlib import Path
from dashboard.job_process import JobProcess
from tests.dashboard.test_jobs import pid
async def main():
    print((await JobProcess().call(print, pid, Path("."))).facts, flush=True)
    time.sleep(600)
if __name__ == "__main__":
    asyncio.run(main())
"""


def test_it_does_not_outlive_a_web_process_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("print, pid", "lambda *_: None, pid"))
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
    worker.wait(timeout=60)


# --- jobs ---------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_a_job_tells_how_far_it_is_and_its_file_can_be_fetched_until_it_expires(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        clock = Clock()
        jobs = Jobs(tmp_path / "jobs", now_s=clock)
        try:
            job = jobs.ask(ANN, "export", file, "text", files=True)
            assert (job.state, job.file) == ("waiting", None)
            await until(lambda: job.state == "done", LIMIT_S)
            assert (job.share, job.made and job.made.name) == (1.0, "notes.txt")
            assert job.file is not None
            assert job.file.read_text() == "text"
            assert oct(job.folder.stat().st_mode)[-3:] == "700"
            clock.s += KEEP_S - 1
            assert jobs.find(job.id, ANN) is job
            assert jobs.left_s(job) == 1
            clock.s += 2
            assert jobs.find(job.id, ANN) is None
            assert list((tmp_path / "jobs").iterdir()) == []
        finally:
            await jobs.close()
        assert not (tmp_path / "jobs").exists()

    run(main(), LIMIT_S)


def test_a_job_is_its_askers_alone(tmp_path: Path) -> None:
    async def main() -> None:
        jobs = Jobs(tmp_path / "jobs")
        try:
            job = jobs.ask(ANN, "x", pid)
            assert jobs.find(job.id, ANN) is job
            for other in (BEA, ("ann", "Somebody by emergency access"), ("", "")):
                assert jobs.find(job.id, other) is None
            assert jobs.find("another", ANN) is None
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_what_is_cancelled_ends_at_once_and_leaves_nothing_and_the_next_is_done(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        process = JobProcess()
        jobs = Jobs(tmp_path / "jobs", process=process)
        try:
            job = jobs.ask(ANN, "export", endless, files=True)
            after = jobs.ask(ANN, "x", pid)
            await until(lambda: job.share == 0.25, LIMIT_S)
            assert (job.words, jobs.before(job), jobs.before(after)) == ("a quarter", 0, 1)
            first = process.pid
            await until(lambda: (job.folder / "half").exists(), LIMIT_S)
            await jobs.drop(job)
            assert first is not None
            assert not psutil.pid_exists(first)
            assert not job.folder.exists()
            assert jobs.find(job.id, ANN) is None
            await until(lambda: after.state == "done", LIMIT_S)
            assert after.made is not None
            assert after.made.facts != first
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_what_is_cancelled_before_its_process_has_begun_ends_as_well(tmp_path: Path) -> None:
    async def main() -> None:
        jobs = Jobs(tmp_path / "jobs")
        try:
            job = jobs.ask(ANN, "x", endless)
            await asyncio.sleep(0)
            assert job.state == "running"
            await jobs.drop(job)
            waiting = [jobs.ask(ANN, "x", endless) for _ in range(2)]
            await jobs.drop(waiting[1])
            await jobs.drop(waiting[0])
            assert [each.state for each in waiting] == ["cancelled"] * 2
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_a_process_that_begins_while_it_is_cancelled_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = JobProcess()
    begin, end, ended = process._started, process.end, threading.Event()

    def late(number: int) -> Any:
        assert ended.wait(LIMIT_S)
        return begin(number)

    def ending() -> None:
        end()
        ended.set()

    monkeypatch.setattr(process, "_started", late)
    monkeypatch.setattr(process, "end", ending)

    async def main() -> None:
        jobs = Jobs(tmp_path / "jobs", process=process)
        try:
            job = jobs.ask(ANN, "x", endless)
            await asyncio.sleep(0)
            assert job.state == "running"
            async with asyncio.timeout(LIMIT_S / 4):
                await jobs.drop(job)
            assert process.pid is None
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_what_waits_or_is_done_leaves_nothing_when_it_is_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        jobs = Jobs(tmp_path / "jobs")
        try:
            done = jobs.ask(ANN, "export", file, "text", files=True)
            waiting = jobs.ask(ANN, "export", file, "text", files=True)
            await jobs.drop(waiting)
            await until(lambda: done.state == "done", LIMIT_S)
            assert list((tmp_path / "jobs").iterdir()) == [done.folder]
            await jobs.drop(done)
            assert list((tmp_path / "jobs").iterdir()) == []
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_when_too_many_wait_one_more_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async def main() -> None:
        jobs = Jobs(tmp_path / "jobs")
        try:
            for _ in range(MOST_OF_ONE):
                jobs.ask(ANN, "x", endless)
            with pytest.raises(BusyError, match="3 of your jobs are under way"):
                jobs.ask(ANN, "x", endless)
            for n in range(MOST_WAITING - MOST_OF_ONE):
                jobs.ask((f"person-{n}", ""), "x", endless)
            with pytest.raises(BusyError, match="others are waiting"):
                jobs.ask(BEA, "x", endless)
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_errors_are_sentences_and_the_log_tells_nothing_of_a_patient(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        jobs = Jobs(tmp_path / "jobs")
        try:
            made = [jobs.ask(ANN, "x", work, files=True) for work in (refused, broken, dies)]
            await until(lambda: all(job.state == "failed" for job in made), LIMIT_S)
            assert made[0].words == "the record is away; look for it"
            assert "fault in the program" in made[1].words
            assert "ended before it was done" in made[2].words
            assert not any(job.folder.exists() for job in made)
            alive = jobs.ask(ANN, "x", pid)
            await until(lambda: alive.state == "done", LIMIT_S)
        finally:
            await jobs.close()

    with caplog.at_level(logging.DEBUG):
        run(main(), LIMIT_S)
    assert "ValueError at " in caplog.text
    assert "test_jobs.py" in caplog.text
    assert "Anna" not in caplog.text


def test_a_job_without_end_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        process = JobProcess()
        jobs = Jobs(tmp_path / "jobs", process=process, longest_s=1.0)
        try:
            job = jobs.ask(ANN, "x", endless, files=True)
            await until(lambda: job.state == "failed", LIMIT_S)
            assert "took longer" in job.words
            assert process.pid is None
            assert not job.folder.exists()
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_what_nobody_asked_for_is_done_only_when_there_is_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        process = JobProcess()
        jobs = Jobs(tmp_path / "jobs", process=process)
        try:
            jobs.prepare(pid)
            asked = [jobs.ask(ANN, "x", pid) for _ in range(MOST_OF_ONE)]
            assert jobs.before(asked[0]) == 1
            jobs.prepare(endless)
            await until(lambda: all(job.state == "done" for job in asked), LIMIT_S)
            assert list(jobs._jobs.values()) == asked
            jobs.prepare(refused)
            await until(lambda: len(jobs._jobs) == len(asked), LIMIT_S)
            assert process.pid is not None
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


def test_when_the_server_ends_so_does_all_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        process = JobProcess()
        jobs = Jobs(tmp_path / "jobs", process=process)
        job = jobs.ask(ANN, "x", endless, files=True)
        await until(lambda: job.share > 0, LIMIT_S)
        running = process.pid
        await jobs.close()
        assert running is not None
        assert not psutil.pid_exists(running)
        assert not (tmp_path / "jobs").exists()

    run(main(), LIMIT_S)


def test_what_a_killed_server_has_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "old").mkdir(parents=True)
    (tmp_path / "jobs" / "old" / "export.csv").write_text("health data")
    Jobs(tmp_path / "jobs").tidy()
    assert not (tmp_path / "jobs").exists()


def test_the_records_disk_is_not_filled_but_work_without_files_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SPARE_BYTES", 1 << 62)

    async def main() -> None:
        jobs = Jobs(tmp_path / "jobs")
        try:
            with pytest.raises(BusyError, match="MiB are left on the record's disk"):
                jobs.ask(ANN, "export", file, "text", files=True)
            assert list((tmp_path / "jobs").iterdir()) == []
            job = jobs.ask(ANN, "what-if", pid)
            await until(lambda: job.state == "done", LIMIT_S)
        finally:
            await jobs.close()

    run(main(), LIMIT_S)


# --- any order of what people do ------------------------------------------------------------------


class Hand(JobProcess):
    """A process that is as far as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.doing: list[asyncio.Future[Made]] = []

    async def call(self, tell: Tell, work: Any, folder: Path, *args: Any) -> Made:
        done: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        self.doing.append(done)
        try:
            return await done
        finally:
            self.doing.remove(done)

    def end(self) -> None:
        def refuse() -> None:
            for each in [each for each in self.doing if not each.done()]:
                each.set_exception(StoreError("ended"))

        self._loop.call_soon_threadsafe(refuse)

    def bind(self) -> Hand:
        self._loop = asyncio.get_running_loop()
        return self


def settled(jobs: list[Job]) -> Iterator[Job]:
    return (job for job in jobs if job.state in ("waiting", "running"))


ACT = st.tuples(st.sampled_from(("ask", "drop", "done", "fail", "later")), st.integers(0, 9))


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(ACT, max_size=25))
def test_whatever_people_do_one_runs_at_most_and_only_kept_jobs_have_files(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "jobs"

    async def main() -> None:
        clock, hand = Clock(), Hand().bind()
        jobs = Jobs(folder, process=hand, now_s=clock)
        asked: list[Job] = []
        for act, n in acts:
            clock.s += 1
            if act == "ask":
                try:
                    asked.append(jobs.ask((f"p{n % 4}", ""), "x", pid, files=True))
                except BusyError:
                    assert len(list(settled(asked))) >= MOST_OF_ONE
            elif act == "drop" and asked:
                await jobs.drop(asked[n % len(asked)])
            elif act in ("done", "fail") and hand.doing:
                made = hand.doing[0]
                if act == "done":
                    made.set_result(Made(n))
                else:
                    made.set_exception(StoreError("no"))
            elif act == "later":
                clock.s += KEEP_S * n / 4
                jobs.sweep()
            for _ in range(5):
                await asyncio.sleep(0)
            running = [job for job in asked if job.state == "running"]
            assert len(running) == len(hand.doing) <= 1
            waiting = [job for job in asked if job.state == "waiting"]
            assert not waiting or running
            assert len(waiting) + len(running) <= MOST_WAITING
            known = {job.folder for job in asked if jobs.find(job.id, job.owner)}
            there = set(folder.iterdir()) if folder.exists() else set()
            assert there <= known
            assert len(known) <= MOST_KEPT + MOST_WAITING
        await jobs.close()
        assert not folder.exists()
        assert not any(settled(asked))

    run(main(), LIMIT_S)
