"""A real server with local workers, for the tests of what runs Python calls and batches: shared by the tests of a module."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from herder.client import HerderClient, connect
from tests.acceptance.conftest import Installation


def started(folder: Path) -> tuple[Installation, Callable[[], HerderClient]]:
    """An installation that runs, and what connects to it."""
    made = Installation(folder, None)
    made.start()
    return made, partial(connect, env=made.env)
