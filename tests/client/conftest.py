"""A fake server, a client of it, and pauses that take no time."""

from collections.abc import Iterator

import pytest

from herder.client import HerderClient
from herder.client.http import clock
from tests.support.fake_api import TOKEN, FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every pause of the client, which are not really made."""
    made: list[float] = []
    monkeypatch.setattr(clock, "sleep_s", made.append)
    return made


@pytest.fixture
def client(api: FakeApi, pauses: list[float]) -> Iterator[HerderClient]:
    with HerderClient(api.url, TOKEN) as made:
        yield made
