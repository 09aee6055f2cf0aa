"""PostgreSQL for the tests of the central view: one server a test process, a database a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.central.cluster import Cluster, Database


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server that all modules share: do not stop it. Make one of your own for that."""
    with Cluster() as made:
        yield made


@pytest.fixture(scope="module")
def module_database(cluster: Cluster) -> Iterator[Database]:
    """One database with the central tables, for all tests of a module."""
    with cluster.fresh_database() as made:
        yield made


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A new database with the central tables, for one test."""
    with cluster.fresh_database() as made:
        yield made
