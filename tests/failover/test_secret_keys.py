"""Which servers of one PostgreSQL store may keep secrets: those that have the key of the first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from herder.model.stored.service_records import SecretRecord
from herder.secrets.key_file import KEY_FILE, read_or_make
from herder.server.data.place import secret_keys
from herder.server.options import StartError
from herder.store.opening.database import migrate, open_engine
from herder.store.rows.secrets_table import secrets


@pytest.fixture
def store(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_server_without_the_key_of_the_others_starts_only_while_there_are_no_secrets(
    store: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "first.key", tmp_path / "second.key"
    ring = secret_keys(first, store, shared=True)
    assert ring is not None
    assert secret_keys(first, store, shared=True) == ring
    assert secret_keys(second, store, shared=True) is None
    assert not second.exists(), "a key of its own would be of no use to the others"
    assert f"does not have the key {ring.current.id}" in caplog.text
    row = SecretRecord("user", "ann", "db", 1, *ring.seal("p", b"v"), 1, 1, 1, 1, "ann")
    with store.begin() as connection:
        connection.execute(secrets.insert().values(row._asdict()))
    with pytest.raises(StartError, match="does not have the key") as error:
        secret_keys(second, store, shared=True)
    assert KEY_FILE in error.value.hint
    read_or_make(second)
    with pytest.raises(StartError, match="does not have the key"):
        secret_keys(second, store, shared=True)
    second.write_bytes(first.read_bytes())
    assert secret_keys(second, store, shared=True) == ring
