"""Addresses with a password in them: no command prints it, whatever is wrong with the store."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from herder.model.values.addresses import shown_address
from herder.simulate.history import verify, world_from_store
from herder.simulate.traces.rows import TraceError
from herder.store.opening.database import StoreError, migrate, open_engine
from tests.cli.conftest import Herder

#: Nothing listens there.
NOBODY = "postgresql://ann:s3cret@127.0.0.1:1/herder"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (NOBODY, "postgresql://ann:***@127.0.0.1:1/herder"),
        ("postgresql://ann@host/herder", "postgresql://ann@host/herder"),
        ("postgresql://:s3cret@host/herder", "postgresql://:***@host/herder"),
        ("postgresql://ann:s3/c@re:t@host/herder", "postgresql://ann:***@host/herder"),
        ("postgresql://ann:s3cret@host:port/herder", "postgresql://ann:***@host:port/herder"),
        ("postgresql://host/x?user=ann&password=s3cret&sslmode=require", "postgresql://host/x?user=ann&password=***&sslmode=require"),
        ("sqlite:////var/lib/herder/herder.db", "sqlite:////var/lib/herder/herder.db"),
        ("/a:b@c/herder.db", "/a:b@c/herder.db"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert shown_address(text) == shown


@pytest.mark.parametrize(
    "address",
    [NOBODY, "postgresql://ann:s3cret@127.0.0.1:port/herder", "mysql://ann:s3cret@127.0.0.1/herder",
     "postgresql://127.0.0.1:1/herder?password=s3cret", "postgresql:// ann:s3cret@127.0.0.1:1/herder"],
)  # fmt: skip
@pytest.mark.parametrize(
    "words",
    [("simulate", "verify", "--from-events"), ("simulate", "--from-events"), ("server", "--store")],
)
def test_no_command_prints_it(herder: Herder, tmp_path: Path, words: tuple[str, ...], address: str) -> None:
    more = ["--data-dir", str(tmp_path)] if words[0] == "server" else []
    result = herder(*words, address, *more)
    assert result.code != 0
    assert "Traceback" not in result.err
    assert result.err
    assert "s3cret" not in result.out + result.err


def test_nor_when_a_store_can_be_read_and_nothing_is_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'herder.db'}")
    migrate(engine)

    class Opened:
        def __init__(self, where: Any) -> None:
            self.connection = engine.connect()

        def __enter__(self) -> Any:
            return self.connection

        def __exit__(self, *_: object) -> None:
            self.connection.close()

    for module, read in ((verify, verify.verify), (world_from_store, world_from_store.read_own_store)):
        monkeypatch.setattr(module, "reading", Opened)
        with pytest.raises(TraceError) as refused:
            read(NOBODY)
        assert "postgresql://ann:***@127.0.0.1:1/herder: " in str(refused.value)


def test_nor_a_store_that_cannot_be_opened() -> None:
    with pytest.raises(StoreError) as refused:
        open_engine("postgresql://ann:s3cret@host:port/x")
    assert "ann:***@host" in str(refused.value)


@pytest.mark.parametrize("more", [[], ["--expanded"]])
def test_nor_the_settings_that_are_shown(herder: Herder, tmp_path: Path, more: list[str]) -> None:
    file = tmp_path / "herder.yaml"
    file.write_text(f"server:\n  store_url: {NOBODY}\n")
    result = herder("config", "show", "-f", str(file), *more)
    assert result.code == 0
    assert "ann:***@127.0.0.1" in result.out
    assert "s3cret" not in result.out + result.err
    checked = herder("config", "check", "-f", str(file))
    assert "s3cret" not in checked.out + checked.err


@pytest.mark.parametrize("more", [[], ["--expanded"]])
def test_nor_the_address_of_a_channel(herder: Herder, tmp_path: Path, more: list[str]) -> None:
    """Webhooks have their token in the path."""
    file = tmp_path / "herder.yaml"
    file.write_text("alerts:\n  channels:\n    coo: {url: https://hooks.example.org/services/T1/s3cret}\n")
    result = herder("config", "show", "-f", str(file), *more)
    assert result.code == 0
    assert "https://hooks.example.org/***" in result.out
    assert "s3cret" not in result.out + result.err
    file.write_text("alerts:\n  channels:\n    coo: {url: hooks.example.org/services/T1/s3cret}\n")
    checked = herder("config", "check", "-f", str(file))
    assert checked.code != 0
    assert "s3cret" not in checked.out + checked.err
