"""For all tests: how long one example takes is no property of the program.

The machine that runs them may be busy with anything; what must be fast is measured on its own.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from vitals.process import LEVEL

settings.register_profile("kap-vitals", deadline=None, derandomize="SAME_EXAMPLES" in os.environ)
settings.load_profile("kap-vitals")


@pytest.fixture(scope="module", autouse=True)
def _what_a_command_says_to_its_children_is_forgotten() -> Iterator[None]:
    """A command that a test runs in its own process sets the log level of those that it starts."""
    before = os.environ.get(LEVEL)
    yield
    if before is None:
        os.environ.pop(LEVEL, None)
    else:
        os.environ[LEVEL] = before


@pytest.fixture(scope="module", autouse=True)
def _leaks_are_found_where_they_are_made() -> Iterator[None]:
    """What a file leaves open is collected, and reported, before the next one begins."""
    yield
    gc.collect()
