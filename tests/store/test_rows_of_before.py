"""A store that the version before has made opens, keeps its rows, and says whose each of them is."""

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, text

from herder.control.recovery.recover import recover
from herder.store.opening.database import _migrations, migrate, open_engine, sqlite_url

ROWS = (
    "INSERT INTO users (name, role, weight, created_at_ms) VALUES ('ann', 'user', 2, 5)",
    "INSERT INTO tokens (hash, \"user\", role, note, created_at_ms, revoked_at_ms) VALUES ('h1', 'ann', 'user', '', 5, NULL)",
    "INSERT INTO tokens (hash, \"user\", role, note, created_at_ms, revoked_at_ms) VALUES ('h2', 'ann', 'user', '', 5, 6)",
    'INSERT INTO job_classes (id, "user", project, pool, spec) VALUES '
    '(1, \'ann\', \'alpha\', \'auto\', \'{"user":"ann","project":"alpha","request":[100,64,0,0]}\')',
    'INSERT INTO batches (id, "user", project, name, state, attributes, counts, jobs, cost_pico, created_at_ms) VALUES '
    "(4, 'ann', 'alpha', '', 'running', '{}', '{\"ready\":1}', 1, '0', 5)",
    "INSERT INTO jobs (id, batch_id, position, class_id, payload, created_at_ms, state) VALUES (7, 4, 0, 1, '{}', 5, 2)",
    "INSERT INTO jobs (id, batch_id, position, class_id, payload, created_at_ms, state) VALUES (8, NULL, 0, 1, '{\"a\":1}', 5, 2)",
    *(
        "INSERT INTO events (sequence, at_ms, kind, object, actor, text, data) VALUES "
        f"({number}, 5, 'x.y', '{subject}', 'herder', '', '{{}}')"
        for number, subject in enumerate(("job/8", "batch/4", "batch/99", "worker/job/8"), start=1)
    ),
    *(
        "INSERT INTO events (sequence, at_ms, kind, object, actor, text, data) VALUES "
        f"({number}, 5, '{kind}', 'worker/a', 'herder', '', '{{}}')"
        for number, kind in enumerate(("worker.quarantined", "worker.kept"), start=5)
    ),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """As revision 0002 left it, with some rows."""
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    config = _migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for row in ROWS:
            connection.exec_driver_sql(row)
    return engine


def test_rows_of_before_belong_to_somebody(old: Engine) -> None:
    migrate(old)
    with old.connect() as connection:
        jobs = connection.execute(text('SELECT id, "user", project FROM jobs ORDER BY id')).all()
        assert [tuple(row) for row in jobs] == [(7, "ann", "alpha"), (8, "ann", "alpha")]
        events = connection.execute(
            text('SELECT object, "user", project FROM events WHERE sequence < 5 ORDER BY sequence')
        ).all()
        assert [tuple(row) for row in events] == [
            ("job/8", "ann", "alpha"),
            ("batch/4", "ann", "alpha"),
            ("batch/99", "?", ""),  # nobody's that could sign in
            ("worker/job/8", "", ""),
        ]
        kinds = connection.execute(text("SELECT kind FROM events WHERE sequence > 4 ORDER BY sequence")).all()
        assert [kind for (kind,) in kinds] == ["worker.excluded", "worker.quarantined"]
        state, directory, _ = recover(connection, 10)
    assert state.waited == {"ann": (2, 9)}
    assert directory.users["ann"].deleted_at_ms is None  # type: ignore[index]
    assert {record.hash: record.revoked_at_ms for record in directory.tokens.values()} == {
        "h1": None,
        "h2": 6,
    }
    old.dispose()
