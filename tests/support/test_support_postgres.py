"""The PostgreSQL that other tests get is real, fresh for each test, and gone with the test run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy

from tests.support import postgres

ROOT = Path(__file__).resolve().parents[2]


def scalar(url: str, statement: str) -> object:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        return connection.execute(sqlalchemy.text(statement)).scalar()


def execute(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement))


def test_a_database_answers(postgres_server: postgres.Server, postgres_url: str) -> None:
    assert scalar(postgres_url, "SELECT 1") == 1
    print(f"PostgreSQL {postgres_server.version} from {postgres_server.origin}")
    assert int(postgres_server.version.split(".")[0]) >= 13


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_gets_a_fresh_database(postgres_url: str, turn: int) -> None:
    execute(postgres_url, "CREATE TABLE mine (id int)")
    assert scalar(postgres_url, "SELECT count(*) FROM mine") == 0


def test_a_template_is_prepared_once_and_copied(postgres_server: postgres.Server) -> None:
    template = postgres_server.create_template(lambda url: execute(url, "CREATE TABLE ready (id int)"))
    copy = postgres_server.create_database(template=template)
    assert scalar(postgres_server.url(copy), "SELECT count(*) FROM ready") == 0
    postgres_server.drop_database(copy)
    postgres_server.drop_database(template)


@pytest.mark.skipif(postgres.URL_VARIABLE in os.environ, reason="the given server has its own settings")
def test_fsync_is_on_unless_asked_otherwise() -> None:
    with postgres.running_server(fsync=False) as quick:
        assert scalar(quick.url("postgres"), "SHOW fsync") == "off"


def test_no_server_is_a_failure_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(postgres.URL_VARIABLE, raising=False)
    monkeypatch.setattr(postgres, "_candidate_folders", lambda: iter([Path("/nowhere")]))
    with pytest.raises(postgres.PostgresMissing, match="sudo apt install postgresql"):
        postgres.find_programs()


@pytest.mark.skipif(postgres.URL_VARIABLE in os.environ, reason="nothing is started with a given server")
def test_the_server_stops_when_its_owner_is_killed() -> None:
    code = (
        "import time\n"
        "from tests.support import postgres\n"
        "with postgres.running_server(fsync=False) as server:\n"
        "    print(server.admin, flush=True)\n"
        "    time.sleep(50)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        admin = owner.stdout.readline().strip()
        assert postgres._version(admin)
        owner.send_signal(signal.SIGKILL)
    give_up_at = time.monotonic() + 20
    while True:
        try:
            postgres._version(admin)
        except postgres.psycopg.OperationalError:
            break
        assert time.monotonic() < give_up_at, "the server outlived its owner"
        time.sleep(0.1)
