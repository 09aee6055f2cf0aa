"""A connection for `tests.bench.central_load`: what psycopg sends, at a fraction of its time.

What a station's own computer does is no part of what one server bears, and psycopg's own way of
waiting takes more of this computer's processors than all that the statement costs the server. So
the program's own functions are given this in the place of a psycopg connection: the same text of a
statement, the same types and bytes of its parameters, prepared once, one round trip each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a cursor would say."""

    result: pq.abc.PGresult

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""
        return self.result.command_tuples or 0

    async def fetchone(self) -> tuple[str, ...] | None:
        """The first row, as texts."""
        if not self.result.ntuples:
            return None
        return tuple(
            (self.result.get_value(0, i) or b"").decode() for i in range(self.result.nfields)
        )


class Wire:
    """One connection that was made by psycopg, one statement at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection  # which closes it
        self._pg = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._queries: dict[str, PostgresQuery] = {}
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._answer: asyncio.Future[pq.abc.PGresult] | None = None
        self._loop.add_reader(self._pg.socket, self._readable)

    async def execute(self, text: str, values: Mapping[str, Any] | Sequence[Any]) -> Answer:
        """Runs a statement.

        Raises:
            AssertionError: the server refuses it.
        """
        query = self._queries.get(text)
        if query is None:
            query = self._queries[text] = PostgresQuery(Transformer(self._connection))
            query.convert(text, values)
        else:
            query.dump(values)
        name = self._names.get((query.query, query.types))
        if name is None:
            name = b"bench-%d" % len(self._names)
            self._pg.send_prepare(name, query.query, query.types)
            await self._result()
            self._names[query.query, query.types] = name
        self._pg.send_query_prepared(name, query.params, query.formats)
        return Answer(await self._result())

    def close(self) -> None:
        """Leaves the connection to psycopg."""
        self._loop.remove_reader(self._pg.socket)

    async def _result(self) -> pq.abc.PGresult:
        self._answer = self._loop.create_future()
        assert not self._pg.flush(), "a statement is longer than a socket holds"
        result = await self._answer
        assert result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK), (
            result.error_message
        )
        return result

    def _readable(self) -> None:
        self._pg.consume_input()
        if self._answer is None or self._pg.is_busy():
            return
        result = self._pg.get_result()
        while result is not None:
            last, result = result, self._pg.get_result()
        self._answer.set_result(last)
        self._answer = None
