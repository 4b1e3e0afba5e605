"""Fixtures for all tests, and the rule that a run repeats: Hypothesis draws the same examples each time.

`HYPOTHESIS_PROFILE=explore` looks for new examples, and many of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import NoReturn

import pytest
from hypothesis import settings

from herder.decide.scaling import failed_triggers
from tests.support import postgres
from tests.support.migrated import quick_migrations
from tests.support.order import long_files_first

# No deadline: on a busy machine it measures the machine. pytest-timeout bounds a test as a whole.
settings.register_profile("repeat", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


def pytest_sessionstart() -> None:
    """Say that there is no current event loop.

    Plugins ask for it before tests, and asyncio would make one that nobody closes; some later test would be blamed for it.
    """
    asyncio.set_event_loop(None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist
        long_files_first(items)


@pytest.fixture(scope="session", autouse=True)
def stores_are_made_quickly() -> Iterator[None]:
    with quick_migrations():
        yield


@pytest.fixture(autouse=True)
def no_trigger_fails(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that goes on without a trigger that fails would hide faults from tests: there the error goes on."""
    if request.node.get_closest_marker("failing_trigger") is None:
        monkeypatch.setattr(failed_triggers, "trigger_failed", _raise)


def _raise(pool: str, trigger: str, error: Exception) -> NoReturn:
    raise error


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL; one per pytest process, started when the first test asks for it."""
    with postgres.running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """A fresh empty database: `postgresql+psycopg://…`."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
