"""A house for each file of tests, and people at its door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dashboard.people import Browser
from tests.security import house as houses

NewBrowser = Callable[..., Browser]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """(station, web); no request of the file may have left a fault in the web's log."""
    with houses.house(tmp_path_factory.mktemp("house")) as (clinic, web):
        yield clinic, web
        assert web.process.poll() is None
    assert web.faults() == []


@pytest.fixture(scope="module")
def signed_in(house: Any) -> Iterator[Callable[[str], Browser]]:
    """The browser of a person, the same for the whole file."""
    browsers: dict[str, Browser] = {}

    def of(user: str) -> Browser:
        if user not in browsers:
            browsers[user] = Browser(house[1])
            assert browsers[user].sign_in(user).status == 200
        return browsers[user]

    yield of
    for browser in browsers.values():
        browser.close()


@pytest.fixture
def new_browser(house: Any) -> Iterator[NewBrowser]:
    """A browser that nobody has used; `user` signs in, `source` is where it is."""
    browsers = []

    def make(user: str = "", source: str = "127.0.0.1") -> Browser:
        browsers.append(Browser(house[1], source))
        if user:
            assert browsers[-1].sign_in(user).status == 200
        return browsers[-1]

    yield make
    for browser in browsers:
        browser.close()
