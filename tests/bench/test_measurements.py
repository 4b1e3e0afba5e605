"""Each measurement runs, at a tiny size and on real processes, and its figures make sense. How fast is not tested here."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from bench.bench import MEASUREMENTS, Bench, run
from bench.figures import TARGETS, Figure
from bench.server.stores import Store, open_store
from bench.sizes import Sizes
from tests.support import postgres

TINY = Sizes(
    runs=2,
    bulk_jobs=300,
    bulk_per_call=100,
    single_clients=4,
    single_jobs=40,
    noop_jobs=200,
    graph_jobs=500,
    users=3,
    users_jobs=300,
    process_jobs=12,
    python_calls=5,
    client_jobs=300,
    latency_jobs=10,
    long_queue=600,
    idle_workers=12,
    idle_watch_s=0.2,
    replay_days=0.02,
    decision_seeds=1,
    pack_items=60,
    pack_large=200,
    share_users=20,
    pending_jobs=400,
    pending_users=8,
    pending_workers=4,
    retention_jobs=500,
    usage_events=500,
    ledger_events=4_000,
    focus_lines=2_000,
    budget_decisions=100,
    cluster_nodes=20,
    cluster_pods=300,
    cluster_watch_s=2.0,
    data_mib=8,
)


def measured(name: str, store: Store, folder: Path) -> dict[str, Figure]:
    said: list[str] = []
    figures = run(Bench(sizes=TINY, store=store, folder=folder, say=said.append), [name])
    assert name in said[0]
    assert all(figure.measurement == name for figure in figures)
    found = {figure.name: figure for figure in figures}
    assert len(found) == len(figures)
    return found


def check_sanity(name: str, figures: dict[str, Figure]) -> None:
    assert all(math.isfinite(figure.value) for figure in figures.values())
    wanted = {figure for measurement, figure in TARGETS if measurement == name}
    assert wanted <= set(figures), "a target that nothing is measured for"
    for figure in figures.values():
        if figure.runs:
            assert min(figure.runs) <= figure.value <= max(figure.runs) or figure.unit == "×"
        if figure.unit == "jobs/s":
            assert 0 < figure.value < 10_000_000
            assert len(figure.runs) == TINY.runs
        elif figure.unit == "ms":
            assert -1 <= figure.value < 30_000
        elif figure.unit != "bytes/job":
            assert figure.value >= 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_measurement_runs_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))  # a PostgreSQL of other tests among them
    with open_store("sqlite") as store:
        figures = measured(name, store, tmp_path)
    check_sanity(name, figures)
    if name == "process-jobs":
        assert figures["CPU, agents"].value > 0, "processes that have ended are counted"
    assert list(tmp_path.iterdir()) == []
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.slow
def test_postgresql_is_measured_with_its_own_cpu(postgres_server: postgres.Server, tmp_path: Path) -> None:
    assert postgres_server.pid is None or psutil.pid_exists(postgres_server.pid)
    databases: list[str] = []

    def fresh() -> nullcontext[str]:
        databases.append(postgres_server.create_database())
        return nullcontext(postgres_server.url(databases[-1]))

    process = psutil.Process(postgres_server.pid) if postgres_server.pid else None
    store = Store(kind="postgres", title="test", fresh=fresh, process=process)
    try:
        figures = measured("noop-jobs", store, tmp_path)
    finally:
        for name in databases:
            postgres_server.drop_database(name)
    check_sanity("noop-jobs", figures)
