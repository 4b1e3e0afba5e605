"""The store port on SQL: the writer's thread, and reads in threads on connections of their own. Made by the server at its start."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from herder.ports.store import StoreDown
from herder.store.faults import passing
from herder.store.file import StoreFile
from herder.store.leadership import Leader
from herder.store.writer import Writer

_T = TypeVar("_T")


class SqlStore(Writer):
    """`ports.store.Store`. Needs a running loop."""

    def __init__(
        self,
        engine: Engine,
        on_fatal: Callable[[BaseException], None],
        leader: Leader | None = None,
        file: StoreFile | None = None,
    ) -> None:
        super().__init__(engine, on_fatal, leader, file)
        self.engine = engine

    def read(self, query: Callable[[Connection], _T]) -> Awaitable[_T]:
        def run() -> _T:
            try:
                with self.engine.connect() as connection:
                    return query(connection)
            except SQLAlchemyError as error:
                trouble = passing(error)
                if trouble is None:
                    raise
                raise StoreDown(trouble.text) from error

        return asyncio.to_thread(run)
