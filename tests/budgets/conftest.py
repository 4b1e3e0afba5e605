"""Both databases, as the tests of the store have them."""

from tests.store.conftest import engine, shared_engine

__all__ = ["engine", "shared_engine"]
