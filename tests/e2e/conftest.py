"""One demo for the tests that only look, one for each test that breaks something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests import chromium
from tests.e2e.clinic import Demo, Program


@pytest.fixture(scope="module")  # while it is open, nothing else here can run an event loop
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium.whole(), args=chromium.FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Pages of browsers that know nothing of each other."""
    contexts = []

    def make(width: int = 1280, height: int = 800) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    running: list[Demo] = []

    def start(*args: str) -> Demo:
        running.append(Demo(tmp_path, *args))
        return running[-1]

    yield start
    for program in running:
        program.stop()


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    running: list[Program] = []

    def start(folder: Path, *args: str) -> Program:
        running.append(Program(folder, *args))
        return running[-1]

    yield start
    for one in reversed(running):
        one.stop()
